/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server: what happens to a query between the sockets (udp.c, tcp.c) and its answer, and the audit line of
 * each.
 */
#ifndef DNS_SERVER_H
#define DNS_SERVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/answer.h"
#include "sys/worker.h"

struct server;
struct udp;
struct tcp;
struct tcp_connection;

/* Who asked, and so where the answer goes. */
struct client {
    enum answer_side side;
    struct udp *udp; /* one of these two is set */
    struct tcp_connection *connection;
    struct sockaddr_in peer; /* UDP */
};

/* Takes the worker's listeners: agent_udp, agent_tcp, internal_udp. Returns NULL with err. */
struct server *server_new(struct worker *worker, const int listeners[3], struct err *err);

/* Takes one message. Returns false when there is no room for its audit line: nothing has happened, and the
 * same message has to be given again after udp_resume or tcp_resume. */
bool server_take(struct server *server, const struct client *client, const uint8_t *wire, size_t len);

/* A line about a TCP client that gets no service (reason), if there is room for it. */
void server_refused(struct server *server, enum denial reason);

#endif
