/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_seen: see the header. */
#include "init/gate_seen.h"

#include <stdlib.h>
#include <string.h>

#include "core/audit.h"
#include "core/gate.h"

#define TIME_MAX    32
#define VERDICT_MAX 16
#define GROW        16

static const char *const methods[] = {"fetch", "push"};
#define METHODS (sizeof methods / sizeof methods[0])

struct event {
    char time[TIME_MAX], id[AUDIT_ID_MAX], verdict[VERDICT_MAX]; /* "" = there was none */
    enum denial reason;
    bool gates; /* the gate's own, before anybody asked */
};

struct gate_seen_of {
    char name[GATE_NAME_MAX + 1];
    struct event last[METHODS];
};

static bool copy(char *to, size_t size, struct str from)
{
    if (from.len == 0 || from.len >= size)
        return false;
    memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
    return true;
}

static struct gate_seen_of *find(const struct gate_seen *seen, struct str name)
{
    for (size_t i = 0; i < seen->count; i++)
        if (str_equal(str_of(seen->of[i].name), name))
            return &seen->of[i];
    return NULL;
}

static struct gate_seen_of *add(struct gate_seen *seen, struct str name)
{
    struct gate_seen_of *of = find(seen, name);

    if (of != NULL || seen->count == GATE_REPOS_MAX || !gate_is_name(name))
        return of;
    if (seen->count % GROW == 0) {
        of = realloc(seen->of, (seen->count + GROW) * sizeof *of);
        if (of == NULL)
            return NULL;
        seen->of = of;
    }
    of = &seen->of[seen->count];
    memset(of, 0, sizeof *of);
    if (!copy(of->name, sizeof of->name, name))
        return NULL;
    seen->count++;
    return of;
}

void gate_seen_note(struct gate_seen *seen, const struct audit_tally *tally)
{
    struct event event = {.reason = tally->reason, .gates = str_equal(tally->method, str_of("prefetch"))};
    size_t method = 0;

    while (!event.gates && method < METHODS && !str_equal(tally->method, str_of(methods[method])))
        method++;
    /* Without a host the name is one that the agent made up: they would take the place of those that there are. */
    if (method == METHODS || !str_equal(tally->kind, str_of("git")) || tally->host.len == 0 ||
        !copy(event.time, sizeof event.time, tally->time) || !copy(event.id, sizeof event.id, tally->id) ||
        !copy(event.verdict, sizeof event.verdict, tally->verdict))
        return;
    struct gate_seen_of *of = add(seen, tally->repository);
    if (of != NULL)
        of->last[method] = event;
}

void gate_seen_describe(const struct gate_seen *seen, const char *name, json_t *repository)
{
    const struct gate_seen_of *of = find(seen, str_of(name));

    for (size_t i = 0; of != NULL && i < METHODS; i++) {
        const struct event *last = &of->last[i];
        if (last->verdict[0] == '\0')
            continue;
        json_t *event =
            json_pack("{s:s, s:s, s:s}", "time", last->time, "event_id", last->id, "verdict", last->verdict);
        if (last->reason != DENIAL_NONE)
            json_object_set_new(event, "reason", json_string(denial_name(last->reason)));
        if (last->gates)
            json_object_set_new(event, "by", json_string("gate"));
        json_object_set_new(repository, methods[i], event);
    }
}
