/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl reopen: the egress of a bottle whose canary has closed it. */
#include <stddef.h>
#include <stdio.h>

#include "hostctl/command.h"
#include "hostctl/held.h"

struct reopen {
    const char *reason;
};

static const struct option options[] = {
    {0, "reason", "TEXT", "why, for the audit", offsetof(struct reopen, reason), 0},
    {0, NULL, NULL, NULL, 0, 0}};

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct reopen given = {0};
    struct err err;

    if (options_parse(options, argc, argv, &given, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count != 1 || operands.command != NULL) {
        err_set(&err, "name one bottle");
        return command_usage(command, &err);
    }
    if (given.reason == NULL) {
        err_set(&err, "--reason TEXT is missing");
        return command_usage(command, &err);
    }
    if (held_reopen(operands.names[0], given.reason, &err) != 0)
        return command_fail(command, &err);
    printf("%s open\n", operands.names[0]);
    return EXIT_OK;
}

const struct command cmd_reopen = {"reopen",
                                   "NAME --reason TEXT",
                                   "Open the egress of a bottle that its canary has closed",
                                   options,
                                   "BOTTLE",
                                   run};
