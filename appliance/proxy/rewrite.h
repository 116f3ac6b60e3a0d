/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rewrite: heads written anew from their parsed form, for the other leg. Nothing of the original's form is
 * kept: start line, Host and framing are ours, fields that belong to one connection are left out (RFC 9110
 * section 7.6.1), the rest goes on as name and value. No Via is added: the appliance does not show itself to
 * upstreams.
 */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/h1_head.h"
#include "core/policy.h"
#include "core/request.h"

/* Writes a request for the upstream: origin-form or "*", HTTP/1.1, with the route's credential in the place
 * of the agent's. Returns 0, or -1 when it does not fit (then out holds a part of it). */
int rewrite_request(const struct h1_head *head, const struct request *request, const struct route *route,
                    struct buf *out);

/* How a response's body goes to the agent. */
enum rewrite_body {
    REWRITE_SAME,    /* as the head says: a length, or no body */
    REWRITE_CHUNKED, /* in chunks of ours */
    REWRITE_CLOSE,   /* up to the end of the connection, for HTTP/1.0 */
};

/* Writes a response for the agent; `close` says so in Connection. Alt-Svc is left out: it leads around the
 * wall. */
int rewrite_response(const struct h1_head *head, enum rewrite_body body, bool close, struct buf *out);

/* The chunked coding around a run of data (never empty), and its end. Trailers are not forwarded. */
int rewrite_chunk(struct str data, struct buf *out);
int rewrite_last_chunk(struct buf *out);

#endif
