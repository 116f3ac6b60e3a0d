/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pool: connections to upstreams that wait for the next request, of whichever of the agent's connections.
 * What a connection may serve is its key, never an address: the name that was dialled and verified, the port,
 * whether TLS was verified on it, and the policy generation under which all that was so. Whatever an upstream
 * says while nobody asks ends its connection.
 */
#ifndef PROXY_POOL_H
#define PROXY_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/cidr.h"
#include "proxy/stream.h"

struct pool;

struct pool_key {
    const char *host; /* canonical */
    unsigned port;
    bool secure; /* verified TLS */
    uint64_t generation;
};

struct pooled {
    struct stream *stream;
    struct ip ip;     /* where it leads */
    bool proven;      /* its server has answered more than one request on it */
    uint64_t idle_ms; /* how long it may wait */
};

/* For as long as the process lives. Returns NULL when memory is out. */
struct pool *pool_new(uv_loop_t *loop);

/* The connection of this key that was used last; the caller's from now on, who hands it over to himself: it
 * reports the events that it reported before. `proven`: only a proven one will do. False when there is none.
 */
bool pool_take(struct pool *pool, const struct pool_key *key, bool proven, struct pooled *taken);

/* Takes a connection on which no message is under way. It is closed after its idle_ms at the latest, or
 * sooner when others want its place. */
void pool_put(struct pool *pool, const struct pool_key *key, const struct pooled *put);

/* Closes all: a new policy is in force. */
void pool_clear(struct pool *pool);

#endif
