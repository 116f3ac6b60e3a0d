/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request: what a request's head asks for: which host, which path, and whether it is something that is never
 * done here. Policy comes behind it (decide.h).
 */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/denial.h"
#include "core/h1_head.h"
#include "core/host.h"

struct request {
    char host[HOST_MAX + 1]; /* canonical; "" when it is none */
    struct str host_sent;    /* as the agent wrote it, for the audit; the slices point into the head */
    unsigned host_port;      /* of Host; 0 = absent */
    struct str path,
        query; /* "/a/b" or "*"; "?x=y" or empty. An empty path of absolute-form is "/" (RFC 9112, 3.2.2) */
    bool to_head;    /* the answer has no body */
    bool repeatable; /* may be sent a second time when a kept connection turns out dead, RFC 9110, 9.2.2 */
    bool expect_continue;
    bool secure; /* its upstream is reached over verified TLS; set by the session */
    bool look;   /* gitfetch_batch decides about its body; set by the session */
    uint64_t
        approved; /* the approval that this very request got from the operator; 0 = none; set by the session */
};

/* Reads the head. tls: it came over TLS, so absolute-form is "https://…". Returns DENIAL_NONE or why it is
 * refused; *request is filled as far as it was understood either way. */
enum denial request_read(const struct h1_head *head, bool tls, struct request *request);

/* What a head that cannot be parsed is refused with. */
enum denial request_denial(enum h1_error error);

#endif
