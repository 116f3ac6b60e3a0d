/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hold: a request that waits for the operator's verdict, as the proxy tells init of it: one record of fixed size, so
 * that init, which is root, has no parser for what an agent chose. And how many new ones there may be in a second.
 */
#ifndef CORE_HOLD_H
#define CORE_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/audit.h"
#include "core/host.h"
#include "core/str.h"

#define HOLD_MAX          256  /* requests that wait at once in a bottle; the oldest makes room */
#define HOLD_PATH_MAX     1024 /* bytes of a path as sent; a longer one is refused without a question */
#define HOLD_METHOD_MAX   23
#define HOLD_SECONDS      300 /* that a request waits, unless the policy says otherwise */
#define HOLD_SECONDS_MAX  3600
#define HOLD_RATE         8  /* new ones a second, */
#define HOLD_RATE_AT_ONCE 64 /* when there were none for a while */
#define HOLD_VALUE        32 /* digits of a value's keyed hash */

/* Why a request waits. */
enum hold_kind {
    HOLD_DENIED_HOST = 1, /* no route names its host */
    HOLD_MATCH,           /* a detector found in it what must not leave */
    HOLD_KINDS
};

/* Texts are NUL-terminated and zero behind it. */
struct hold_request {
    uint32_t kind;
    uint32_t seconds; /* that it waits; 1 to HOLD_SECONDS_MAX */
    uint16_t port;
    uint8_t tls;
    uint8_t zero[5];
    uint64_t base;                    /* of the policy that has it wait: core/approval.h */
    uint64_t query;                   /* bytes of its query, which is not told itself */
    int64_t body;                     /* bytes of its body; -1 = chunked, nobody knows */
    char event[AUDIT_ID_MAX];         /* the id of the audit line that its end will be */
    char rule[64];                    /* what held it */
    char detector[32];                /* of a match: which found it; else "" */
    char surface[32];                 /* the part of the request that did: "host" */
    char value[40];                   /* of a match: a keyed hash of what was found; else "" */
    char method[HOLD_METHOD_MAX + 1]; /* a token */
    char host[HOST_MAX + 1];          /* canonical, so A-labels */
    char path[HOLD_PATH_MAX +
              1]; /* as sent, without the query: printable ASCII, with one reading (core/url.h) */
};

/* The operator's verdict, on its way back. */
enum hold_outcome {
    HOLD_APPROVED = 1,
    HOLD_REFUSED,
    HOLD_REFUSED_OFTEN, /* the host was denied so often that nobody was asked */
    HOLD_CROWDED,       /* a newer one took its place */
    HOLD_UNHEARD,       /* it could not be put before anybody */
};

struct hold_verdict {
    uint32_t outcome;
    uint32_t zero;
    uint64_t approval; /* the id under which the policy lets it through (core/approval.h); 0 = none */
};

/* What a kind is called: "denied-host". */
const char *hold_kind_name(uint32_t kind);

/* Whether it is written as a value's keyed hash is: HOLD_VALUE hexadecimal digits. */
bool hold_is_value(const char *text);

/* Reads a record that a worker sent; it may be hostile. Returns 0, or -1 when any of the above does not hold. */
int hold_read(struct str bytes, struct hold_request *request);

/* A bucket of HOLD_RATE_AT_ONCE that gets HOLD_RATE a second; all zero is a full one. now_ms: of a monotonic clock. */
struct hold_rate {
    uint64_t used_ms; /* how long it takes to be full again, */
    uint64_t at_ms;   /* from here on */
};

bool hold_rate_take(struct hold_rate *rate, uint64_t now_ms);

#endif
