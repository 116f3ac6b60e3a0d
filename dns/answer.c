/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * answer: between the policy and the wire. Which question gets what is one table; every byte of every answer
 * is written here, and none is copied from an upstream: addresses, lifetimes and response codes are all that
 * came from there. Unknown standing, unknown type, unknown own address: refused.
 */
#include "dns/answer.h"

#include <ldns/ldns.h>
#include <string.h>

enum standing { STANDING_DENIED, STANDING_EXACT, STANDING_WILDCARD, STANDING_COUNT };
enum kind { KIND_A, KIND_AAAA, KIND_HTTPS, KIND_DATA, KIND_META, KIND_COUNT };
enum gets { REFUSED, NODATA, SIDECAR, HOST, SYNTHETIC, LOOKUP };

struct rule {
    enum gets gets;
    enum denial reason;
};

/* HTTPS and SVCB are NODATA for every name: no ECH keys, no HTTP/3 (RFC 9460). */
static const struct rule agent_rules[STANDING_COUNT][KIND_COUNT] = {
    [STANDING_EXACT] = {[KIND_A] = {LOOKUP, DENIAL_NONE},
                        [KIND_AAAA] = {NODATA, DENIAL_NONE},
                        [KIND_HTTPS] = {NODATA, DENIAL_NONE},
                        [KIND_DATA] = {NODATA, DENIAL_DNS_TYPE},
                        [KIND_META] = {REFUSED, DENIAL_DNS_TYPE}},
    [STANDING_WILDCARD] = {[KIND_A] = {SIDECAR, DENIAL_NONE},
                           [KIND_AAAA] = {NODATA, DENIAL_NONE},
                           [KIND_HTTPS] = {NODATA, DENIAL_NONE},
                           [KIND_DATA] = {NODATA, DENIAL_DNS_TYPE},
                           [KIND_META] = {REFUSED, DENIAL_DNS_TYPE}},
    [STANDING_DENIED] = {[KIND_A] = {SIDECAR, DENIAL_DNS_NAME},
                         [KIND_AAAA] = {NODATA, DENIAL_DNS_NAME},
                         [KIND_HTTPS] = {NODATA, DENIAL_DNS_NAME},
                         [KIND_DATA] = {REFUSED, DENIAL_DNS_TYPE},
                         [KIND_META] = {REFUSED, DENIAL_DNS_TYPE}},
};

static enum kind kind_of(uint16_t type)
{
    static const struct {
        uint16_t first, last;
        enum kind kind;
    } kinds[] = {{TYPE_A, TYPE_A, KIND_A},
                 {TYPE_AAAA, TYPE_AAAA, KIND_AAAA},
                 {TYPE_SVCB, TYPE_HTTPS, KIND_HTTPS},
                 {TYPE_OPT, TYPE_OPT, KIND_META},
                 {128, 255, KIND_META}, /* RFC 6895 section 3.1: QTYPEs and meta-TYPEs */
                 {0, 0, KIND_META}};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (type >= kinds[i].first && type <= kinds[i].last)
            return kinds[i].kind;
    return KIND_DATA;
}

static void set_gets(const struct policy *policy, struct rule rule, struct decision *decision)
{
    struct answer *answer = &decision->answer;

    answer->reason = rule.reason;
    answer->ttl =
        rule.reason == DENIAL_DNS_NAME || rule.reason == DENIAL_EGRESS_CLOSED ? TTL_DENIED : TTL_SIDECAR;
    if (rule.gets == SIDECAR && policy->agent_address.family != 4)
        rule.gets = REFUSED;
    switch (rule.gets) {
    case LOOKUP:
        decision->lookup = true;
        break;
    case SIDECAR:
        answer->count = 1;
        memcpy(answer->addresses[0], policy->agent_address.bytes, 4);
        break;
    case HOST:
        answer->count = 1;
        memcpy(answer->addresses[0], policy->host_address.bytes, 4);
        break;
    case SYNTHETIC:
        answer->count = 1;
        memcpy(answer->addresses[0], decision->route->tcp_address.bytes, 4);
        break;
    case NODATA:
        answer->soa = true;
        break;
    case REFUSED:
        answer->rcode = LDNS_RCODE_REFUSED;
        break;
    }
}

void answer_decide(const struct policy *policy, enum answer_side side, const struct query *query,
                   struct decision *decision)
{
    enum standing standing = STANDING_DENIED;
    struct rule rule = {REFUSED, DENIAL_NO_POLICY};
    enum kind kind = query->class == CLASS_IN ? kind_of(query->type) : KIND_META;
    bool closed = policy != NULL && policy->closed; /* then all names are as those of no route */

