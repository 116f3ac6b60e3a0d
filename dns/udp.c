/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * udp: recvmmsg and sendmmsg around server_take. All memory is taken at the start. When the server has no
 * room for an audit line the batch stays where it is and nothing more is read: the kernel's socket buffer is
 * the queue, and it is bounded.
 */
#include "dns/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH  32
#define ROUNDS 4 /* batches read in one turn of the loop, so that nobody else starves */

struct udp {
    struct server *server;
    enum answer_side side;
    int sock;
    uv_poll_t poll;
    unsigned got, next, queued;
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_part[BATCH], out_part[BATCH];
    struct sockaddr_in in_peer[BATCH], out_peer[BATCH];
    uint8_t in_wire[BATCH][QUERY_MAX + 1]; /* one more: a longer datagram is seen to be too long */
    uint8_t out_wire[BATCH][ANSWER_WIRE_MAX];
};

void udp_flush(struct udp *udp)
{
    unsigned at = 0;

    while (at < udp->queued) {
        int sent = sendmmsg(udp->sock, udp->out + at, udp->queued - at, MSG_NOSIGNAL);
        if (sent > 0)
            at += (unsigned)sent;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            at++; /* only this one cannot be delivered */
    }
    udp->queued = 0;
}

void udp_send(struct udp *udp, const struct sockaddr_in *peer, const uint8_t *wire, size_t len)
{
    unsigned at = udp->queued++;

    memcpy(udp->out_wire[at], wire, len);
    udp->out_peer[at] = *peer;
    udp->out_part[at].iov_len = len;
    if (udp->queued == BATCH)
        udp_flush(udp);
}

/* Works off the batch. Returns false when it has to wait for room. */
static bool take_batch(struct udp *udp)
{
    while (udp->next < udp->got) {
        unsigned at = udp->next;
        const struct sockaddr_in *peer = &udp->in_peer[at];
        struct client client = {.side = udp->side, .udp = udp, .peer = *peer};
        bool known = udp->in[at].msg_hdr.msg_namelen == sizeof *peer && peer->sin_family == AF_INET;
        if (known && !server_take(udp->server, &client, udp->in_wire[at], udp->in[at].msg_len))
            return false;
        udp->next++;
    }
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct udp *udp = poll->data;

    (void)status;
    (void)events;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BATCH; i++)
            udp->in[i].msg_hdr.msg_namelen = sizeof udp->in_peer[i];
        int got = recvmmsg(udp->sock, udp->in, BATCH, MSG_DONTWAIT, NULL);
        if (got <= 0)
            break;
        udp->got = (unsigned)got;
        udp->next = 0;
        if (!take_batch(udp)) {
            uv_poll_stop(&udp->poll);
            break;
        }
        if (got < BATCH)
            break;
    }
    udp_flush(udp);
}

void udp_resume(struct udp *udp)
{
    if (uv_is_active((const uv_handle_t *)&udp->poll))
        return;
    if (take_batch(udp))
        uv_poll_start(&udp->poll, UV_READABLE, on_readable);
    udp_flush(udp);
}

struct udp *udp_new(struct server *server, uv_loop_t *loop, enum answer_side side, int sock)
{
    struct udp *udp = calloc(1, sizeof *udp);

    if (udp == NULL)
        return NULL;
    udp->server = server;
    udp->side = side;
    udp->sock = sock;
    for (unsigned i = 0; i < BATCH; i++) {
        udp->in_part[i] = (struct iovec){udp->in_wire[i], sizeof udp->in_wire[i]};
        udp->in[i].msg_hdr.msg_iov = &udp->in_part[i];
        udp->in[i].msg_hdr.msg_iovlen = 1;
        udp->in[i].msg_hdr.msg_name = &udp->in_peer[i];
        udp->out_part[i] = (struct iovec){udp->out_wire[i], 0};
        udp->out[i].msg_hdr.msg_iov = &udp->out_part[i];
        udp->out[i].msg_hdr.msg_iovlen = 1;
        udp->out[i].msg_hdr.msg_name = &udp->out_peer[i];
        udp->out[i].msg_hdr.msg_namelen = sizeof udp->out_peer[i];
    }
    udp->poll.data = udp;
    if (uv_poll_init(loop, &udp->poll, sock) != 0) {
        free(udp);
        return NULL;
    }
    udp->poll.data = udp;
    uv_poll_start(&udp->poll, UV_READABLE, on_readable);
    return udp;
}
