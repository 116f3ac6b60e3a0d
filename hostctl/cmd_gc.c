/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl gc: removes what a hostctl that was killed left behind. A bottle that runs is never touched. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>

#include "hostctl/audit_kept.h"
#include "hostctl/bottle.h"
#include "hostctl/command.h"

struct gc {
    bool all, forget;
};

static const struct option options[] = {
    {0, "all", NULL,
     "also all kept audits, and what has Stopper's marks and no state folder of this user knows",
     offsetof(struct gc, all), 0},
    {0, "forget-keys", NULL, "forget deploy keys that cannot be deleted at their forge; they are listed",
     offsetof(struct gc, forget), 0},
    {0, NULL, NULL, NULL, 0, 0}};

struct sweep {
    const struct command *command;
    const struct forge *forge;
    int status;
};

static int sweep_one(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    struct state state;
    struct err err;
    enum state_result result = state_open(&state, name, STATE_LOCK, 0, &err);

    if (result == STATE_BUSY || result == STATE_MISSING)
        return 0;
    int status = result == STATE_OK ? 0 : -1;
    if (status == 0 && bottle_detached(&state))
        state_close(&state);
    else if (status == 0 && bottle_kept(&state))
        status = bottle_tidy(&state, sweep->forge, &err);
    else if (status == 0 && (status = bottle_remove(&state, sweep->forge, &err)) == 0)
        printf("%s\n", name);
    if (status != 0)
        sweep->status = command_fail(sweep->command, &err);
    return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct forge forge;
    struct sweep sweep = {command, &forge, EXIT_OK};
    struct operands operands;
    struct gc gc = {0};
    struct err err;

    if (options_parse(options, argc, argv, &gc, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count > 0 || operands.command != NULL) {
        err_set(&err, "takes no names; use down for bottles that run");
        return command_usage(command, &err);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* tokens pass through here */
    forge_init(&forge, command->name);
    forge.forget = gc.forget;
    forge_take_recorded(&forge);
    forge_wipe(&forge);
    int each = state_each(sweep_one, &sweep, &err);
    forge_fini(&forge);
    if (each != 0)
        return command_fail(command, &err);
    for (size_t i = 0; gc.all && runtimes[i] != NULL; i++) {
        int removed = runtimes[i]->gc != NULL ? runtimes[i]->gc(&err) : 0;
        if (removed < 0)
            sweep.status = command_fail(command, &err);
        else if (removed > 0)
            printf("%s: %d without a bottle\n", runtimes[i]->name, removed);
    }
    int kept = audit_kept_gc(gc.all ? 0 : AUDIT_KEPT_DAYS, &err);
    if (kept < 0)
        sweep.status = command_fail(command, &err);
    else if (kept > 0)
        printf("audit: %d of bottles that are gone\n", kept);
    return sweep.status;
}

const struct command cmd_gc = {
    "gc", "[--all] [--forget-keys]", "Remove what a killed hostctl left behind", options, NULL, run};
