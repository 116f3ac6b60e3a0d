/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bottle: see bottle.h. */
#include "hostctl/bottle.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hostctl/audit_kept.h"
#include "hostctl/deploy_key.h"
#include "hostctl/guard.h"

#define ENDED "ended"

const struct runtime *bottle_runtime(const struct state *state, struct err *err)
{
    const char *name = state_get(state, "runtime");
    const struct runtime *runtime = name != NULL ? runtime_find(name) : NULL;

    err->text[0] = '\0';
    if (name != NULL && runtime == NULL)
        err_set(err, "%s: made by the runtime \"%s\", which this hostctl has not", state->name, name);
    return runtime;
}

bool bottle_detached(const struct state *state)
{
    const char *detached = state_get(state, "detached");
    struct err ignored;
    const struct runtime *runtime = bottle_runtime(state, &ignored);

    return detached != NULL && strcmp(detached, "yes") == 0 && runtime != NULL && runtime->alive(state);
}

static bool is_yes(const struct state *state, const char *key)
{
    const char *value = state_get(state, key);

    return value != NULL && strcmp(value, "yes") == 0;
}

bool bottle_kept(const struct state *state)
{
    return is_yes(state, "kept");
}

bool bottle_ended(const struct state *state)
{
    return is_yes(state, ENDED);
}

/* While its sidecar is there. That of a bottle whose container was kept has gone already. */
static void audit_take(const struct state *state, const struct runtime *runtime)
{
    if (bottle_kept(state))
        return;
    if (runtime->settle != NULL)
        runtime->settle(state);
    audit_kept_fetch(state, runtime);
}

/* Returns whether it was kept; a failure is said, and then the bottle is removed as others are. */
static bool keep(struct state *state, const struct runtime *runtime, const struct command *command)
{
    char name[100];
    struct err err;

    audit_take(state, runtime);
    if (audit_kept_add(state, &err) != 0 || runtime->keep(state, name, &err) != 0 ||
        state_set(state, "detached", "no", &err) != 0 || state_set(state, "kept", "yes", &err) != 0) {
        command_fail(command, &err);
        return false;
    }
    fprintf(stderr, "hostctl %s: the container %s was kept; \"hostctl down %s\" removes it\n", command->name,
            name, state->name);
    return true;
}

int bottle_leave(struct state *state, bool lived, int status, const struct command *command,
                 const struct forge *forge)
{
    struct err err;
    const struct runtime *runtime = bottle_runtime(state, &err);

    int ended = lived && runtime != NULL && runtime->ended != NULL ? runtime->ended(state) : status;
    if (ended == -1 && state_set(state, "detached", "yes", &err) == 0) {
        fprintf(stderr, "hostctl %s: the bottle \"%s\" runs on; \"hostctl attach %s\" comes back to it\n",
                command->name, state->name, state->name);
        state_close(state);
        return EXIT_OK;
    }
    struct guard guard;
    guard_read(state, &guard);
    status = ended >= 0 ? ended : status;
    if (lived && is_yes(state, "keep") && runtime->keep != NULL && keep(state, runtime, command))
        status = bottle_tidy(state, forge, &err) != 0 ? command_fail(command, &err) : status;
    else if (bottle_remove(state, forge, &err) != 0)
        status = command_fail(command, &err);
    guard_list(&guard, "hostctl: changed: ", stderr);
    guard_free(&guard);
    return status;
}

const struct runtime *bottle_open_running(struct state *state, const char *name, struct err *err)
{
    const struct runtime *runtime = NULL;

    if (state_open(state, name, STATE_READ, 0, err) != STATE_OK)
        return NULL;
    if (state_owner(state) == 0 && !bottle_detached(state))
        err_set(err, "the bottle \"%s\" does not run any more; \"hostctl gc\" removes what it left", name);
    else if ((runtime = bottle_runtime(state, err)) == NULL && err->text[0] == '\0')
        err_set(err, "the bottle \"%s\" is being made or removed", name);
    else if (runtime != NULL && !runtime->alive(state)) {
        runtime = NULL;
        err_set(err, "the bottle \"%s\" is being made or removed", name);
    }
    if (runtime == NULL)
        state_close(state);
    return runtime;
}

int bottle_tidy(struct state *state, const struct forge *forge, struct err *err)
{
    int status = deploy_keys_remove(state, forge, err);

    state_close(state);
    return status;
}

/* All that is on this machine. */
static int clean(struct state *state, struct err *err)
{
    const struct runtime *runtime = bottle_runtime(state, err);

    if (bottle_ended(state))
        return 0;
    if (runtime != NULL)
        audit_take(state, runtime);
    if ((runtime == NULL && err->text[0] != '\0') || (runtime != NULL && runtime->clean(state, err) != 0) ||
        audit_kept_add(state, err) != 0)
        return -1;
    return state_deploy_keys(state) != NULL ? state_set(state, ENDED, "yes", err) : 0;
}

int bottle_remove(struct state *state, const struct forge *forge, struct err *err)
{
    if (clean(state, err) == 0 && deploy_keys_remove(state, forge, err) == 0)
        return state_remove(state, err);
    state_close(state);
    return -1;
}
