/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * splice: each direction is a pump: source socket → pipe → destination socket. A pump fills its pipe only
 * when it is empty, so a pipe that is not empty waits for its destination and nothing else. A pipe is
 * borrowed from a small store for as long as bytes are in it. Each turn moves a bounded amount, so one fast
 * tunnel does not starve the others.
 */
#define _GNU_SOURCE
#include "proxy/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/limits.h"

#define PART_MAX  (1u << 20) /* bytes asked for at once; the pipe's size decides */
#define TURNS_MAX 16         /* fills of one pump in a turn of the loop */

struct pipe {
    int out, in; /* -1, -1 = none */
};

struct pump {
    struct stream *from, *to;
    struct pipe pipe;
    size_t held; /* bytes in the pipe */
    bool eof;    /* the source has ended */
    bool done;   /* and so has the destination been told */
    uint64_t moved;
};

struct tunnel {
    struct stream *agent, *upstream;
    struct buf first;
    struct pump up, down;
    void (*progress)(void *ctx);
    void (*done)(void *ctx, enum tunnel_end end);
    void *ctx;
};

/* Empty pipes between two uses; the loop's one thread owns them. */
static struct pipe store[PIPES_KEPT];
static size_t stored;

static int pipe_take(struct pipe *pipe)
{
    int fds[2];

    if (pipe->in >= 0)
        return 0;
    if (stored > 0) {
        *pipe = store[--stored];
        return 0;
    }
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return -1;
    *pipe = (struct pipe){.out = fds[0], .in = fds[1]};
    return 0;
}

static void pipe_close(struct pipe *pipe)
{
    if (pipe->in >= 0) {
        close(pipe->in);
        close(pipe->out);
    }
    *pipe = (struct pipe){-1, -1};
}

static void pipe_give(struct pipe *pipe)
{
    if (pipe->in >= 0 && stored < PIPES_KEPT)
        store[stored++] = *pipe;
    else
        pipe_close(pipe);
    *pipe = (struct pipe){-1, -1};
}

enum pumped { PUMP_WAITS, PUMP_MORE, PUMP_BROKEN, PUMP_NO_PIPE };

/* Empties the pipe into the destination. */
static enum pumped drain(struct pump *pump)
{
    while (pump->held > 0) {
        ssize_t put =
            splice(pump->pipe.out, NULL, pump->to->fd, NULL, pump->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 && errno == EAGAIN ? PUMP_WAITS : PUMP_BROKEN;
        pump->held -= (size_t)put;
        pump->moved += (uint64_t)put;
    }
    return PUMP_MORE;
}

static enum pumped fill(struct pump *pump)
{
    if (pipe_take(&pump->pipe) != 0)
        return PUMP_NO_PIPE;
    ssize_t got =
        splice(pump->from->fd, NULL, pump->pipe.in, NULL, PART_MAX, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got > 0) {
        pump->held = (size_t)got;
        return PUMP_MORE;
    }
    pipe_give(&pump->pipe);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? PUMP_WAITS : PUMP_BROKEN;
    pump->eof = true;
    return PUMP_WAITS;
}

static enum pumped run(struct pump *pump)
{
    for (int turn = 0; turn < TURNS_MAX && !pump->done; turn++) {
        enum pumped pumped = drain(pump);
        if (pumped == PUMP_MORE && !pump->eof)
            pumped = fill(pump);
        if (pump->eof && pump->held == 0) {
            stream_shutdown(pump->to);
            pump->done = true;
        }
        if (pumped != PUMP_MORE)
            return pumped;
    }
    return drain(pump);
}

static int wanted(const struct pump *reads, const struct pump *writes)
{
    return (reads->held == 0 && !reads->eof ? UV_READABLE : 0) | (writes->held > 0 ? UV_WRITABLE : 0);
}

static void dispose(struct tunnel *tunnel, bool reset)
{
    stream_close(tunnel->agent, reset);
    stream_close(tunnel->upstream, reset);
    pipe_close(&tunnel->up.pipe);
    pipe_close(&tunnel->down.pipe);
    buf_fini(&tunnel->first);
    free(tunnel);
}

static void end(struct tunnel *tunnel, enum tunnel_end how)
{
    tunnel->done(tunnel->ctx, how);
    dispose(tunnel, how != TUNNEL_DONE);
}

/* The bytes that were read before the tunnel existed. */
static enum pumped run_first(struct tunnel *tunnel)
{
    ssize_t put = stream_flush(tunnel->upstream, &tunnel->first);

    if (put < 0)
        return PUMP_BROKEN;
    tunnel->up.moved += (uint64_t)put;
    return tunnel->first.len > 0 ? PUMP_WAITS : PUMP_MORE;
}

static void on_ready(void *ctx, int events)
{
    struct tunnel *tunnel = ctx;
    uint64_t before = tunnel->up.moved + tunnel->down.moved;

    (void)events;
    enum pumped up = run_first(tunnel);
    bool first = up == PUMP_WAITS;
    if (up == PUMP_MORE)
        up = run(&tunnel->up);
    enum pumped down = run(&tunnel->down);
    if (up == PUMP_NO_PIPE || down == PUMP_NO_PIPE) {
        end(tunnel, TUNNEL_NO_PIPE);
    } else if (up == PUMP_BROKEN || down == PUMP_BROKEN) {
        end(tunnel, TUNNEL_BROKEN);
    } else if (tunnel->up.done && tunnel->down.done) {
        end(tunnel, TUNNEL_DONE);
    } else {
        stream_want(tunnel->agent, first ? wanted(&tunnel->up, &tunnel->down) & ~UV_READABLE
                                         : wanted(&tunnel->up, &tunnel->down));
        stream_want(tunnel->upstream, wanted(&tunnel->down, &tunnel->up) | (first ? UV_WRITABLE : 0));
        if (tunnel->up.moved + tunnel->down.moved != before)
            tunnel->progress(tunnel->ctx);
    }
}

struct tunnel *tunnel_new(struct stream *agent, struct stream *upstream, struct buf *first,
                          void (*progress)(void *ctx), void (*done)(void *ctx, enum tunnel_end end),
                          void *ctx)
{
    struct tunnel *tunnel = calloc(1, sizeof *tunnel);

    if (tunnel == NULL)
        return NULL;
    *tunnel = (struct tunnel){
        .agent = agent,
        .upstream = upstream,
        .first = *first,
        .up = {.from = agent, .to = upstream, .pipe = {-1, -1}},
        .down = {.from = upstream, .to = agent, .pipe = {-1, -1}},
        .progress = progress,
        .done = done,
        .ctx = ctx,
    };
    buf_init(first, first->cap);
    stream_hand_over(agent, on_ready, tunnel);
    stream_want(agent, 0);
    stream_hand_over(upstream, on_ready, tunnel);
    stream_want(upstream, UV_WRITABLE); /* at once: the next turn starts with the first bytes */
    return tunnel;
}

struct tunnel_bytes tunnel_bytes(const struct tunnel *tunnel)
{
    return (struct tunnel_bytes){.out = tunnel->up.moved, .in = tunnel->down.moved};
}

void tunnel_break(struct tunnel *tunnel)
{
    if (tunnel != NULL)
        dispose(tunnel, true);
}
