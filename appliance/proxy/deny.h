/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deny: a refusal in the words of each protocol, so that the program on the other side can show why. Formats
 * only.
 */
#ifndef PROXY_DENY_H
#define PROXY_DENY_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/denial.h"

#define DENY_TYPE                                                                                            \
    "urn:stopper:denial:" /* + the denial's name: the "type" of RFC 9457, a stable name, not an address */

struct deny {
    enum denial denial;
    const char *host; /* as sent; "" when there is none */
    const char *rule;
    const char *id;            /* the audit line's */
    const char *method, *path; /* HTTP; path without its query */
    const char *reason;        /* a sentence more; NULL = none */
    unsigned retry_s;          /* HTTP: when it may be sent again, in seconds from now; 0 = not said */
    bool to_head;              /* answers HEAD: no body */
    bool close;                /* the connection ends behind the answer */
};

/* An HTTP answer with application/problem+json (RFC 9457): type, title, status, detail, host, rule, event_id,
 * hint. All return 0, or -1 when it does not fit. */
int deny_http(const struct deny *deny, struct buf *out);

/* A fatal alert: decode_error for what could not be read, else access_denied (RFC 8446 section 6.2). */
int deny_tls(const struct deny *deny, struct buf *out);

/* Our identification line and an unencrypted SSH_MSG_DISCONNECT (RFC 4253 sections 4.2, 6, 11.1), which ssh
 * prints. */
int deny_ssh(const struct deny *deny, struct buf *out);

/* HTTP/2 with prior knowledge: SETTINGS, then GOAWAY with HTTP_1_1_REQUIRED (RFC 9113 sections 3.4, 6.8, 7).
 */
int deny_h2(const struct deny *deny, struct buf *out);

#endif