    decision->lookup = false;
    decision->route = NULL;
    decision->repo = NULL;
    decision->answer = (struct answer){0};
    if (policy != NULL && !closed && query->host[0] != '\0')
        decision->route = policy_find(policy, query->host);
    if (policy != NULL && !closed && side == SIDE_INTERNAL)
        decision->repo = gate_at(policy->gate, query->host);
    if (decision->route != NULL)
        standing = decision->route->wildcard ? STANDING_WILDCARD : STANDING_EXACT;
    if (policy != NULL && side == SIDE_AGENT)
        rule = agent_rules[standing][kind];
    else if (policy != NULL && (standing != STANDING_DENIED || decision->repo != NULL))
        rule =
            (struct rule){kind == KIND_A ? LOOKUP : REFUSED, kind == KIND_A ? DENIAL_NONE : DENIAL_DNS_TYPE};
    else if (policy != NULL)
        rule.reason = DENIAL_DNS_NAME;
    if (rule.gets == LOOKUP && side == SIDE_AGENT && decision->route->tcp_count > 0)
        rule.gets = SYNTHETIC;
    if (rule.gets == LOOKUP &&
        strcmp(query->host, POLICY_HOST_SERVICE) == 0) /* nobody is asked where the host is */
        rule.gets = side == SIDE_AGENT ? SIDECAR : policy->host_address.family == 4 ? HOST : REFUSED;
    if (policy != NULL && policy->dns_refuse && rule.reason == DENIAL_DNS_NAME)
        rule.gets = REFUSED;
    if (closed)
        rule.reason = DENIAL_EGRESS_CLOSED;
    set_gets(policy, rule, decision);
}

static uint32_t bounded(uint32_t ttl, uint32_t max)
{
    return ttl < TTL_MIN ? TTL_MIN : ttl > max ? max : ttl;
}

void answer_from_reply(const struct policy *policy, const struct route *route, const struct gate_repo *repo,
                       const struct reply *reply, struct answer *answer)
{
    *answer = (struct answer){.rcode = reply->rcode};
    for (size_t i = 0; i < reply->count && answer->count < ANSWER_ADDRESSES_MAX; i++) {
        const struct ip *ip = &reply->addresses[i];
        if (ip->family == 4 && ((route != NULL && policy_may_dial(policy, route, ip)) ||
                                (repo != NULL && policy_may_push(policy, repo, ip))))
            memcpy(answer->addresses[answer->count++], ip->bytes, 4);
    }
    answer->soa = answer->count == 0;
    answer->ttl = bounded(reply->ttl, answer->count > 0 ? TTL_MAX : TTL_NEGATIVE);
    if (reply->count > 0 && answer->count == 0) {
        answer->rcode = LDNS_RCODE_SERVFAIL;
        answer->soa = false;
        answer->reason = DENIAL_DNS_ADDRESS;
    }
}

/* What clients with EDNS learn beside the response code; no entry: OTHER (0). */
static const uint8_t extended_error[DENIAL_COUNT] = {
    [DENIAL_NO_POLICY] = LDNS_EDE_NOT_READY,   [DENIAL_DNS_NAME] = LDNS_EDE_BLOCKED,
    [DENIAL_EGRESS_CLOSED] = LDNS_EDE_BLOCKED, [DENIAL_DNS_TYPE] = LDNS_EDE_NOT_SUPPORTED,
    [DENIAL_DNS_ADDRESS] = LDNS_EDE_FILTERED,  [DENIAL_DNS_UPSTREAM] = LDNS_EDE_NO_REACHABLE_AUTHORITY,
};

struct out {
    uint8_t *at;
};

static void put16(struct out *out, unsigned value)
{
    ldns_write_uint16(out->at, (uint16_t)value);
    out->at += 2;
}

static void put32(struct out *out, uint32_t value)
{
    put16(out, value >> 16);
    put16(out, value & 0xffff);
}

static void put(struct out *out, const void *bytes, size_t len)
{
    memcpy(out->at, bytes, len);
    out->at += len;
}

/* A record whose owner is the question's name: a pointer to it, RFC 1035 section 4.1.4. */
static void put_record_head(struct out *out, uint16_t type, uint32_t ttl, size_t data_len)
{
    put16(out, 0xc000 | QUERY_HEADER);
    put16(out, type);
    put16(out, CLASS_IN);
    put32(out, ttl);
    put16(out, (unsigned)data_len);
}

