/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl version. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/policy.h"
#include "hostctl/command.h"

struct version {
    bool json;
};

static const struct option options[] = {{0, "json", NULL, "print JSON", offsetof(struct version, json), 0},
                                        {0, NULL, NULL, NULL, 0, 0}};

static int run(const struct command *command, int argc, char **argv)
{
    struct version version = {0};
    struct operands operands;
    struct err err;

    if (options_parse(options, argc, argv, &version, &operands, &err) != 0)
        return command_usage(command, &err);
    printf(version.json ? "{\"version\":\"%s\",\"protocol\":%d}\n" : "hostctl %s (policy protocol %d)\n",
           STOPPER_VERSION, POLICY_PROTOCOL);
    return EXIT_OK;
}

const struct command cmd_version = {"version", "[--json]", "Show the version of this program",
                                    options,   NULL,       run};
