/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_upstream: one connection: its address, its ssh, its end. Which upstreams there are is leg_upstreams.c's. The control
 * socket appears when ssh has logged in, and whole: that is how one knows (the folder is watched).
 */
#include "gate/leg_upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/leg_words.h"

static void connect_now(struct leg_upstream *upstream);

/* ---- who waits ---- */

static void tell(struct leg_upstream *upstream, enum leg_outcome outcome, enum denial reason,
                 const char *text)
{
    struct leg_wait *list = upstream->waiting;

    upstream->waiting = NULL; /* who is told may ask again */
    leg_upstream_use(upstream);
    while (list != NULL) {
        struct leg_wait *wait = list;
        list = wait->next;
        wait->next = NULL;
        wait->waiting = false;
        wait->done(wait, outcome, reason, text);
    }
    leg_upstream_leave(upstream);
}

void leg_upstream_forget(struct leg_upstream *upstream, struct leg_wait *wait)
{
    struct leg_wait **at = &upstream->waiting;

    while (*at != NULL && *at != wait)
        at = &(*at)->next;
    if (*at == wait)
        *at = wait->next;
    wait->waiting = false;
}

/* ---- its connection ---- */

static void disconnect(struct leg_upstream *upstream)
{
    resolve_cancel(upstream->resolve);
    upstream->resolve = NULL;
    leg_master_drop(upstream->master);
    upstream->master = NULL;
    unlink(upstream->control); /* ssh does so only where it is not killed */
    upstream->state = LEG_NONE;
    uv_timer_stop(&upstream->timer);
}

static void fail(struct leg_upstream *upstream, enum leg_outcome outcome, enum denial reason,
                 const char *text)
{
    disconnect(upstream);
    tell(upstream, outcome, reason, text);
}

/* "HOST:PORT words" */
static void fail_words(struct leg_upstream *upstream, enum leg_outcome outcome, enum denial reason,
                       const char *words)
{
    char host[LEG_HOST_SIZE], text[LEG_TEXT_SIZE];

    leg_words_host(&upstream->url, host);
    snprintf(text, sizeof text, "%.120s %s", host, words);
    fail(upstream, outcome, reason, text);
}

static void on_late(uv_timer_t *timer)
{
    struct leg_upstream *upstream = timer->data;

    if (upstream->state == LEG_READY) { /* it is unused */
        disconnect(upstream);
        return;
    }
    fail_words(upstream, LEG_ENDED, DENIAL_UPSTREAM_TIMEOUT, "did not let us log in within 25 s");
}

static unsigned connect_seconds(const struct leg_upstream *upstream)
{
    return upstream->address_count > 1 ? LEG_CONNECT_ONE_S : LEG_CONNECT_S;
}

static void on_master_ended(void *owner, struct str words)
{
    struct leg_upstream *upstream = owner;
    char text[LEG_TEXT_SIZE];

    upstream->master = NULL; /* it frees itself */
    if (upstream->state == LEG_CONNECTING && leg_words_unreached(words) &&
        upstream->address_at + 1 < upstream->address_count) {
        upstream->address_at++;
        connect_now(upstream);
        return;
    }
    enum denial reason = leg_words_why(words, &upstream->url, connect_seconds(upstream), text);
    fail(upstream, LEG_ENDED, reason, text); /* nobody waits where it was ready */
}

void leg_upstream_target(const struct leg_upstream *upstream, struct leg_target *target)
{
    *target = (struct leg_target){.url = &upstream->url,
                                  .address = upstream->addresses[upstream->address_at],
                                  .hosts = upstream->hosts.path,
                                  .key = upstream->key.path,
                                  .control = upstream->control,
                                  .connect_s = connect_seconds(upstream)};
}

static void connect_now(struct leg_upstream *upstream)
{
    struct leg_target target;
    struct err err;

    leg_upstream_target(upstream, &target);
    upstream->state = LEG_CONNECTING;
    upstream->master = leg_master_start(upstream->all->loop, &target, upstream, on_master_ended, &err);
    if (upstream->master == NULL)
        fail(upstream, LEG_FAILED, DENIAL_OVERLOADED, "the sidecar could not start ssh");
}

