/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve: asks the sidecar's own resolver (stopper-dns on 127.0.0.1:PORT_RESOLVER, see docs/ARCHITECTURE.md)
 * for the addresses of a name that the policy allows. One connected UDP socket for all queries; nothing is
 * cached here. It needs ldns, so it is no part of the layer's library: programs that ask compile it in.
 */
#ifndef SYS_RESOLVE_H
#define SYS_RESOLVE_H

#include <stddef.h>
#include <uv.h>

#include "core/cidr.h"
#include "core/denial.h"

#define ADDRESSES_MAX            16   /* of a name */
#define TIMEOUT_RESOLVE_MS       5000 /* our own resolver over loopback, which asks upstreams in turn */
#define TIMEOUT_RESOLVE_AGAIN_MS 1000 /* a query is repeated when the resolver is just being restarted */

struct resolver;
struct resolve;

struct resolve_answer {
    enum denial denial; /* NONE, NAME_UNRESOLVED, or ADDRESS_REFUSED: the resolver has filtered all of them */
    size_t count;       /* 1 to ADDRESSES_MAX when NONE */
    struct ip ips[ADDRESSES_MAX];
};

/* Opens the socket. Returns NULL when that fails. It lives as long as the process. */
struct resolver *resolver_new(uv_loop_t *loop);

/* Asks for the A records of a canonical name. `done` is called once, from the loop, never from inside this
 * call, after at most TIMEOUT_RESOLVE_MS; the query is gone then. Returns NULL when memory is out. */
struct resolve *resolve_start(struct resolver *resolver, const char *host,
                              void (*done)(void *ctx, const struct resolve_answer *answer), void *ctx);

/* Forgets the query; NULL is fine. */
void resolve_cancel(struct resolve *resolve);

/* A query for the A records of `host` and the reading of its answer, for resolve.c and its test.
 * resolve_write returns the packet's length, 0 when it does not fit. resolve_read returns 0, or -1 when this
 * is no answer to that query. */
size_t resolve_write(const char *host, uint16_t id, uint8_t *packet, size_t size);
int resolve_read(const uint8_t *packet, size_t len, const char *host, struct resolve_answer *answer);

#endif
