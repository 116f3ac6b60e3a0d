/* SPDX-License-Identifier: GPL-3.0-or-later */
/* explain: one request, given as words, judged as the proxy would judge it: the same reader, the same order, the same
 * policy. It opens no connection and asks no resolver. */
#ifndef HOSTCTL_EXPLAIN_H
#define HOSTCTL_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/h1_head.h"
#include "core/judge.h"

struct explained {
    char host[HOST_MAX + 3]; /* as the URL has it, cut */
    unsigned port;
    bool tls;             /* the URL is one of https */
    bool tunnel;          /* TLS goes through unopened: method, path and fields are not seen */
    bool raw;             /* raw TCP is asked for, or is what the port is for: nothing of it is seen */
    enum denial denial;   /* DENIAL_NONE: it would go on */
    bool held;            /* it would wait for the operator before it is denied */
    struct judged judged; /* lives as long as the policy */
    struct h1_head head;  /* its slices point into bytes */
    struct request request;
    /* private */
    struct buf bytes;
};

/* Judges what a client would send for this: headers are "Name: value". CONNECT and "tcp://HOST:PORT" stand for a
 * connection whose first bytes are neither TLS nor HTTP. Returns 0, or -1 with err when the words are no
 * request that a client would send; explain_fini is due in both cases. */
int explain(const struct policy *policy, const char *method, const char *url, const char *const *headers,
            size_t header_count, struct explained *explained, struct err *err);
void explain_fini(struct explained *explained);

#endif