#define A_LEN    16u          /* bytes of an A record with a pointer as owner */
#define SOA_DATA (1 + 1 + 20) /* MNAME and RNAME are the root */
#define OPT_LEN  11u

static void put_soa(struct out *out, uint32_t ttl)
{
    put_record_head(out, LDNS_RR_TYPE_SOA, ttl, SOA_DATA);
    put16(out, 0); /* MNAME ., RNAME . */
    put32(out, 1); /* SERIAL */
    put32(out, 3600);
    put32(out, 600);
    put32(out, 86400);
    put32(out, ttl); /* MINIMUM: with the TTL the time of negative caching */
}

static size_t opt_len(const struct query *query, enum denial reason)
{
    if (!query->edns)
        return 0;
    return OPT_LEN + (reason != DENIAL_NONE ? 6 + strlen(denial_sentence(reason)) : 0);
}

static void put_opt(struct out *out, uint8_t rcode_high, enum denial reason)
{
    size_t text = reason != DENIAL_NONE ? strlen(denial_sentence(reason)) : 0;

    *out->at++ = 0; /* the root */
    put16(out, TYPE_OPT);
    put16(out, QUERY_UDP_MAX);
    put16(out, (unsigned)rcode_high << 8); /* and version 0 */
    put16(out, 0);
    put16(out, reason != DENIAL_NONE ? (unsigned)(6 + text) : 0);
    if (reason == DENIAL_NONE)
        return;
    put16(out, LDNS_EDNS_EDE);
    put16(out, (unsigned)(2 + text));
    put16(out, extended_error[reason]);
    put(out, denial_sentence(reason), text);
}

static void put_header(struct out *out, const struct query *query, unsigned rcode, bool cut,
                       unsigned questions)
{
    put16(out, query->id);
    *out->at++ = (uint8_t)(LDNS_QR_MASK | query->flags_high | (cut ? LDNS_TC_MASK : 0));
    *out->at++ = (uint8_t)(LDNS_RA_MASK | (query->checking_disabled ? LDNS_CD_MASK : 0) | (rcode & 15));
    put16(out, questions);
    put32(out, 0);
    put16(out, 0);
}

size_t answer_build(const struct query *query, const struct answer *answer, size_t limit,
                    uint8_t out[ANSWER_WIRE_MAX])
{
    struct out to = {out};
    size_t opt = opt_len(query, answer->reason), fixed = QUERY_HEADER + query->question_len + opt;
    size_t fits = limit > fixed ? (limit - fixed) / A_LEN : 0;
    unsigned count = answer->count <= fits ? answer->count : (unsigned)fits;

    put_header(&to, query, answer->rcode, count < answer->count, 1);
    put(&to, query->question, query->question_len);
    for (unsigned i = 0; i < count; i++) {
        put_record_head(&to, TYPE_A, answer->ttl, 4);
        put(&to, answer->addresses[i], 4);
    }
    if (answer->soa)
        put_soa(&to, answer->ttl);
    if (opt > 0)
        put_opt(&to, 0, answer->reason);
    ldns_write_uint16(out + LDNS_ANCOUNT_OFF, (uint16_t)count);
    ldns_write_uint16(out + LDNS_NSCOUNT_OFF, answer->soa);
    ldns_write_uint16(out + LDNS_ARCOUNT_OFF, opt > 0);
    return (size_t)(to.at - out);
}

size_t answer_refuse(const struct query *query, enum query_verdict verdict, uint8_t out[ANSWER_WIRE_MAX])
{
    static const uint8_t rcodes[] = {
        [QUERY_FORMERR] = LDNS_RCODE_FORMERR, [QUERY_NOTIMP] = LDNS_RCODE_NOTIMPL};
    struct out to = {out};

    if (verdict == QUERY_SILENCE || verdict == QUERY_OK)
        return 0;
    if (verdict != QUERY_BADVERS) {
        put_header(&to, query, rcodes[verdict], false, 0);
        return (size_t)(to.at - out);
    }
    put_header(&to, query, 0, false, 1);
    put(&to, query->question, query->question_len);
    put_opt(&to, 1, DENIAL_NONE); /* BADVERS is 16: its low four bits are in the header */
    ldns_write_uint16(out + LDNS_ARCOUNT_OFF, 1);
    return (size_t)(to.at - out);
}
