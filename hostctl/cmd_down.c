/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl down: ends bottles, whether their `up` lives (it is told, and cleans up itself) or was killed (then
 * we clean). */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/guard.h"

#define ORDERLY_MS 20000 /* for `up` to end: its command has 10 s */
#define KILLED_MS  5000

struct down {
    bool all;
};

static const struct option options[] = {{0, "all", NULL, "all bottles", offsetof(struct down, all), 0},
                                        {0, NULL, NULL, NULL, 0, 0}};

/* Tells the process that has the bottle. Returns whether there was one. */
static bool tell(const char *name, int number)
{
    struct state state;
    struct err err;

    if (state_open(&state, name, STATE_READ, 0, &err) != STATE_OK)
        return false;
    pid_t owner = state_owner(&state);
    state_close(&state);
    return owner > 1 && kill(owner, number) == 0;
}

/* Waits for the end of a bottle that was told, kills its `up` if need be, and removes what is left. */
static int finish(const char *name, const struct forge *forge, struct err *err)
{
    struct state state;
    enum state_result result = state_open(&state, name, STATE_LOCK, ORDERLY_MS, err);

    if (result == STATE_BUSY && tell(name, SIGKILL))
        result = state_open(&state, name, STATE_LOCK, KILLED_MS, err);
    if (result == STATE_MISSING)
        return 0; /* its own hostctl has removed it */
    if (result != STATE_OK)
        return -1;
    return bottle_remove(&state, forge, err);
}

static int exists(const char *name, struct err *err)
{
    struct state state;

    if (state_open(&state, name, STATE_READ, 0, err) != STATE_OK)
        return -1;
    state_close(&state);
    return 0;
}

/* What it may leave for the host to run; read while there is a record. */
static void guard_of(const char *name, struct guard *guard)
{
    struct state state;
    struct err ignored;

    *guard = (struct guard){NULL, 0};
    if (state_open(&state, name, STATE_READ, 0, &ignored) != STATE_OK)
        return;
    guard_read(&state, guard);
    state_close(&state);
}

struct names {
    char **names;
    size_t count;
};

static int add(void *ctx, const char *name)
{
    struct names *names = ctx;
    char **grown = realloc(names->names, (names->count + 1) * sizeof *grown);

    if (grown == NULL)
        return -1;
    names->names = grown;
    grown[names->count] = malloc(strlen(name) + 1);
    if (grown[names->count] == NULL)
        return -1;
    strcpy(grown[names->count++], name);
    return 0;
}

/* All are told first and then waited for, so that ten take no longer than one. */
static int end_all(const struct command *command, char *const *names, size_t count)
{
    struct guard *guards = calloc(count + 1, sizeof *guards);
    int status = EXIT_OK;
    struct forge forge;
    struct err err;

    if (guards == NULL) {
        err_set(&err, "out of memory");
        return command_fail(command, &err);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* tokens pass through here */
    forge_init(&forge, command->name);
    forge_take_recorded(&forge);
    forge_wipe(&forge);
    for (size_t i = 0; i < count; i++) {
        guard_of(names[i], &guards[i]);
        tell(names[i], SIGTERM);
    }
    for (size_t i = 0; i < count; i++) {
        if (finish(names[i], &forge, &err) != 0)
            status = command_fail(command, &err);
        guard_list(&guards[i], "changed: ", stdout);
        guard_free(&guards[i]);
    }
    forge_fini(&forge);
    free(guards);
    return status;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct down down = {0};
    struct operands operands;
    struct names all = {0};
    struct err err = {""};
    int status = EXIT_OK;

    if (options_parse(options, argc, argv, &down, &operands, &err) != 0)
        return command_usage(command, &err);
    if (down.all == (operands.count > 0) || operands.command != NULL) {
        err_set(&err, "name the bottles, or --all");
        return command_usage(command, &err);
    }
    for (size_t i = 0; i < operands.count; i++)
        if (exists(operands.names[i], &err) != 0)
            status = command_fail(command, &err);
    if (down.all && state_each(add, &all, &err) != 0)
        status = command_fail(command, &err);
    if (status == EXIT_OK)
        status =
            end_all(command, down.all ? all.names : operands.names, down.all ? all.count : operands.count);
    for (size_t i = 0; i < all.count; i++)
        free(all.names[i]);
    free(all.names);
    return status;
}

const struct command cmd_down = {
    "down", "NAME... | --all", "End bottles and remove all that belongs to them", options, "BOTTLE...", run};
