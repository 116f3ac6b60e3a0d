/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl exec and hostctl shell: one more command in a bottle that runs. It enters through the shim, which
 * gives up every privilege first; this file must know no other way in. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/entry.h"
#include "hostctl/signals.h"

struct exec {
    const char *workdir;
};

static const struct option options[] = {{'w', "workdir", "DIR",
                                         "folder in the bottle to run in (default: the agent's home)",
                                         offsetof(struct exec, workdir), 0},
                                        {0, NULL, NULL, NULL, 0, 0}};

static int enter(const struct runtime *runtime, const struct state *state, const struct entry *entry,
                 int *status, struct err *err)
{
    struct session session;

    session_init(&session);
    int result = runtime->exec(&entry->spec, state, &session, err);
    if (result == 0)
        result = session_relay(&session, status, err);
    session_close(&session);
    return result;
}

static int run(const struct command *command, int argc, char **argv)
{
    bool shell = command == &cmd_shell;
    struct exec exec = {NULL};
    struct operands operands;
    struct entry entry = {.env = NULL};
    struct state state;
    struct err err;
    int status = EXIT_STOPPER;

    if (options_parse(options, argc, argv, &exec, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count != 1 || (operands.command != NULL) == shell ||
        (!shell && operands.command[0] == NULL)) {
        err_set(&err, shell ? "name one bottle" : "name one bottle, and behind \"--\" the command");
        return command_usage(command, &err);
    }
    if (exec.workdir != NULL && exec.workdir[0] != '/') {
        err_set(&err, "--workdir must be an absolute path in the bottle");
        return command_usage(command, &err);
    }
    if (signals_open(&err) != 0)
        return command_fail(command, &err);
    const struct runtime *runtime = bottle_open_running(&state, operands.names[0], &err);
    if (runtime == NULL)
        return command_fail(command, &err);
    if (entry_init(&entry, operands.command, NULL, exec.workdir, &err) != 0 ||
        enter(runtime, &state, &entry, &status, &err) != 0)
        status = command_fail(command, &err);
    entry_fini(&entry);
    state_close(&state);
    return status;
}

const struct command cmd_exec = {
    "exec", "NAME [-w DIR] -- COMMAND [ARGUMENT...]", "Run one more command in a bottle", options, "BOTTLE",
    run};
const struct command cmd_shell = {"shell", "NAME [-w DIR]", "Open a login shell in a bottle",
                                  options, "BOTTLE",        run};
