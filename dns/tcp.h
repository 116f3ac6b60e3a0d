/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tcp: the agent's DNS over TCP (RFC 7766): two bytes of length, pipelining, answers as they come. */
#ifndef DNS_TCP_H
#define DNS_TCP_H

#include <uv.h>

#include "dns/server.h"

#define TCP_CONNECTIONS 64 /* at the same time; more are closed at once */
#define TCP_OUTSTANDING                                                                                      \
    32 /* queries of one connection without their answer handed over; then it is not read */
#define TCP_IDLE_MS 10000 /* without a whole query, or with an answer that the client does not take */

/* Takes the listening socket and starts accepting. Returns NULL when it cannot. */
struct tcp *tcp_new(struct server *server, uv_loop_t *loop, int sock);

/* Sends one answer. Every server_take of a connection's message that returned true is followed by exactly one
 * tcp_send; len 0 = there is no answer. The connection may be gone by then. */
void tcp_send(struct tcp_connection *connection, const uint8_t *wire, size_t len);

/* Goes on after server_take has said no. */
void tcp_resume(struct tcp *tcp);

#endif
