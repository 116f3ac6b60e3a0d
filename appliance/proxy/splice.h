/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * splice: a tunnel that carries bytes between two streams through pipes, with splice(2), so that they never
 * enter this process. Half-close is kept, back-pressure is the socket's own, an idle tunnel holds no pipe.
 */
#ifndef PROXY_SPLICE_H
#define PROXY_SPLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "proxy/stream.h"

struct tunnel;

struct tunnel_bytes {
    uint64_t out, in; /* from agent to upstream, and back */
};

enum tunnel_end { TUNNEL_DONE, TUNNEL_BROKEN, TUNNEL_NO_PIPE };

/* Takes both streams over (and closes them in the end) and the bytes of `first`, which go to the upstream
 * before anything else. `progress` is called when bytes have moved, `done` once, from the loop, never from
 * inside this call; the tunnel is gone then. Returns NULL when memory is out: the streams stay the caller's.
 */
struct tunnel *tunnel_new(struct stream *agent, struct stream *upstream, struct buf *first,
                          void (*progress)(void *ctx), void (*done)(void *ctx, enum tunnel_end end),
                          void *ctx);

struct tunnel_bytes tunnel_bytes(const struct tunnel *tunnel);

/* Ends it at once, both streams by RST, without calling `done`. NULL is fine. */
void tunnel_break(struct tunnel *tunnel);

#endif
