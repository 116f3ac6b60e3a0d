/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl ca: the certificate of a bottle's own authority, for whoever is to trust what the sidecar opens. */
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/sidecar.h"

static const struct option options[] = {{0, NULL, NULL, NULL, 0, 0}};

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct state state;
    struct err err;

    if (options_parse(options, argc, argv, NULL, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count != 1 || operands.command != NULL) {
        err_set(&err, "name one bottle");
        return command_usage(command, &err);
    }
    const struct runtime *runtime = bottle_open_running(&state, operands.names[0], &err);
    if (runtime == NULL)
        return command_fail(command, &err);
    json_t *ca = sidecar_ca(runtime, &state, &err);
    state_close(&state);
    if (ca == NULL)
        return command_fail(command, &err);
    fputs(json_string_value(json_object_get(ca, "pem")), stdout);
    json_decref(ca);
    return EXIT_OK;
}

const struct command cmd_ca = {"ca",    "NAME",   "Print the certificate of a bottle's authority (PEM)",
                               options, "BOTTLE", run};
