/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl ps: lists the bottles of this user. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"

struct ps {
    bool json;
};

static const struct option options[] = {{0, "json", NULL, "print a JSON array", offsetof(struct ps, json), 0},
                                        {0, NULL, NULL, NULL, 0, 0}};

/* running; detached: the same without a hostctl; kept: ended, see up --keep; keys: ended, and a deploy key
 * of it could not be deleted at its forge; starting: `up` has not got there yet, or is cleaning up;
 * dead: `up` was killed, gc or down will clean. */
static const char *describe(const struct state *state)
{
    struct err err;
    const struct runtime *runtime = bottle_runtime(state, &err);

    if (state_owner(state) == 0)
        return bottle_ended(state)      ? "keys"
               : bottle_kept(state)     ? "kept"
               : bottle_detached(state) ? "detached"
                                        : "dead";
    return runtime != NULL && runtime->alive(state) ? "running" : "starting";
}

static int add(void *ctx, const char *name)
{
    static const char *const keys[] = {"runtime", "created", "manifest"};
    json_t *list = ctx, *bottle;
    struct state state;
    struct err err;

    if (state_open(&state, name, STATE_READ, 0, &err) != STATE_OK)
        return 0; /* gone meanwhile */
    bottle = json_pack("{s:s,s:s,s:I}", "name", name, "state", describe(&state), "pid",
                       (json_int_t)state_owner(&state));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (state_get(&state, keys[i]) != NULL)
            json_object_set_new(bottle, keys[i], json_string(state_get(&state, keys[i])));
    json_array_append_new(list, bottle);
    state_close(&state);
    return 0;
}

static const char *field(const json_t *bottle, const char *key)
{
    const char *text = json_string_value(json_object_get(bottle, key));

    return text != NULL ? text : "-";
}

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct ps ps = {0};
    struct err err;

    if (options_parse(options, argc, argv, &ps, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count > 0 || operands.command != NULL) {
        err_set(&err, "takes no names");
        return command_usage(command, &err);
    }
    json_t *list = json_array();
    if (state_each(add, list, &err) != 0) {
        json_decref(list);
        return command_fail(command, &err);
    }
    if (ps.json) {
        json_dumpf(list, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        printf("\n");
    } else {
        printf("%-20s %-9s %-8s %-8s %-20s %s\n", "NAME", "STATE", "PID", "RUNTIME", "CREATED", "MANIFEST");
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *bottle = json_array_get(list, i);
            printf("%-20s %-9s %-8lld %-8s %-20s %s\n", field(bottle, "name"), field(bottle, "state"),
                   (long long)json_integer_value(json_object_get(bottle, "pid")), field(bottle, "runtime"),
                   field(bottle, "created"), field(bottle, "manifest"));
        }
    }
    json_decref(list);
    return EXIT_OK;
}

const struct command cmd_ps = {"ps", "[--json]", "List bottles", options, NULL, run};
