/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stream: see stream.h. Readiness is level-triggered, so an owner may leave bytes for the next turn. */
#include "proxy/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/tls.h"

void stream_options(int fd)
{
    const int on = 1, idle = 60, interval = 15, count = 4;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void update(struct stream *stream);

static void tell(struct stream *stream, int events)
{
    if (stream->fd < 0)
        return;
    stream->on_ready(stream->ctx, events);
    if (stream->fd >= 0) /* closed ones live until their handles are closed */
        update(stream);
}

static void on_idle(uv_idle_t *idle)
{
    struct stream *stream = idle->data;

    uv_idle_stop(idle);
    tell(stream, UV_READABLE);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;

    if (status != 0) {
        stream->wanted = stream->polled = 0; /* libuv has stopped watching */
        events = UV_READABLE | UV_WRITABLE;
    } else if (stream->tls != NULL && (events & UV_WRITABLE) && tls_wants_write(stream)) {
        events |= UV_READABLE;
    }
    tell(stream, events);
}

/* Bytes inside TLS wake the owner in the next turn, as bytes in the socket would. */
static void update_idle(struct stream *stream)
{
    if ((stream->wanted & UV_READABLE) && tls_pending(stream)) {
        if (stream->handles == 1) {
            uv_idle_init(stream->poll.loop, &stream->idle);
            stream->idle.data = stream;
            stream->handles = 2;
        }
        uv_idle_start(&stream->idle, on_idle);
    } else if (stream->handles == 2) {
        uv_idle_stop(&stream->idle);
    }
}

/* Watches for what the owner wants, and for what TLS needs to do it. */
static void update(struct stream *stream)
{
    int events = stream->wanted;

    if (stream->tls != NULL) {
        if ((events & UV_READABLE) && tls_wants_write(stream))
            events |= UV_WRITABLE;
        update_idle(stream);
    }
    if (events == stream->polled)
        return;
    if (events == 0)
        uv_poll_stop(&stream->poll);
    else
        uv_poll_start(&stream->poll, events, on_poll);
    stream->polled = events;
}

struct stream *stream_new(uv_loop_t *loop, int fd, void (*on_ready)(void *ctx, int events), void *ctx)
{
    struct stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL || uv_poll_init(loop, &stream->poll, fd) != 0) {
        close(fd);
        free(stream);
        return NULL;
    }
    stream->fd = fd;
    stream->handles = 1;
    stream->poll.data = stream;
    stream->on_ready = on_ready;
    stream->ctx = ctx;
    return stream;
}

void stream_hand_over(struct stream *stream, void (*on_ready)(void *ctx, int events), void *ctx)
{
    stream->on_ready = on_ready;
    stream->ctx = ctx;
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    if (--stream->handles == 0)
        free(stream);
}

void stream_close(struct stream *stream, bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (stream == NULL || stream->fd < 0)
        return;
    if (reset)
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    if (!reset && stream->tls != NULL)
        tls_shutdown(stream);
    tls_free(stream);
    if (stream->handles == 2)
        uv_close((uv_handle_t *)&stream->idle, on_closed);
    uv_close((uv_handle_t *)&stream->poll, on_closed); /* takes the descriptor out of epoll */
    close(stream->fd);
    stream->fd = -1;
}

void stream_want(struct stream *stream, int events)
{
    if (stream == NULL || stream->fd < 0)
        return;
    stream->wanted = events;
    update(stream);
}

ssize_t stream_read(struct stream *stream, struct buf *buf, size_t max)
{
    ssize_t got;

    if (stream->tls != NULL)
        return tls_read(stream, buf, max);
    char *room = buf_reserve(buf, max);
    if (room == NULL)
        return -ENOBUFS;
    do {
        got = read(stream->fd, room, max);
    } while (got < 0 && errno == EINTR);
    int error = errno;
    if (got > 0)
        buf_commit(buf, (size_t)got);
    else if (buf->len == 0)
        buf_fini(buf);
    return got >= 0 ? got : -error;
}

ssize_t stream_flush(struct stream *stream, struct buf *buf)
{
    ssize_t total = 0;

    if (stream->tls != NULL)
        return tls_flush(stream, buf);
    while (buf->len > 0) {
        struct str bytes = buf_str(buf);
        ssize_t put = send(stream->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN ? total : -errno;
        buf_consume(buf, (size_t)put);
        total += put;
    }
    return total;
}

void stream_shutdown(struct stream *stream)
{
    if (stream->fd < 0)
        return;
    if (stream->tls != NULL)
        tls_shutdown(stream);
    shutdown(stream->fd, SHUT_WR);
}
