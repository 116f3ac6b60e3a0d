/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reply: between an upstream's packet and the addresses in it. First the fixed part is compared byte by byte
 * with what was asked (RFC 5452 section 9.1), and only a packet that matches is given to ldns, record by
 * record, with bounds on their number; the additional section is never looked at. It must never take an
 * address from a record whose owner the asked name does not lead to.
 */
#include "dns/reply.h"

#include <ldns/ldns.h>
#include <string.h>

#include "dns/query.h"

size_t reply_query(const char *host, uint16_t id, int edns, const uint8_t mix[32],
                   uint8_t out[REPLY_QUERY_MAX])
{
    uint8_t *wire = NULL;
    size_t len = 0;
    ldns_rdf *name = ldns_dname_new_frm_str(host);
    ldns_pkt *packet = name ? ldns_pkt_query_new(name, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD) : NULL;

    if (packet == NULL) {
        ldns_rdf_deep_free(name);
        return 0;
    }
    ldns_pkt_set_id(packet, id);
    if (edns)
        ldns_pkt_set_edns_udp_size(packet, QUERY_UDP_MAX);
    if (ldns_pkt2wire(&wire, packet, &len) != LDNS_STATUS_OK || len > REPLY_QUERY_MAX)
        len = 0;
    if (len > 0)
        memcpy(out, wire, len);
    LDNS_FREE(wire);
    ldns_pkt_free(packet);
    /* Length bytes are below 'A' (labels are at most 63 long), so that letters can be told from them. */
    for (size_t i = QUERY_HEADER, n = strlen(host); len > 0 && i < QUERY_HEADER + 1 + n; i++)
        if (out[i] >= 'a' && out[i] <= 'z' && (mix[i / 8 % 32] >> i % 8 & 1))
            out[i] -= 'a' - 'A';
    return len;
}

static size_t name_length(const uint8_t *query)
{
    size_t at = QUERY_HEADER;

    while (query[at] != 0)
        at += 1u + query[at];
    return at + 1 - QUERY_HEADER;
}

/* Compares header and question with ours. Returns REPLY_OK when the records are worth reading. */
static enum reply_verdict match(const uint8_t *query, size_t question, const uint8_t *wire, size_t len,
                                int tcp)
{
    if (len < QUERY_HEADER || !LDNS_QR_WIRE(wire) || LDNS_ID_WIRE(wire) != LDNS_ID_WIRE(query) ||
        LDNS_OPCODE_WIRE(wire) != LDNS_PACKET_QUERY)
        return REPLY_FOREIGN;
    uint8_t rcode = LDNS_RCODE_WIRE(wire);
    if (LDNS_QDCOUNT(wire) == 0 && (rcode == LDNS_RCODE_FORMERR || rcode == LDNS_RCODE_NOTIMPL))
        return REPLY_NO_EDNS; /* some send the header alone */
    if (LDNS_QDCOUNT(wire) != 1 || len < QUERY_HEADER + question)
        return REPLY_FOREIGN;
    const uint8_t *ours = query + QUERY_HEADER, *theirs = wire + QUERY_HEADER;
    struct str a = {(const char *)ours, question - 4}, b = {(const char *)theirs, question - 4};
    if (!str_equal_nocase(a, b) || memcmp(ours + question - 4, theirs + question - 4, 4) != 0)
        return REPLY_FOREIGN;
    if (!tcp && !str_equal(a, b))
        return REPLY_RECASED;
    if (LDNS_TC_WIRE(wire))
        return tcp ? REPLY_FAILED : REPLY_TRUNCATED;
    if (rcode == LDNS_RCODE_FORMERR || rcode == LDNS_RCODE_NOTIMPL)
        return REPLY_NO_EDNS;
    return rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN ? REPLY_OK : REPLY_FAILED;
}

