/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan: looks through one message in one direction: an HTTP/1 request, a WebSocket message, a stream of HTTP/2, a DNS query.
 * It calls nobody back, and holds no byte of the stream itself: the caller keeps what may not leave yet, in one piece, and
 * is told how far it may let go.
 *
 *   scan = dlp_scan_begin(engine, &message);
 *   dlp_scan_field(scan, DLP_PATH, …); …  dlp_scan_fields(scan)          the head: judged as a whole
 *   dlp_scan_body(scan, window, offset, last, &leave)                    as often as bytes come, `last` with the last
 *   dlp_scan_field(scan, DLP_TRAILER, …); …  dlp_scan_fields(scan)       trailers, if any
 *   dlp_scan_end(scan)
 *
 * After each call dlp_scan_findings tells what was found. A finding in the body is known before its first byte may leave.
 */
#ifndef DLP_SCAN_H
#define DLP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "dlp/rules.h"

/* Bytes leave when this many have been scanned behind them, or the message has ended. So a match is never let out in part
 * whose writing in the stream, all encodings taken together, is this long at most. */
#define DLP_HOLD            16384
/* The body is looked at in steps of this many bytes, or less at its end: small pieces wait for each other. */
#define DLP_STEP            49152
/* So fewer bytes than this of a body may have to wait in the caller's hands, in one piece, before what just arrived. */
#define DLP_HELD_MAX        (DLP_HOLD + DLP_STEP)
/* The same for a compressed body, whose codings unpack in blocks (RFC 8878: 128 KiB). One that yields nothing for that long
 * is a violation (DLP_STALLED). */
#define DLP_HELD_PACKED_MAX 262144

#define DLP_FINDINGS_MAX 64 /* in one message; more are a violation (DLP_FLOOD) */

enum dlp_surface {
    DLP_METHOD,
    DLP_PATH,  /* as sent, percent signs and all; without the query */
    DLP_QUERY, /* as sent, without the '?' */
    DLP_VALUE, /* a field's value; `name` is the field's, which is looked through as well */
    DLP_NAME,  /* only in findings: a field's name */
    DLP_COOKIE,
    DLP_TRAILER, /* a trailer's value */
    DLP_HOST,    /* a host name, or of one under a wildcard the labels that the route does not name */
    DLP_DNS,     /* the same of a query's name */
    DLP_BODY,    /* body, WebSocket message */
};

/* Lower-case words for audit lines and denials: "path", "header value", … */
const char *dlp_surface_name(enum dlp_surface surface);

enum dlp_answer {
    DLP_PASS,  /* nothing new */
    DLP_FOUND, /* dlp_scan_findings tells more than before */
    DLP_VIOLATION, /* dlp_scan_violation says which: refuse, under every setting. Every later call says so again */
};

enum dlp_violation {
    DLP_NO_VIOLATION,
    DLP_INJECTION,        /* CR, LF or NUL where a server could take it for the end of a line */
    DLP_UNKNOWN_ENCODING, /* a Content-Encoding that is not known, or more than two of them */
    DLP_BAD_ENCODING,     /* the body is not what its Content-Encoding says, or ends before it does */
    DLP_BOMB,             /* it unpacks to too much, or wants too much memory for it */
    DLP_STALLED,          /* compressed bytes that yield nothing */
    DLP_FLOOD,            /* too many findings */
    DLP_FAILED,           /* the search itself failed, or memory is out: fail closed */
};

/* A word for audit lines and a sentence for the agent; neither holds anything of the message. */
const char *dlp_violation_name(enum dlp_violation violation);
const char *dlp_violation_text(enum dlp_violation violation);

