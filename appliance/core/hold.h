/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hold: what waits for the operator's verdict, as the worker that holds it tells init: one record of fixed size, so
 * that init, which is root, has no parser for what an agent chose. And how many new ones there may be in a second.
 *
 * A proxy asks about requests. What an approval lets through is in the next policy (core/approval.h), and the request is
 * judged anew. The gate asks about pushes (HOLD_PUSH), about each finding by itself, one after the other, and an approval is
 * for this one push: it is in no policy, the verdict is all of it. So the gate, for each finding that is to be asked about:
 *
 *   gate   CHANNEL_HOLD number, struct hold_request    never the same number twice, never 0
 *   init   CHANNEL_VERDICT number, struct hold_verdict HOLD_APPROVED: the next finding, or go on; else the push is refused
 *   gate   CHANNEL_HOLD_END number                     only when it waits no more: its time is over, the client has gone
 *
 * What waits when a policy comes into force is over, and so is what names a repository that the policy does not have: init
 * says HOLD_STALE. A worker's end needs no word. Where the policy has no member "hold" nobody can be asked: refuse at once.
 * Before each record hold_rate_take; when it says no, or HOLD_MAX wait: refuse (HELD_CROWDED).
 */
#ifndef CORE_HOLD_H
#define CORE_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/audit.h"
#include "core/gate_url.h"
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
#define HOLD_REF_MAX      511
#define HOLD_ID_MAX       64 /* digits of an object's id: SHA-256's */
#define HOLD_FINDINGS_MAX 8  /* of one push that are asked about; more refuse it without a question */

/* Why a request waits. */
enum hold_kind {
    HOLD_DENIED_HOST = 1, /* no route names its host */
    HOLD_MATCH,           /* a detector found in it what must not leave */
    HOLD_PUSH,            /* the gate found something in a push, or a file in it that is protected */
    HOLD_KINDS
};

/* Of a push. Texts are as in the record. */
struct hold_push {
    char repository[GATE_NAME_MAX + 8]; /* its name in the manifest: gate_is_name */
    char ref[HOLD_REF_MAX + 1];         /* in full, as it is shown: no blank; "" when it is about none */
    char old_id[HOLD_ID_MAX + 8];       /* what that names, 40 or 64 of 0-9a-f; "" without a ref */
    char new_id[HOLD_ID_MAX + 8];       /* what it is to name, of the same length */
    char commit[HOLD_ID_MAX + 8];       /* in which it is: a commit, tag or other object; "" = in none */
    uint64_t line;                      /* of the record's path, from 1; 0 = none */
    uint32_t finding;                   /* which one, from 1, */
    uint32_t findings;                  /* of how many that are asked about, at most HOLD_FINDINGS_MAX */
    uint32_t allow_comment;             /* 1: a comment beside it says that it is allowed */
    uint32_t zero;
};

/* Texts are NUL-terminated and zero behind it; printable ASCII. Of a push: port, tls, query and body are 0, method and host "",
 * the path is the file's, as it is shown, "" without one; `detector` is "" when none found it (protect_paths), and never that
 * of known secrets, which nobody is asked about; `value` may be "". Of all others push is not sent. */
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
    char surface[32];                 /* the part of the request, or of the push, that did: "host", "blob" */
    char value[40];                   /* of a match: a keyed hash of what was found; else "" */
    char method[HOLD_METHOD_MAX + 1]; /* a token */
    char host[HOST_MAX + 1];          /* canonical, so A-labels */
    char path[HOLD_PATH_MAX +
              1]; /* as sent, without the query: printable ASCII, with one reading (core/url.h) */
    struct hold_push push;
};

/* The operator's verdict, on its way back. */
enum hold_outcome {
    HOLD_APPROVED = 1,
    HOLD_REFUSED,
    HOLD_REFUSED_OFTEN, /* the host was denied so often that nobody was asked */
    HOLD_CROWDED,       /* a newer one took its place */
    HOLD_UNHEARD,       /* it could not be put before anybody */
    HOLD_STALE,         /* of a push: another policy has come into force */
};

struct hold_verdict {
    uint32_t outcome;
    uint32_t zero;
    uint64_t approval; /* its number; of a request that under which the policy lets it through; 0 = none */
};

/* What a kind is called: "denied-host". */
const char *hold_kind_name(uint32_t kind);

/* Whether it is written as a value's keyed hash is: HOLD_VALUE hexadecimal digits. */
bool hold_is_value(const char *text);

/* Whether it is written as an object's id is: 40 or 64 hexadecimal digits. */
bool hold_is_id(const char *text);

/* What of it is sent: all of a push's; of all others what stands before `push`, so that as many as may come at once find room in
 * a socket. */
struct str hold_bytes(const struct hold_request *request);

/* Reads a record that a worker sent; it may be hostile. Returns 0, or -1 when any of the above does not hold. */
int hold_read(struct str bytes, struct hold_request *request);

/* A bucket of HOLD_RATE_AT_ONCE that gets HOLD_RATE a second; all zero is a full one. now_ms: of a monotonic clock. */
struct hold_rate {
    uint64_t used_ms; /* how long it takes to be full again, */
    uint64_t at_ms;   /* from here on */
};

bool hold_rate_take(struct hold_rate *rate, uint64_t now_ms);

#endif
