/* SPDX-License-Identifier: GPL-3.0-or-later */
/* holds: see holds.h. */
#include "init/holds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void holds_fini(struct holds *holds)
{
    while (holds->first != NULL)
        holds_remove(holds, holds->first);
}

static uint64_t end_of(const struct hold *hold)
{
    return hold->since_ms + 1000 * (uint64_t)hold->request.seconds + HOLDS_GRACE_MS;
}

struct hold *holds_add(struct holds *holds, struct worker_ref worker, uint64_t number,
                       const struct hold_request *request, uint64_t now_ms)
{
    struct hold *hold = calloc(1, sizeof *hold), **at = &holds->first;

    if (hold == NULL)
        return NULL;
    while (*at != NULL)
        at = &(*at)->next;
    *at = hold;
    hold->id = ++holds->last_id;
    hold->worker = worker;
    hold->number = number;
    hold->request = *request;
    hold->since_ms = now_ms;
    hold->until_ms = end_of(hold);
    holds->waiting++;
    return hold;
}

struct hold *holds_in(const struct holds *holds, enum hold_state state)
{
    struct hold *hold = holds->first;

    while (hold != NULL && hold->state != state)
        hold = hold->next;
    return hold;
}

struct hold *holds_find(const struct holds *holds, uint64_t id)
{
    struct hold *hold = holds->first;

    while (hold != NULL && hold->id != id)
        hold = hold->next;
    return hold;
}

struct hold *holds_of(const struct holds *holds, struct worker_ref worker, uint64_t number)
{
    struct hold *hold = holds->first;

    while (hold != NULL &&
           (hold->number != number || hold->worker.slot != worker.slot || hold->worker.life != worker.life))
        hold = hold->next;
    return hold;
}

void holds_remove(struct holds *holds, struct hold *hold)
{
    struct hold **at = &holds->first;

    while (*at != hold)
        at = &(*at)->next;
    *at = hold->next;
    if (hold->state == HOLD_WAITS)
        holds->waiting--;
    else
        holds->approved--;
    free(hold);
}

/* What denials are counted of: no host has a blank in its name. */
static void source_of(const struct hold_request *request, char name[HOLDS_SOURCE])
{
    if (request->kind == HOLD_PUSH)
        snprintf(name, HOLDS_SOURCE, "push %s", request->push.repository);
    else
        snprintf(name, HOLDS_SOURCE, "%s", request->host);
}

static struct denied_source *find_denied(const struct holds *holds, const char *name)
{
    for (size_t i = 0; i < HOLDS_HOSTS; i++)
        if (holds->denied[i].count > 0 && strcmp(holds->denied[i].name, name) == 0)
            return (struct denied_source *)&holds->denied[i];
    return NULL;
}

void holds_count_denial(struct holds *holds, const struct hold_request *request)
{
    char name[HOLDS_SOURCE];
    source_of(request, name);
    struct denied_source *denied = find_denied(holds, name);

    if (denied == NULL) {
        denied = &holds->denied[holds->denied_next++ % HOLDS_HOSTS];
        memcpy(denied->name, name, sizeof name);
        denied->count = 0;
    }
    denied->count++;
}

bool holds_denied_often(const struct holds *holds, const struct hold_request *request)
{
    char name[HOLDS_SOURCE];
    source_of(request, name);
    const struct denied_source *denied = find_denied(holds, name);

    return denied != NULL && denied->count >= HOLDS_DENIALS;
}

void holds_forget_denials(struct holds *holds)
{
    memset(holds->denied, 0, sizeof holds->denied);
    holds->denied_next = 0;
}

int holds_choose(struct holds *holds, struct hold *hold, enum hold_how how, uint64_t ttl_ms, uint64_t now_ms)
{
    if (holds->approved >= APPROVALS_MAX && hold->request.kind != HOLD_PUSH)
        return -1;
    hold->state = HOLD_CHOSEN;
    hold->how = how;
    hold->until_ms = how == HOLD_TTL ? now_ms + ttl_ms : 0;
    holds->waiting--;
    holds->approved++;
    return 0;
}

void holds_return(struct holds *holds, struct hold *hold)
{
    hold->state = HOLD_WAITS;
    hold->until_ms = end_of(hold);
    holds->approved--;
    holds->waiting++;
}

/* Whether time ends it by itself. */
static bool is_timed(const struct hold *hold)
{
    return hold->state == HOLD_WAITS || (hold->state == HOLD_IN_FORCE && hold->how == HOLD_TTL);
}

struct hold *holds_expired(const struct holds *holds, uint64_t now_ms)
{
    struct hold *hold = holds->first;

    while (hold != NULL && (!is_timed(hold) || hold->until_ms > now_ms))
        hold = hold->next;
    return hold;
}

int64_t holds_next_ms(const struct holds *holds, uint64_t now_ms)
{
    int64_t next = -1;

    for (const struct hold *hold = holds->first; hold != NULL; hold = hold->next) {
        int64_t left = hold->until_ms > now_ms ? (int64_t)(hold->until_ms - now_ms) : 0;
        if (is_timed(hold) && (next < 0 || left < next))
            next = left;
    }
    return next;
}
