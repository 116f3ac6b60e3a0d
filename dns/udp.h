/* SPDX-License-Identifier: GPL-3.0-or-later */
/* udp: a UDP listener: datagrams in and out, in batches. */
#ifndef DNS_UDP_H
#define DNS_UDP_H

#include <netinet/in.h>
#include <uv.h>

#include "dns/server.h"

/* Takes the bound, non-blocking socket and starts reading. Returns NULL when it cannot. */
struct udp *udp_new(struct server *server, uv_loop_t *loop, enum answer_side side, int sock);

/* Queues an answer; it leaves with udp_flush, or by itself when the batch is full. What the socket does not
 * take is lost, as datagrams are. */
void udp_send(struct udp *udp, const struct sockaddr_in *peer, const uint8_t *wire, size_t len);
void udp_flush(struct udp *udp);

/* Goes on after server_take has said no. */
void udp_resume(struct udp *udp);

#endif
