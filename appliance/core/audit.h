/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit: one decision as one line of JSON. Formats only; sys/audit_sink.h carries lines out of a worker.
 * Query strings, header values and anything secret never come here.
 */
#ifndef CORE_AUDIT_H
#define CORE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/denial.h"
#include "core/str.h"

#define AUDIT_LINE_MAX     4096 /* bytes of a line, its LF included */
#define AUDIT_SEAL_MAX     320  /* of which the seal, that init adds to every line (core/audit_seal.h) */
#define AUDIT_UNSEALED_MAX (AUDIT_LINE_MAX - AUDIT_SEAL_MAX) /* so this is what others may write */
#define AUDIT_ID_MAX       32                                /* bytes of an event id, NUL included */
#define AUDIT_PACKET_MAX                                                                                     \
    7680 /* bytes of whole lines that a worker hands over at once: with the kernel's own 8 KiB */

enum audit_kind {
    AUDIT_HTTP,
    AUDIT_TLS,
    AUDIT_DNS,
    AUDIT_TCP,
    AUDIT_GIT,
    AUDIT_PACKET,
    AUDIT_CONTROL,
    AUDIT_LIFECYCLE
};
enum audit_verdict { AUDIT_ALLOW, AUDIT_BLOCK, AUDIT_ALARM, AUDIT_REDACT, AUDIT_HOLD };

/* What one rule of a detector found, how often. */
struct audit_finding {
    const char *rule;
    uint64_t count;
};

/* Zero or empty members are left out of the line, time, id, kind and verdict excepted. */
struct audit {
    enum audit_kind kind;
    enum audit_verdict verdict;
    char id[AUDIT_ID_MAX]; /* event id, from audit_id */
    const char *rule;      /* the route's name, or what of the wall decided */
    enum denial reason;    /* why not */
    struct str detail;     /* our own words: "worker stopper-dns ended by signal 9" */
    const char *detector;  /* what found something: "known_secrets"; static, as surface is */
    const char *pattern;   /* which of its rules; a secret's name, never its value */
    const char *surface;   /* where: "body" */
    struct str host;       /* as the agent sent it */
    struct str method,
        path; /* HTTP; the path without its query. Git: "fetch" or "push"; of the first finding */
    /* Git alone, which has in turn no protocol, alpn, tls_version and address. */
    struct str repository; /* its name in the manifest: with it the line is about git */
    struct str ref;        /* in full */
    struct str old_id,
        new_id;        /* what it names before and afterwards, in hexadecimal digits; nothing: zeros */
    struct str commit; /* in which the first finding is */
    uint64_t line;     /* of `path` */
    uint64_t commits, objects;            /* that were looked at */
    const struct audit_finding *findings; /* by rule; borrowed */
    size_t finding_count;
    const char *protocol;    /* "udp", "icmp", "A", "ssh": what was tried, where kind does not say */
    struct str alpn;         /* TLS: protocols offered */
    const char *tls_version; /* "1.3": the highest offered */
    const char *address;     /* the destination that the agent dialled */
    unsigned port;
    const char *upstream; /* ADDRESS:PORT that the sidecar dialled */
    unsigned status;      /* HTTP status */
    uint64_t bytes_in;    /* from upstream to agent */
    uint64_t bytes_out;   /* from agent to upstream */
    uint64_t duration_us; /* from first byte to end; written as duration_ms */
    uint64_t count;       /* equal denials in this line, when more than 1 */
    uint64_t generation;  /* of the policy that decided */
    bool single;          /* not written: it is never counted with others of its like (sys/audit_sink.h) */
};

/* A new event id, unique over workers and restarts: 8 random hex digits of this process, '-', a counter. */
void audit_id(char out[AUDIT_ID_MAX]);

/* The kinds and the verdicts as a line has them; NULL behind the last. */
const char *audit_kind_name(size_t kind);
const char *audit_verdict_name(size_t verdict);

/* Writes the line, ended by LF, not yet sealed. wall_us: microseconds since 1970, UTC. Returns its length, at most
 * AUDIT_UNSEALED_MAX; never fails: what does not fit is cut inside its member. */
size_t audit_format(const struct audit *audit, uint64_t wall_us, char line[AUDIT_LINE_MAX]);

#endif
