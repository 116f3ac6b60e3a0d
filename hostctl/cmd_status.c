/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl status: what a bottle's sidecar says of itself, and what hostctl knows of it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/budget.h"
#include "hostctl/bottle.h"
#include "hostctl/command.h"
#include "hostctl/sidecar.h"

struct status {
    bool json;
};

static const struct option options[] = {
    {0, "json", NULL, "print a JSON object", offsetof(struct status, json), 0}, {0, NULL, NULL, NULL, 0, 0}};

/* The sidecar's answer, and ours over it: no sidecar says how a bottle is called. NULL with err. */
static json_t *describe(const struct runtime *runtime, const struct state *state, struct err *err)
{
    static const char *const keys[] = {"runtime", "created", "manifest"};
    json_t *status = sidecar_ask(runtime, state, "status", str_of(NULL), err);

    if (status == NULL)
        return NULL;
    json_object_del(status, "ok");
    json_object_set_new(status, "name", json_string(state->name));
    json_object_set_new(status, "hostctl", json_integer((json_int_t)state_owner(state)));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_set_new(status, keys[i],
                            state_get(state, keys[i]) != NULL ? json_string(state_get(state, keys[i]))
                                                              : json_null());
    return status;
}

/* A text of the sidecar's, of which no byte is one that a terminal obeys. */
static const char *text_of(const json_t *object, const char *key, char out[200])
{
    const char *text = json_string_value(json_object_get(object, key));
    size_t len = 0;

    for (; text != NULL && text[len] != '\0' && len < 199; len++)
        out[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
    out[len] = '\0';
    return len > 0 ? out : "-";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_head(const json_t *status)
{
    static const char *const texts[] = {"name", "runtime", "created", "manifest"};
    const json_t *interfaces = json_object_get(status, "interfaces"),
                 *egress = json_object_get(status, "egress");
    long long uptime = number_of(status, "uptime_s");
    char out[200], other[200];

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        printf("%-10s %s\n", texts[i], text_of(status, texts[i], out));
    if (number_of(status, "hostctl") > 0)
        printf("%-10s %lld\n", "hostctl", number_of(status, "hostctl"));
    printf("%-10s %lldh %lldm %llds, ready after %lld ms\n", "uptime", uptime / 3600, uptime / 60 % 60,
           uptime % 60, number_of(status, "ready_ms"));
    printf("%-10s %lld\n", "generation", number_of(status, "generation"));
    printf("%-10s %s\n", "policy", text_of(status, "policy_digest", out));
    printf("%-10s %s\n", "egress", text_of(interfaces, "egress", out));
    if (strcmp(text_of(egress, "state", out), "open") != 0)
        printf("%-10s %s for %lld s, by event %s: hostctl reopen\n", "canary", out,
               number_of(egress, "since_s"), text_of(egress, "event_id", other));
    printf("%-10s %s %s\n", "agent", text_of(interfaces, "agent", out), text_of(status, "address", other));
}

static void print_counts(json_t *counts, const char *what)
{
    char name[200];
    const char *key;
    json_t *count;

    json_object_foreach(counts, key, count) {
        json_t *named = json_pack("{s:s}", "name", key);
        printf("%-10s %-18s %lld\n", what, text_of(named, "name", name),
               (long long)json_integer_value(count));
        json_decref(named);
    }
}

/* "approval   7 GET https://a.example:443/b, once, by root: REASON", or "approval   8 value 00ff… in the body to https://…" */
static void print_approvals(const json_t *approvals)
{
    char text[4][200];
    const json_t *one;
    size_t at;

    json_array_foreach(approvals, at, one) {
        bool value = json_object_get(one, "value") != NULL;
        printf("%-10s %lld ", "approval", number_of(one, "id"));
        if (value)
            printf("value %s in the %s to", text_of(one, "value", text[0]), text_of(one, "surface", text[1]));
        else
            printf("%s", text_of(one, "method", text[0]));
        printf(" %s://%s:%lld", json_is_true(json_object_get(one, "tls")) ? "https" : "http",
               text_of(one, "host", text[1]), number_of(one, "port"));
        printf("%s, %s", value ? "" : text_of(one, "path", text[0]), text_of(one, "how", text[1]));
        if (json_object_get(one, "left_s") != NULL)
            printf(" %llds", number_of(one, "left_s"));
        printf(", by %s: %s\n", text_of(one, "by", text[2]), text_of(one, "reason", text[3]));
    }
}

/* "budget     a.example 10m/minute" */
static void print_budgets(const json_t *budgets)
{
    char host[200], text[BUDGET_TEXT];
    const json_t *one;
    size_t at;

    json_array_foreach(budgets, at, one) {
        budget_format((uint64_t)number_of(one, "bytes"), text);
        printf("%-10s %s %s\n", "budget", text_of(one, "host", host), text);
    }
}

/* "           push 2026-01-02T03:04:05.678Z block git-refused, event ID" */
static void print_last(const json_t *repository, const char *method)
{
    const json_t *last = json_object_get(repository, method);
    char time[200], verdict[200], reason[200], id[200];

    if (last != NULL)
        printf("%-10s %s %s%s %s%s%s, event %s\n", "", method, text_of(last, "time", time),
               json_object_get(last, "by") != NULL ? " by the gate" : "", text_of(last, "verdict", verdict),
               json_object_get(last, "reason") != NULL ? " " : "",
               json_object_get(last, "reason") != NULL ? text_of(last, "reason", reason) : "",
               text_of(last, "event_id", id));
}

/* "repository app ssh://git@h.example/org/app.git", and what became of its last fetch and its last push */
static void print_repositories(const json_t *repositories)
{
    char name[200], url[200];
    const json_t *one;
    size_t at;

    json_array_foreach(repositories, at, one) {
        printf("%-10s %s %s\n", "repository", text_of(one, "name", name), text_of(one, "url", url));
        print_last(one, "fetch");
        print_last(one, "push");
    }
}

static void print(json_t *status)
{
    json_t *workers = json_object_get(status, "workers");
    char name[200], how[200];

    print_head(status);
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        printf("%-10s %-18s %-9s pid %-5lld restarts %-3lld memory %lld KiB\n", "worker",
               text_of(worker, "name", name), text_of(worker, "state", how), number_of(worker, "pid"),
               number_of(worker, "restarts"), number_of(worker, "memory_kib"));
    }
    printf("%-10s %lld\n", "held", number_of(status, "held"));
    print_approvals(json_object_get(status, "approvals"));
    print_budgets(json_object_get(status, "budgets"));
    print_repositories(json_object_get(status, "repositories"));
    print_counts(json_object_get(status, "counters"), "wall");
    print_counts(json_object_get(status, "denials"), "denied");
}

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct status given = {0};
    struct state state;
    struct err err;

    if (options_parse(options, argc, argv, &given, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.count != 1 || operands.command != NULL) {
        err_set(&err, "name one bottle");
        return command_usage(command, &err);
    }
    const struct runtime *runtime = bottle_open_running(&state, operands.names[0], &err);
    if (runtime == NULL)
        return command_fail(command, &err);
    json_t *status = describe(runtime, &state, &err);
    state_close(&state);
    if (status == NULL)
        return command_fail(command, &err);
    if (given.json) {
        json_dumpf(status, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        printf("\n");
    } else {
        print(status);
    }
    json_decref(status);
    return EXIT_OK;
}

const struct command cmd_status = {
    "status", "NAME [--json]", "Say how a bottle's sidecar is: workers, counters of every wall, policy",
    options,  "BOTTLE",        run};
