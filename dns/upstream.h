/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * upstream: asks the operator's resolvers for the addresses of a name, once for all who wait for it. Every
 * attempt has a fresh socket (the kernel's random port), a random id and random letter case.
 */
#ifndef DNS_UPSTREAM_H
#define DNS_UPSTREAM_H

#include <stdbool.h>
#include <uv.h>

#include "core/policy.h"
#include "dns/reply.h"

#define UPSTREAM_FLIGHTS      192  /* names asked at the same time */
#define UPSTREAM_ATTEMPT_MS   1500 /* for one resolver to answer */
#define UPSTREAM_TOTAL_MS     4500 /* for all of it: stub resolvers lose patience after 5 s (resolv.conf(5)) */
#define UPSTREAM_ATTEMPTS_MIN 3    /* packets for a name, and not more than two for each resolver */
#define UPSTREAM_TCP_MAX      16384 /* bytes of a reply over TCP */
#define UPSTREAM_FOREIGN_MAX  16    /* packets that do not match before the attempt goes over TCP */

/* One who waits; embedded in what the caller keeps. */
struct upstream_waiter {
    struct upstream_waiter *next;
};

/* The end of a flight: reply is what was said, from `server`; or NULL when no resolver answered. The waiters
 * are the caller's again. May be called from inside upstream_ask. */
typedef void (*upstream_done)(void *ctx, const char *host, const struct reply *reply, const struct ip *server,
                              struct upstream_waiter *waiters);

struct upstream;

/* Returns NULL when memory is out. Lives as long as the loop. */
struct upstream *upstream_new(uv_loop_t *loop, upstream_done done, void *ctx);

/* From now on these resolvers are asked. */
void upstream_configure(struct upstream *upstream, const struct policy *policy);

/* Asks for the A records of a canonical name on behalf of the waiter, or joins the flight that does. limit:
 * new flights only while fewer than this many are under way (at most UPSTREAM_FLIGHTS). Returns 0; -1 when no
 * flight is free (done is not called). */
int upstream_ask(struct upstream *upstream, const char *host, unsigned limit, struct upstream_waiter *waiter);

/* Ends all flights without calling done; nothing more is sent for them. Returns all waiters, the caller's
 * again. */
struct upstream_waiter *upstream_cancel(struct upstream *upstream);

#endif
