/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reply: what an upstream resolver said, read with ldns. Pure. An upstream is hostile: only the addresses at
 * the end of the asked name's own CNAME chain are taken, nothing of its bytes is ever passed on.
 */
#ifndef DNS_REPLY_H
#define DNS_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "core/cidr.h"
#include "core/host.h"

#define REPLY_QUERY_MAX     512 /* bytes of a query of ours */
#define REPLY_ADDRESSES_MAX 32  /* that are looked at */
#define REPLY_RECORDS_MAX   128 /* in a section; a reply that claims more is malformed */
#define REPLY_CHAIN_MAX     12  /* CNAMEs followed */

enum reply_verdict {
    REPLY_OK,        /* rcode, addresses and ttl are valid */
    REPLY_FOREIGN,   /* not the answer to this question: keep waiting for the true one */
    REPLY_RECASED,   /* all fits but the letter case of the question: ask again over TCP */
    REPLY_TRUNCATED, /* ask again over TCP */
    REPLY_NO_EDNS,   /* FORMERR or NOTIMP: ask again without EDNS (RFC 6891 section 7) */
    REPLY_FAILED,    /* the resolver cannot (SERVFAIL, REFUSED, …) or sends nonsense: ask another */
};

struct reply {
    uint8_t rcode; /* NOERROR or NXDOMAIN */
    uint32_t ttl;  /* seconds; the smallest of the chain, or of the SOA when there are no addresses (0 without
                      one) */
    size_t count;
    struct ip addresses[REPLY_ADDRESSES_MAX];
};

/* Builds the A query for a canonical name, recursion desired, with EDNS (no options) when edns. Letters of
 * the name are upper case where the bits of mix say so (draft-vixie-dnsext-dns0x20). Returns its length, or 0
 * when memory is out. */
size_t reply_query(const char *host, uint16_t id, int edns, const uint8_t mix[32],
                   uint8_t out[REPLY_QUERY_MAX]);

/* Reads the answer to a query made by reply_query. tcp: the letter case of the question may differ. */
enum reply_verdict reply_read(const uint8_t *query, size_t query_len, const uint8_t *wire, size_t len,
                              int tcp, struct reply *reply);

#endif
