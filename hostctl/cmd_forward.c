/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl forward: ports of the host's loopback that lead into a bottle that runs. */
#include <stddef.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/forward.h"
#include "hostctl/signals.h"

static const struct option options[] = {{0, NULL, NULL, NULL, 0, 0}};

static int run(const struct command *command, int argc, char **argv)
{
    struct forward_port ports[FORWARD_PORTS_MAX];
    struct operands operands;
    struct state state;
    struct err err;

    if (options_parse(options, argc, argv, NULL, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count < 2 || operands.count - 1 > FORWARD_PORTS_MAX || operands.command != NULL) {
        err_set(&err, "name one bottle, and 1 to %d ports", FORWARD_PORTS_MAX);
        return command_usage(command, &err);
    }
    size_t count = operands.count - 1;
    for (size_t i = 0; i < count; i++)
        if (forward_port_parse(operands.names[1 + i], &ports[i], &err) != 0)
            return command_usage(command, &err);
    if (signals_open(&err) != 0)
        return command_fail(command, &err);
    const struct runtime *runtime = bottle_open_running(&state, operands.names[0], &err);
    if (runtime == NULL)
        return command_fail(command, &err);
    int result = forward_run(runtime, &state, ports, count, &err);
    state_close(&state);
    return result == 0 ? EXIT_OK : command_fail(command, &err);
}

const struct command cmd_forward = {
    "forward", "NAME PORT[:AGENTPORT]...", "Lead ports of the host's loopback into a bottle",
    options,   "BOTTLE PORT...",           run};