/* Reads count records from *pos on. Returns NULL when one is malformed. */
static ldns_rr_list *read_section(const uint8_t *wire, size_t len, size_t *pos, uint16_t count)
{
    ldns_rr_list *list = count <= REPLY_RECORDS_MAX ? ldns_rr_list_new() : NULL;

    for (uint16_t i = 0; list != NULL && i < count; i++) {
        ldns_rr *rr = NULL;
        if (ldns_wire2rr(&rr, wire, len, pos, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK ||
            !ldns_rr_list_push_rr(list, rr)) {
            ldns_rr_free(rr);
            ldns_rr_list_deep_free(list);
            return NULL;
        }
    }
    return list;
}

/* The data of the only field of a record with this owner and type, or NULL. */
static const ldns_rdf *field(const ldns_rr *rr, const ldns_rdf *owner, ldns_rr_type type)
{
    if (ldns_rr_get_type(rr) != type || ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN ||
        ldns_rr_rd_count(rr) != 1 || ldns_dname_compare(ldns_rr_owner(rr), owner) != 0)
        return NULL;
    return ldns_rr_rdf(rr, 0);
}

static void lower(uint32_t *ttl, uint32_t other)
{
    if (other > INT32_MAX) /* RFC 2181 section 8 */
        other = 0;
    if (other < *ttl)
        *ttl = other;
}

/* Follows the CNAMEs from *owner on. Returns 0, or -1 when the chain is too long (or a circle). */
static int follow(const ldns_rr_list *answers, const ldns_rdf **owner, uint32_t *ttl)
{
    for (unsigned hops = 0; hops <= REPLY_CHAIN_MAX; hops++) {
        const ldns_rdf *next = NULL;
        for (size_t i = 0; i < ldns_rr_list_rr_count(answers) && next == NULL; i++) {
            next = field(ldns_rr_list_rr(answers, i), *owner, LDNS_RR_TYPE_CNAME);
            if (next != NULL)
                lower(ttl, ldns_rr_ttl(ldns_rr_list_rr(answers, i)));
        }
        if (next == NULL)
            return 0;
        *owner = next;
    }
    return -1;
}

static int read_addresses(const ldns_rr_list *answers, const ldns_rdf *owner, struct reply *reply)
{
    if (follow(answers, &owner, &reply->ttl) != 0)
        return -1;
    for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answers, i);
        const ldns_rdf *data = field(rr, owner, LDNS_RR_TYPE_A);
        if (data == NULL || reply->count == REPLY_ADDRESSES_MAX)
            continue;
        if (ldns_rdf_size(data) != 4)
            return -1;
        reply->addresses[reply->count++] = ip_from_v4(ldns_rdf_data(data));
        lower(&reply->ttl, ldns_rr_ttl(rr));
    }
    return 0;
}

/* RFC 2308 section 5: the smaller of the SOA's TTL and its MINIMUM. Without a SOA: 0. */
static uint32_t negative_ttl(const ldns_rr_list *authority, uint32_t ttl)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(authority, i);
        if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(rr) != 7 ||
            ldns_rdf_size(ldns_rr_rdf(rr, 6)) != 4)
            continue;
        lower(&ttl, ldns_rr_ttl(rr));
        lower(&ttl, ldns_rdf2native_int32(ldns_rr_rdf(rr, 6)));
        return ttl;
    }
    return 0;
}

static int read_records(const uint8_t *wire, size_t len, size_t pos, const ldns_rdf *name,
                        struct reply *reply)
{
    ldns_rr_list *answers = read_section(wire, len, &pos, LDNS_ANCOUNT(wire));
    int result = answers != NULL ? read_addresses(answers, name, reply) : -1;

    if (result == 0 && reply->count == 0) {
        ldns_rr_list *authority = read_section(wire, len, &pos, LDNS_NSCOUNT(wire));
        result = authority != NULL ? 0 : -1;
        if (result == 0)
            reply->ttl = negative_ttl(authority, reply->ttl);
        ldns_rr_list_deep_free(authority);
    }
    ldns_rr_list_deep_free(answers);
    return result;
}

enum reply_verdict reply_read(const uint8_t *query, size_t query_len, const uint8_t *wire, size_t len,
                              int tcp, struct reply *reply)
{
    size_t question = name_length(query) + 4, at = QUERY_HEADER;
    enum reply_verdict verdict = match(query, question, wire, len, tcp);
    ldns_rdf *name = NULL;

    *reply = (struct reply){.ttl = UINT32_MAX};
    if (verdict != REPLY_OK)
        return verdict;
    reply->rcode = LDNS_RCODE_WIRE(wire);
    if (ldns_wire2dname(&name, query, query_len, &at) != LDNS_STATUS_OK)
        return REPLY_FAILED;
    if (read_records(wire, len, QUERY_HEADER + question, name, reply) != 0 ||
        (reply->rcode == LDNS_RCODE_NXDOMAIN && reply->count > 0) ||
        (reply->count == 0 && !LDNS_AA_WIRE(wire) &&
         !LDNS_RA_WIRE(wire))) /* a referral: it does not recurse */
        verdict = REPLY_FAILED;
    ldns_rdf_deep_free(name);
    return verdict;
}
