/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chores: see the header. A prefetch is tried once: whoever asks afterwards fetches himself, and hears why it fails. What it
 * costs when the upstream is not there is its audit line. Upkeep is tried again, after a rest that grows, so that an agent that
 * asks and asks does not have the gate begin and begin.
 */
#include "gate/chores.h"

#include <string.h>

#define PAUSE_MS  500 /* at the start of a bottle, and behind a request, others have more to do */
#define REST_MS   UINT64_C(500)
#define TRIES_MAX 11 /* and then every 17 minutes */

static void on_timer(uv_timer_t *timer);

void chores_init(struct server *server)
{
    uv_timer_init(&server->worker->loop, &server->chores_timer);
    server->chores_timer.data = server;
}

void chores_later(struct server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->chores_timer) ||
        uv_timer_get_due_in(&server->chores_timer) > PAUSE_MS)
        uv_timer_start(&server->chores_timer, on_timer, PAUSE_MS, 0);
}

static bool is_elsewhere(const struct gate *old, const struct gate_repo *repo)
{
    const struct gate_repo *before = gate_find(old, str_of(repo->name));

    return before == NULL || strcmp(before->url, repo->url) != 0 ||
           strcmp(before->host_key, repo->host_key) != 0;
}

void chores_policy(struct server *server, const struct policy *old)
{
    const struct policy *policy = server->worker->policy;
    const struct gate *before =
        old != NULL && old->gate != NULL && !old->gate->no_prefetch ? old->gate : NULL;
    struct conn *chore = server->chore;

    if (policy->closed && chore != NULL) /* it is ended, and is done when the egress is open again */
        chore->place->due = true;
    for (size_t i = 0; policy->gate != NULL && i < policy->gate->repo_count; i++) {
        const struct gate_repo *repo = &policy->gate->repos[i];
        struct place *place = host_place(server, repo->name);
        if (place == NULL)
            continue;
        if (is_elsewhere(before, repo)) {
            place->due = true;
            if (chore != NULL && chore->place == place)
                host_kill(chore);
        }
        place->due = place->due && !policy->gate->no_prefetch;
    }
    chores_later(server);
}

/* The first repository that is due, and that nobody is fetching anyway. */
static struct place *due(struct server *server, const struct gate *gate)
{
    for (size_t i = 0; gate != NULL && i < gate->repo_count; i++) {
        struct place *place = host_place(server, gate->repos[i].name);
        if (place != NULL && place->due && place->turns.leader == NULL)
            return place;
    }
    return NULL;
}

/* The first that wants upkeep and that nobody uses. When all have to rest, the timer is set for the one that may be first. */
static struct place *grown(struct server *server, const struct gate *gate)
{
    uint64_t now = uv_now(&server->worker->loop), first = UINT64_MAX;

    for (size_t i = 0; gate != NULL && i < gate->repo_count; i++) {
        struct place *place = host_place(server, gate->repos[i].name);
        if (place == NULL || !place->grown || host_used(server, place, NULL))
            continue;
        if (place->rests_ms <= now)
            return place;
        first = place->rests_ms < first ? place->rests_ms : first;
    }
    if (first != UINT64_MAX)
        uv_timer_start(&server->chores_timer, on_timer, first - now, 0);
    return NULL;
}

static void begin(struct server *server, struct place *place, enum request_service service)
{
    struct conn *conn = conn_own(server, place, service);
    struct err err;

    if (service == REQUEST_PREFETCH)
        place->due = false;
    else
        place->grown = false;
    if (conn == NULL) {
        audit_sink_release(server->worker->audit);
        return;
    }
    server->chore = conn;
    if (service == REQUEST_UPKEEP)
        turns_ask(&place->turns, &conn->turn); /* nobody leads */
    if (host_start(conn, &err) != 0) {
        record_conn(conn, DENIAL_OVERLOADED, str_of(err.text));
        turns_leave(&place->turns, &conn->turn); /* nobody waits */
        server->chore = NULL;
        conn_end(conn);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;
    const struct policy *policy = server->worker->policy;

    if (server->chore != NULL || policy == NULL || server_closed(server))
        return;
    struct place *place = due(server, policy->gate), *idle = NULL;
    if (place == NULL)
        place = idle = grown(server, policy->gate);
    if (place == NULL)
        return;
    if (audit_sink_reserve(server->worker->audit))
        begin(server, place, idle != NULL ? REQUEST_UPKEEP : REQUEST_PREFETCH);
    else
        chores_later(server); /* its line has no room now, and nobody else may come to try again */
}

void chores_over(struct conn *conn)
{
    struct place *place = conn->place;

    if (conn->request.service == REQUEST_UPKEEP && conn->ended && conn->end.reason == DENIAL_NONE) {
        place->tries = 0;
    } else if (conn->request.service == REQUEST_UPKEEP) {
        place->grown = true;
        place->tries += place->tries < TRIES_MAX;
        place->rests_ms = uv_now(&conn->server->worker->loop) + (REST_MS << place->tries);
    }
    conn->server->chore = NULL;
    uv_timer_start(&conn->server->chores_timer, on_timer, 0, 0);
}
