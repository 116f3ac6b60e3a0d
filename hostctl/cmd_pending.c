/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl pending: the requests that wait for the operator's verdict. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/held.h"
#include "hostctl/held_show.h"

struct pending {
    bool json;
};

static const struct option options[] = {
    {0, "json", NULL, "print a JSON array", offsetof(struct pending, json), 0}, {0, NULL, NULL, NULL, 0, 0}};

static int add_open(json_t *list, const struct runtime *runtime, struct state *state, struct err *err)
{
    json_t *held = held_ask(runtime, state, NULL, err);

    state_close(state);
    if (held == NULL)
        return -1;
    json_array_extend(list, held);
    json_decref(held);
    return 0;
}

/* Of all bottles those that do not run hold nothing. */
static int add_any(void *ctx, const char *name)
{
    struct state state;
    struct err err;
    const struct runtime *runtime = bottle_open_running(&state, name, &err);

    if (runtime != NULL && add_open(ctx, runtime, &state, &err) != 0)
        fprintf(stderr, "hostctl pending: %s: %s\n", name, err.text);
    return 0;
}

static int add_named(json_t *list, const char *name, struct err *err)
{
    struct state state;
    const struct runtime *runtime = bottle_open_running(&state, name, err);

    return runtime != NULL ? add_open(list, runtime, &state, err) : -1;
}

static void print(const json_t *list)
{
    const json_t *held;
    size_t at;

    printf("%-20s %-9s %s\n", "ID", "WAITS", "REQUEST");
    json_array_foreach(list, at, held) {
        printf("%-20s %lld/%llds ", json_string_value(json_object_get(held, "id")),
               (long long)json_integer_value(json_object_get(held, "waited_s")),
               (long long)json_integer_value(json_object_get(held, "seconds")));
        held_put(held, stdout);
        printf("\n");
    }
}

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct pending given = {0};
    struct err err;
    int status = 0;

    if (options_parse(options, argc, argv, &given, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.command != NULL) {
        err_set(&err, "takes names of bottles only");
        return command_usage(command, &err);
    }
    json_t *list = json_array();
    if (operands.count == 0)
        status = state_each(add_any, list, &err);
    for (size_t i = 0; i < operands.count && status == 0; i++)
        status = add_named(list, operands.names[i], &err);
    if (status == 0 && given.json) {
        json_dumpf(list, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        printf("\n");
    } else if (status == 0) {
        print(list);
    }
    json_decref(list);
    return status == 0 ? EXIT_OK : command_fail(command, &err);
}

const struct command cmd_pending = {
    "pending", "[NAME...] [--json]", "List the requests that wait for a verdict", options, "BOTTLE...", run};
