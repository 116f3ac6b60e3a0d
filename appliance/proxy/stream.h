/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream: one connected, non-blocking TCP socket in the loop, plain or with TLS on it (tls.h). It says when
 * it is ready; its owner reads and writes. (Raw descriptors under uv_poll instead of uv_tcp, because
 * splice(2) and SO_LINGER need them.)
 */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "core/buf.h"

/* What every TCP socket here has: no delay, and keep-alives that find a peer that is gone within two minutes.
 */
void stream_options(int fd);

struct tls;

struct stream {
    int fd;          /* -1 when closed */
    struct tls *tls; /* NULL = plain */
    uv_poll_t poll;
    uv_idle_t idle; /* runs while bytes wait inside TLS that the socket will not announce */
    int wanted;     /* by the owner: UV_READABLE | UV_WRITABLE */
    int polled;     /* of the socket */
    int handles;    /* to be closed: 1, or 2 with idle */
    void (*on_ready)(void *ctx, int events);
    void *ctx;
};

/* Takes the descriptor; it is closed here if this fails. on_ready is called from the loop only. An error on
 * the socket is reported as both events: the next read or write says which. Returns NULL when memory is out.
 */
struct stream *stream_new(uv_loop_t *loop, int fd, void (*on_ready)(void *ctx, int events), void *ctx);

/* Gives the stream to another owner, who hears of the events that it wants now. */
void stream_hand_over(struct stream *stream, void (*on_ready)(void *ctx, int events), void *ctx);

/* Closes at once and frees later, from the loop; NULL is fine. `reset`: by RST (what is unsent is lost) and
 * without TLS's close_notify. */
void stream_close(struct stream *stream, bool reset);

/* Which events to hear of; 0 = none. */
void stream_want(struct stream *stream, int events);

/* One read of at most `max` bytes into the end of buf, which keeps no memory when nothing came. Returns the
 * bytes read; 0 at the end; -EAGAIN; another negative errno when the connection is gone (-ENOBUFS: buf is
 * full; with TLS to an upstream also when it ended without close_notify: what came may be cut short). */
ssize_t stream_read(struct stream *stream, struct buf *buf, size_t max);

/* Writes what is in buf as far as the socket takes it. Returns the bytes written (0 when it takes none now),
 * or a negative errno. What is in buf must stay there until it is written: TLS may have begun to send it. */
ssize_t stream_flush(struct stream *stream, struct buf *buf);

/* No more will be written (close_notify, FIN). */
void stream_shutdown(struct stream *stream);

#endif
