/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * query: one DNS question as a client sent it. Pure: bytes in, struct out, no memory taken. What is not
 * exactly one question, optionally with one OPT record, is refused: there is nothing else that a stub
 * resolver would send.
 */
#ifndef DNS_QUERY_H
#define DNS_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/host.h"

#define QUERY_MAX       1232                 /* bytes of a query that are accepted, over UDP and over TCP */
#define QUERY_HEADER    12                   /* RFC 1035 section 4.1.1 */
#define QUERY_NAME_MAX  255                  /* bytes of a name on the wire, RFC 1035 section 2.3.4 */
#define QUERY_TEXT_MAX  (4 * QUERY_NAME_MAX) /* bytes of a name in presentation format, NUL included */
#define QUERY_TYPE_TEXT 16                   /* bytes of a type in words, NUL included */
#define QUERY_UDP_PLAIN 512  /* bytes that a client without EDNS takes, RFC 1035 section 2.3.4 */
#define QUERY_UDP_MAX   1232 /* bytes that we send at most over UDP, whatever EDNS says: no fragments */

enum query_type { TYPE_A = 1, TYPE_AAAA = 28, TYPE_OPT = 41, TYPE_SVCB = 64, TYPE_HTTPS = 65 };
enum query_class { CLASS_IN = 1 };

enum query_verdict {
    QUERY_OK,
    QUERY_SILENCE, /* not a query at all (shorter than a header, or a response): never answered */
    QUERY_FORMERR, /* header understood, the rest malformed or ambiguous */
    QUERY_NOTIMP,  /* an opcode other than QUERY */
    QUERY_BADVERS, /* well-formed, but an EDNS version other than 0 (RFC 6891 section 6.1.3) */
};

struct query {
    uint16_t id;
    uint8_t flags_high; /* third octet of the header: opcode and RD as sent */
    bool checking_disabled;
    bool edns;
    uint16_t udp_size; /* bytes that the client takes over UDP: QUERY_UDP_PLAIN to QUERY_UDP_MAX */
    uint16_t type, class;
    uint16_t question_len;                /* bytes used in question */
    uint8_t question[QUERY_NAME_MAX + 4]; /* name, type, class as sent, letter case included */
    char host[HOST_MAX +
              1]; /* lower case, NUL-terminated; "" when the name holds a byte that no host name has */
};

/* Reads a query of len bytes. With QUERY_OK and QUERY_BADVERS all of *query is valid; with QUERY_FORMERR and
 * QUERY_NOTIMP id, flags_high and checking_disabled only; with QUERY_SILENCE nothing. */
enum query_verdict query_parse(const uint8_t *wire, size_t len, struct query *query);

/* The name as asked, in presentation format (RFC 1035 section 5.1: \. \\ \DDD), without trailing dot; "." for
 * the root. Returns its length. */
size_t query_name_text(const struct query *query, char out[QUERY_TEXT_MAX]);

/* "A", "HTTPS", "TYPE65280" (RFC 3597 section 5). */
void query_type_text(uint16_t type, char out[QUERY_TYPE_TEXT]);

#endif
