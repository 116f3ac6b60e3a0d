/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * answer: what a question gets (the table of docs/ARCHITECTURE.md, "Names"), and its bytes. Pure.
 */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/denial.h"
#include "core/policy.h"
#include "dns/query.h"
#include "dns/reply.h"

#define ANSWER_ADDRESSES_MAX 16   /* of more, the first are given */
#define ANSWER_WIRE_MAX      1024 /* bytes of any answer that we build */

/* Seconds that an answer is good for. */
#define TTL_MIN      1   /* also of what upstream gives 0: an agent cannot make every query go out */
#define TTL_MAX      300 /* so that what an operator moves is seen, and memory is turned over */
#define TTL_NEGATIVE 60  /* at most, for NXDOMAIN and NODATA */
#define TTL_FAILURE  1   /* RFC 9520 section 3.2: failures are remembered for at least a second */
#define TTL_SIDECAR  30  /* of our own address for a wildcard's name, and of a synthetic one */
#define TTL_DENIED   5   /* of our own address for a denied name: an operator may allow it any moment */

enum answer_side { SIDE_AGENT, SIDE_INTERNAL };

struct answer {
    uint8_t rcode;      /* RFC 1035 section 4.1.1 */
    bool soa;           /* a SOA of our own in the authority section, for negative caching (RFC 2308) */
    enum denial reason; /* also as Extended DNS Error (RFC 8914), to clients with EDNS */
    uint32_t ttl;       /* seconds */
    uint8_t count;
    uint8_t addresses[ANSWER_ADDRESSES_MAX][4];
};

struct decision {
    bool lookup;               /* the answer has to come from the cache or from upstream */
    const struct route *route; /* NULL when the name is not allowed; borrowed from the policy */
    /* The internal side: a repository of the gate's is there, by a route or without one; else NULL. Borrowed, too. */
    const struct gate_repo *repo;
    struct answer answer; /* complete when !lookup */
};

/* Decides on a well-formed question. policy NULL = none is loaded. */
void answer_decide(const struct policy *policy, enum answer_side side, const struct query *query,
                   struct decision *decision);

/* Turns what upstream said about an allowed name into the answer: addresses that neither the route nor the way to the
 * repository may lead to are removed, lifetimes are bounded. One of the two may be NULL. */
void answer_from_reply(const struct policy *policy, const struct route *route, const struct gate_repo *repo,
                       const struct reply *reply, struct answer *answer);

/* Writes the answer to a query that parsed with QUERY_OK. limit: bytes that the client takes; when not all
 * addresses fit, what does and TC. Returns the length. */
size_t answer_build(const struct query *query, const struct answer *answer, size_t limit,
                    uint8_t out[ANSWER_WIRE_MAX]);

/* Writes the answer to a query that did not: a header (and with QUERY_BADVERS the question and an OPT
 * record). Returns the length, 0 for QUERY_SILENCE and QUERY_OK. */
size_t answer_refuse(const struct query *query, enum query_verdict verdict, uint8_t out[ANSWER_WIRE_MAX]);

#endif
