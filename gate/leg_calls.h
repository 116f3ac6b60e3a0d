/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_calls: the listener of stopper-push and the connections on it, each with one request (gate/leg.h): request, upstream, ssh,
 * reply, and one line in the audit. A connection that closes ends its ssh.
 */
#ifndef GATE_LEG_CALLS_H
#define GATE_LEG_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/err.h"
#include "gate/leg.h"
#include "gate/leg_upstream.h"
#include "sys/worker.h"

#define LEG_CALLS_MAX    64u      /* connections; more are told that it is busy */
#define LEG_SESSIONS_MAX 16u      /* ssh at once, connections of upstreams aside */
#define LEG_REQUEST_MS   5000u    /* from a connection to its request */
#define LEG_SESSION_MS   3600000u /* of one ssh: a push whose hooks take an hour has failed */
#define LEG_LAST_WORDS_MS                                                                                    \
    500u /* from ssh's end to the end of its stderr, which the connection's ssh has too */

struct leg_calls {
    struct worker *worker;
    struct leg_upstreams upstreams;
    struct leg_call *list;
    size_t count, sessions;
    uid_t caller; /* who may call */
    uv_poll_t listener;
};

/* Takes the listening socket. Returns 0, or -1 with err. */
int leg_calls_listen(struct leg_calls *calls, struct worker *worker, int fd, uid_t caller, struct err *err);

/* The audit has room again. */
void leg_calls_room(struct leg_calls *calls);

/* All end. */
void leg_calls_end(struct leg_calls *calls);

#endif
