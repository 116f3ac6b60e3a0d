/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * duct: see duct.h. Each direction holds one piece at most and is read only when that is gone: back-pressure
 * is that of the slower side. It must never take a stream for whole whose end was not marked, and never read
 * a length that could lead outside of its buffers.
 */
#include "core/duct.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN, OUT, SOCK };

int duct_init(struct duct *duct, int sock, int in, int out, bool hangup_ends)
{
    const int fds[] = {sock, in, out};

    memset(duct, 0, sizeof *duct);
    duct->sock = sock;
    duct->in = in;
    duct->out = out;
    duct->hangup_ends = hangup_ends;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        int flags = fcntl(fds[i], F_GETFL);
        if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) != 0)
            return -1;
    }
    return 0;
}

void duct_polls(const struct duct *duct, struct pollfd polls[DUCT_POLLS])
{
    bool sending = duct->up_at < duct->up_len, delivering = duct->down_at < duct->down_len;
    short sock = 0;

    if (!sending && !duct->up_ended)
        sock |= POLLIN;
    if (delivering)
        sock |= POLLOUT;
    /* A descriptor of which nothing is wanted is left out: its hang-up would be told again and again. */
    polls[IN] = (struct pollfd){.fd = delivering && !duct->hangup_ends ? -1 : duct->in,
                                .events = delivering ? 0 : POLLIN};
    polls[OUT] = (struct pollfd){.fd = sending ? duct->out : -1, .events = POLLOUT};
    polls[SOCK] = (struct pollfd){.fd = sock != 0 ? duct->sock : -1, .events = sock};
}

static bool later(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* --- from the socket to the pair --- */

static int up_read(struct duct *duct)
{
    ssize_t got = read(duct->sock, duct->up + 2, DUCT_PIECE);

    if (got < 0)
        return later() ? 0 : -1;
    if (got == 0 && duct->reset)
        return -1;
    duct->up[0] = (unsigned char)(got >> 8);
    duct->up[1] = (unsigned char)got;
    duct->up_at = 0;
    duct->up_len = 2 + (size_t)got;
    duct->up_ended = got == 0;
    return 0;
}

static void up_write(struct duct *duct)
{
    ssize_t put = write(duct->out, duct->up + duct->up_at, duct->up_len - duct->up_at);

    if (put >= 0)
        duct->up_at += (size_t)put;
    else if (!later()) {
        /* The other end is gone. What it sent before may still wait in `in`, whose end then tells. */
        duct->up_dead = duct->up_ended = true;
        duct->up_at = duct->up_len = 0;
    }
}

/* --- from the pair to the socket --- */

/* Takes headers until bytes of a stream are next. Returns 0, or -1 for bytes behind the end. */
static int down_headers(struct duct *duct)
{
    while (duct->piece == 0 && duct->down_at < duct->down_len) {
        if (duct->down_ended)
            return -1;
        duct->header = duct->header << 8 | duct->down[duct->down_at++];
        if (++duct->header_have < 2)
            continue;
        duct->piece = duct->header;
        duct->header = duct->header_have = 0;
        if (duct->piece != 0)
            continue;
        duct->down_ended = true;
        if (!duct->down_dead && shutdown(duct->sock, SHUT_WR) != 0)
            duct->down_dead = true; /* the peer has left already */
    }
    return 0;
}

static void down_skip(struct duct *duct, size_t count)
{
    duct->down_at += count;
    duct->piece -= count;
}

static int down_write(struct duct *duct)
{
    size_t ready = duct->down_len - duct->down_at, len = ready < duct->piece ? ready : duct->piece;
    ssize_t put = duct->down_dead ? (ssize_t)len : write(duct->sock, duct->down + duct->down_at, len);

    if (put < 0 && later())
        return 0;
    if (put < 0) { /* it does not listen any more, and may have spoken before: that is still read */
        duct->down_dead = true;
        /* Linux says EPIPE where its own stream had ended before, so that what is read then is whole. */
        duct->reset = errno != EPIPE;
        put = (ssize_t)len;
    }
    down_skip(duct, (size_t)put);
    return down_headers(duct);
}

/* Returns 1 at the end, else as down_headers. */
static int down_read(struct duct *duct)
{
    ssize_t got = read(duct->in, duct->down, sizeof duct->down);

    if (got < 0)
        return later() ? 0 : 1;
    if (got == 0)
        return 1;
    duct->down_at = 0;
    duct->down_len = (size_t)got;
    return down_headers(duct);
}

/* --- both --- */

/* What there is goes on at once: most pieces need no second poll(2). */
static int down_turn(struct duct *duct, const struct pollfd polls[DUCT_POLLS])
{
    int result = 0;

    if (polls[IN].fd >= 0 && polls[IN].revents != 0) {
        if (!(polls[IN].events & POLLIN))
            return 1; /* hung up */
        result = down_read(duct);
    } else if (!(polls[SOCK].events & POLLOUT) || polls[SOCK].revents == 0) {
        return 0;
    }
    for (bool moved = true; moved && result == 0 && duct->down_at < duct->down_len;) {
        size_t before = duct->down_at;
        result = down_write(duct);
        moved = duct->down_at != before;
    }
    return result;
}

static int up_turn(struct duct *duct, const struct pollfd polls[DUCT_POLLS])
{
    bool sending = duct->up_at < duct->up_len;

    if (!sending && !duct->up_ended && (polls[SOCK].events & POLLIN) && polls[SOCK].revents != 0) {
        if (up_read(duct) != 0)
            return -1;
        sending = duct->up_at < duct->up_len;
    } else if (polls[OUT].fd < 0 || polls[OUT].revents == 0) {
        return 0;
    }
    if (sending)
        up_write(duct);
    return 0;
}

enum duct_state duct_turn(struct duct *duct, const struct pollfd polls[DUCT_POLLS])
{
    int down = down_turn(duct, polls);
    bool broken = down != 0 || up_turn(duct, polls) != 0;
    bool up_done = duct->up_ended && duct->up_at == duct->up_len;

    /* `in` may end in order behind the last byte of a connection that is done. */
    if (up_done && !duct->up_dead && duct->down_ended && !duct->down_dead && down != -1)
        return DUCT_DONE;
    if (broken || (up_done && duct->down_dead))
        return DUCT_BROKEN;
    return DUCT_MORE;
}

void duct_reset(int sock)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (sock < 0)
        return;
    setsockopt(sock, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(sock);
}
