/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pool: see pool.h. A fixed number of places in one list, the one that was used last in front: it is the one
 * that its server has most likely not given up. Taking and putting changes no event that the kernel is asked
 * for.
 */
#include "proxy/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/host.h"
#include "proxy/limits.h"

#define SWEEP_MS 1000 /* between two looks for those whose time is over */

struct place {
    struct place *prev, *next; /* in the list of the used, or (next only) of the free */
    struct pool *pool;
    struct pooled pooled;
    unsigned port;
    bool secure;
    uint64_t generation, until_ms;
    char host[HOST_MAX + 1];
};

struct pool {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct place *first, *last, *vacant;
    struct place places[POOL_MAX];
};

static void remove_place(struct place *place)
{
    struct pool *pool = place->pool;

    *(place->prev != NULL ? &place->prev->next : &pool->first) = place->next;
    *(place->next != NULL ? &place->next->prev : &pool->last) = place->prev;
    place->next = pool->vacant;
    pool->vacant = place;
    place->pooled.stream = NULL;
}

static void drop(struct place *place)
{
    stream_close(place->pooled.stream, false);
    remove_place(place);
}

/* The end, or bytes that nobody asked for. TLS may have had something to say for itself (a session ticket).
 */
static void on_ready(void *ctx, int events)
{
    struct place *place = ctx;
    struct buf unasked;

    (void)events;
    buf_init(&unasked, READ_SIZE);
    ssize_t got = stream_read(place->pooled.stream, &unasked, READ_SIZE);
    buf_fini(&unasked);
    if (got != -EAGAIN)
        drop(place);
}

static void on_sweep(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    uint64_t now = uv_now(pool->loop);
    struct place *next;

    for (struct place *place = pool->first; place != NULL; place = next) {
        next = place->next;
        if (now >= place->until_ms)
            drop(place);
    }
    if (pool->first == NULL)
        uv_timer_stop(timer);
}

struct pool *pool_new(uv_loop_t *loop)
{
    struct pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return NULL;
    pool->loop = loop;
    uv_timer_init(loop, &pool->timer);
    pool->timer.data = pool;
    for (size_t i = 0; i < POOL_MAX; i++) {
        pool->places[i].pool = pool;
        pool->places[i].next = pool->vacant;
        pool->vacant = &pool->places[i];
    }
    return pool;
}

bool pool_take(struct pool *pool, const struct pool_key *key, bool proven, struct pooled *taken)
{
    uint64_t now = uv_now(pool->loop);

    for (struct place *place = pool->first; place != NULL; place = place->next) {
        if (now >= place->until_ms || (proven && !place->pooled.proven) || place->port != key->port ||
            place->secure != key->secure || place->generation != key->generation ||
            strcmp(place->host, key->host) != 0)
            continue;
        *taken = place->pooled;
        remove_place(place);
        return true;
    }
    return false;
}

void pool_put(struct pool *pool, const struct pool_key *key, const struct pooled *put)
{
    if (pool->vacant == NULL)
        drop(pool->last);
    struct place *place = pool->vacant;
    pool->vacant = place->next;
    place->prev = NULL;
    place->next = pool->first;
    *(pool->first != NULL ? &pool->first->prev : &pool->last) = place;
    pool->first = place;
    place->pooled = *put;
    place->port = key->port;
    place->secure = key->secure;
    place->generation = key->generation;
    place->until_ms = uv_now(pool->loop) + put->idle_ms;
    strcpy(place->host, key->host); /* canonical, so it fits */
    stream_hand_over(put->stream, on_ready, place);
    stream_want(put->stream, UV_READABLE);
    if (!uv_is_active((uv_handle_t *)&pool->timer))
        uv_timer_start(&pool->timer, on_sweep, SWEEP_MS, SWEEP_MS);
}

void pool_clear(struct pool *pool)
{
    while (pool->first != NULL)
        drop(pool->first);
}
