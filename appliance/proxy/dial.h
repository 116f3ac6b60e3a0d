/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dial: a connection to an upstream by *name*: resolve, ask the policy about each address again (the resolver
 * has done so, but this is the process that connects), try the addresses in turn; with TLS, verify that name.
 */
#ifndef PROXY_DIAL_H
#define PROXY_DIAL_H

#include <uv.h>

#include "core/cidr.h"
#include "core/denial.h"
#include "core/policy.h"
#include "proxy/stream.h"
#include "proxy/tls.h"
#include "sys/resolve.h"

struct dial;

struct dial_result {
    enum denial denial;    /* NONE, NAME_UNRESOLVED, ADDRESS_REFUSED, UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT,
                              UPSTREAM_TLS, OVERLOADED (no descriptor is left) */
    const char *reason;    /* of UPSTREAM_TLS, a sentence for the agent; else NULL */
    struct stream *stream; /* connected, wants nothing; done's to hand over and to close. NULL unless NONE */
    struct ip ip;          /* dialled, or tried last */
};

/* Takes a reference of the policy; route belongs to it. tls: NULL for a plain connection, which a tunnel
 * needs. `done` is called once, from the loop, never from inside this call; the dial is gone then. Returns
 * NULL when memory is out. */
struct dial *dial_start(uv_loop_t *loop, struct resolver *resolver, struct policy *policy,
                        const struct route *route, const char *host, unsigned port, struct tls_kit *tls,
                        void (*done)(void *ctx, const struct dial_result *result), void *ctx);

/* Forgets it; NULL is fine. */
void dial_cancel(struct dial *dial);

#endif
