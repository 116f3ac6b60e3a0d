/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stream: see stream.h. Readiness is level-triggered, so an owner may leave bytes for the next turn. */
#include "proxy/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void stream_options(int fd)
{
    const int on = 1, idle = 60, interval = 15, count = 4;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;

    if (status != 0) {
        stream->wanted = 0; /* libuv has stopped watching */
        events = UV_READABLE | UV_WRITABLE;
    }
    if (stream->fd >= 0)
        stream->on_ready(stream->ctx, events);
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
    stream->poll.data = stream;
    stream->on_ready = on_ready;
    stream->ctx = ctx;
    return stream;
}

void stream_hand_over(struct stream *stream, void (*on_ready)(void *ctx, int events), void *ctx)
{
    stream_want(stream, 0);
    stream->on_ready = on_ready;
    stream->ctx = ctx;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void stream_close(struct stream *stream, bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (stream == NULL || stream->fd < 0)
        return;
    if (reset)
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    uv_close((uv_handle_t *)&stream->poll, on_closed); /* takes the descriptor out of epoll */
    close(stream->fd);
    stream->fd = -1;
}

void stream_want(struct stream *stream, int events)
{
    if (stream == NULL || stream->fd < 0 || events == stream->wanted)
        return;
    if (events == 0)
        uv_poll_stop(&stream->poll);
    else
        uv_poll_start(&stream->poll, events, on_poll);
    stream->wanted = events;
}

ssize_t stream_read(struct stream *stream, struct buf *buf, size_t max)
{
    char *room = buf_reserve(buf, max);
    ssize_t got;

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
    if (stream->fd >= 0)
        shutdown(stream->fd, SHUT_WR);
}
