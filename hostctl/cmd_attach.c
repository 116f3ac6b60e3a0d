/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl attach: connects to the command of a bottle that was left to run, and is responsible for the bottle
 * from then on, as the `up` that made it was. */
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/entry.h"
#include "hostctl/signals.h"

static const struct option options[] = {{0, NULL, NULL, NULL, 0, 0}};

/* Locked, and its command lives. NULL with err; then nothing is open. */
static const struct runtime *open_bottle(struct state *state, const char *name, struct err *err)
{
    enum state_result result = state_open(state, name, STATE_LOCK, 0, err);

    if (result == STATE_BUSY)
        err_set(err, "another hostctl is attached to the bottle \"%s\"", name);
    if (result != STATE_OK)
        return NULL;
    const struct runtime *runtime = bottle_runtime(state, err);
    if (runtime != NULL && runtime->attach != NULL && runtime->alive(state))
        return runtime;
    if (bottle_kept(state))
        err_set(err, "the bottle \"%s\" has ended; \"hostctl down\" removes what was kept", name);
    else if (runtime == NULL || runtime->attach != NULL)
        err_set(err, "the bottle \"%s\" does not run any more; \"hostctl gc\" removes what it left", name);
    else
        err_set(err, "a bottle of the runtime %s ends with its hostctl", runtime->name);
    state_close(state);
    return NULL;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct entry entry = {.env = NULL};
    struct session session;
    struct forge forge;
    struct state state;
    struct err err;
    int status = EXIT_STOPPER;

    if (options_parse(options, argc, argv, NULL, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count != 1 || operands.command != NULL) {
        err_set(&err, "name one bottle");
        return command_usage(command, &err);
    }
    if (signals_open(&err) != 0)
        return command_fail(command, &err);
    const struct runtime *runtime = open_bottle(&state, operands.names[0], &err);
    if (runtime == NULL)
        return command_fail(command, &err);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* tokens pass through here */
    forge_init(&forge, command->name);
    forge_take_recorded(&forge);
    forge_wipe(&forge);
    session_init(&session);
    bool attached = entry_init(&entry, NULL, NULL, NULL, &err) == 0 &&
                    runtime->attach(&entry.spec, &state, &session, &err) == 0;
    bool lived = attached && session_relay(&session, &status, &err) == 0;
    session_close(&session);
    entry_fini(&entry);
    if (!lived)
        status = command_fail(command, &err);
    if (attached)
        status = bottle_leave(&state, lived, status, command, &forge);
    else
        state_close(&state);
    forge_fini(&forge);
    return status;
}

const struct command cmd_attach = {"attach", "NAME",   "Come back to a bottle that was left to run",
                                   options,  "BOTTLE", run};