void leg_upstream_look(struct leg_upstream *upstream)
{
    struct stat found;

    if (upstream->state != LEG_CONNECTING || lstat(upstream->control, &found) != 0 ||
        !S_ISSOCK(found.st_mode))
        return;
    upstream->state = LEG_READY;
    uv_timer_stop(&upstream->timer);
    tell(upstream, LEG_ENDED, DENIAL_NONE, "");
}

/* Of the addresses those that may be dialled. */
static void addresses_take(struct leg_upstream *upstream, const struct ip *ips, size_t count)
{
    const struct policy *policy = upstream->all->policy;
    const struct gate_repo *repo = gate_find(policy->gate, str_of(upstream->name));

    upstream->address_count = upstream->address_at = 0;
    for (size_t i = 0; i < count && repo != NULL && upstream->address_count < LEG_TRIES; i++)
        if (policy_may_push(policy, repo, &ips[i]))
            upstream->addresses[upstream->address_count++] = ips[i];
    if (upstream->address_count > 0)
        connect_now(upstream);
    else
        fail_words(upstream, LEG_NOT_RESOLVED, DENIAL_ADDRESS_REFUSED,
                   "is at an address that must not be dialled");
}

static void on_resolved(void *ctx, const struct resolve_answer *answer)
{
    struct leg_upstream *upstream = ctx;

    upstream->resolve = NULL;
    if (answer->denial == DENIAL_NONE)
        addresses_take(upstream, answer->ips, answer->count);
    else
        fail_words(upstream, LEG_NOT_RESOLVED, answer->denial,
                   answer->denial == DENIAL_ADDRESS_REFUSED ? "is at an address that must not be dialled"
                                                            : "has a name that could not be resolved");
}

/* Ends one that carries nothing, if there are many. */
static void make_room(const struct leg_upstreams *all)
{
    struct leg_upstream *idle = NULL;
    unsigned count = 0;

    for (struct leg_upstream *each = all->list; each != NULL; each = each->next) {
        count += each->master != NULL;
        if (each->state == LEG_READY && each->users == 0)
            idle = each;
    }
    if (count >= LEG_MASTERS_MAX && idle != NULL)
        disconnect(idle);
}

void leg_upstream_want(struct leg_upstream *upstream, struct leg_wait *wait)
{
    wait->waiting = true;
    wait->next = upstream->waiting;
    upstream->waiting = wait;
    if (upstream->state == LEG_READY)
        tell(upstream, LEG_ENDED, DENIAL_NONE, "");
    if (upstream->state != LEG_NONE)
        return;
    make_room(upstream->all);
    uv_timer_start(&upstream->timer, on_late, LEG_CONNECT_MS, 0);
    if (upstream->url.address.family != 0) {
        addresses_take(upstream, &upstream->url.address, 1);
        return;
    }
    upstream->state = LEG_RESOLVING;
    upstream->resolve = resolve_start(upstream->all->resolver, upstream->url.host, on_resolved, upstream);
    if (upstream->resolve == NULL)
        fail(upstream, LEG_FAILED, DENIAL_OVERLOADED, "the sidecar is out of memory");
}

/* ---- its life ---- */

static void on_freed(uv_handle_t *timer)
{
    struct leg_upstream *upstream = timer->data;

    free(upstream->url_text);
    free(upstream->host_key);
    free(upstream);
}

void leg_upstream_use(struct leg_upstream *upstream)
{
    upstream->users++;
    if (upstream->state == LEG_READY)
        uv_timer_stop(&upstream->timer);
}

void leg_upstream_leave(struct leg_upstream *upstream)
{
    if (--upstream->users > 0)
        return;
    if (upstream->gone)
        uv_close((uv_handle_t *)&upstream->timer, on_freed);
    else if (upstream->state == LEG_READY)
        uv_timer_start(&upstream->timer, on_late, LEG_IDLE_MS, 0);
}

void leg_upstream_end(struct leg_upstream *upstream)
{
    leg_upstream_use(upstream);
    upstream->gone = true;
    fail(upstream, LEG_UNKNOWN, DENIAL_HOST_NOT_ALLOWED, "the policy has this repository no more");
    leg_files_end(&upstream->key);
    leg_files_end(&upstream->hosts);
    leg_upstream_leave(upstream);
}