struct dlp_finding {
    uint32_t rule;     /* dlp_rules_get */
    unsigned detector; /* DLP_TOKENS, … */
    enum dlp_surface surface;
    uint32_t field; /* which call of dlp_scan_field, from 0; not for DLP_BODY */
    uint64_t start,
        end;         /* bytes of that field's value, or of the body as it was given, encoded as it is there
                            (of a compressed one: of what it unpacks to). Whole
                            groups where an encoding has them. `end` may grow with later calls, as long as none of
                            what it grows by may leave */
    bool redactable; /* bytes start to end may be covered; not in a compressed body */
    bool across; /* begins in an earlier message of this carry: that part has left. Close the connection */
};

/* What a worker needs to scan, once: the rules, scratch memory, room for decoded views. Synchronous and used by one message
 * at a time, for any number of them in turn. Counted references: an engine outlives its messages. */
struct dlp_engine;

/* `fd`: the database (rules.h), which stays the caller's. Allocates all that scanning will need but decompression. NULL and *err: it is not usable. */
struct dlp_engine *dlp_engine_new(int fd, struct err *err);
struct dlp_engine *dlp_engine_ref(struct dlp_engine *engine);
void dlp_engine_unref(struct dlp_engine *engine); /* NULL is fine */
const struct dlp_rules *dlp_engine_rules(const struct dlp_engine *engine);

/* What consecutive messages to one host have in common: the ends of the last ones, so that what is split over several is
 * found. All zero at first; may be thrown away at any time (wiped: dlp_carry_wipe). Kept per host by the caller. */
#define DLP_CARRY_SLOTS 16
#define DLP_CARRY_TAIL  240
struct dlp_carry {
    struct dlp_carry_slot {
        uint32_t slot; /* a hash of surface and name; 0: free */
        uint32_t used; /* for choosing which goes */
        uint16_t len;
        char tail[DLP_CARRY_TAIL];
    } slots[DLP_CARRY_SLOTS];
    uint32_t clock;
};
void dlp_carry_wipe(struct dlp_carry *carry);

struct dlp_message {
    unsigned detectors;          /* bits of rules.h */
    bool inbound;                /* from the upstream: phrases are looked for in what HTML, too, would show */
    struct str content_type;     /* empty: unknown */
    struct str content_encoding; /* empty: none; else all values of the field, as sent */
    struct dlp_carry *carry;     /* lives until dlp_scan_end; NULL: none */
};

struct dlp_scan;

/* A message begins. Holds a reference to the engine. NULL when memory is out. */
struct dlp_scan *dlp_scan_begin(struct dlp_engine *engine, const struct dlp_message *message);

/* One part of the head (or trailers): the bytes must stay until dlp_scan_fields. Together at most HEAD_MAX bytes and
 * FIELDS_MAX * 2 + 8 calls a round, which the head's own limits ensure; more is DLP_FAILED. */
void dlp_scan_field(struct dlp_scan *scan, enum dlp_surface surface, struct str name, struct str value);

/* Looks through all fields since the last call, each for itself and joined. */
enum dlp_answer dlp_scan_fields(struct dlp_scan *scan);

/* The body's bytes. `window`: in one piece, from the stream's offset `offset` on, what has arrived; it must begin at or
 * before what may not leave yet, hold those bytes unchanged (cover them when they leave, not before), and end at or behind
 * the end of the last call's. `last`: the body is whole. *leave: the offset before which all bytes may leave. At the end
 * that is all of it. */
enum dlp_answer dlp_scan_body(struct dlp_scan *scan, struct str window, uint64_t offset, bool last,
                              uint64_t *leave);

/* For inbound, when nothing comes for a moment: all of the window is looked at and may leave; what is found later across
 * this place begins before it (its start is where it can still be covered, `across` is set). */
enum dlp_answer dlp_scan_flush(struct dlp_scan *scan, struct str window, uint64_t offset, uint64_t *leave);

/* All findings so far, in the order of their discovery. Valid until the next call. */
const struct dlp_finding *dlp_scan_findings(const struct dlp_scan *scan, size_t *count);
enum dlp_violation dlp_scan_violation(const struct dlp_scan *scan);

/* The end, also before the message's: wipes and frees. NULL is fine. */
void dlp_scan_end(struct dlp_scan *scan);

#endif
