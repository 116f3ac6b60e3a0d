/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cidr: IP addresses and prefixes, and which addresses nobody may be led to (server-side request forgery,
 * rebinding).
 */
#ifndef CORE_CIDR_H
#define CORE_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

struct ip {
    uint8_t family;    /* 4 or 6 */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

struct cidr {
    struct ip ip;   /* host bits are zero */
    uint8_t length; /* bits: 0..32 or 0..128 */
};

/* What an address is, from IANA's special-purpose registries. */
enum ip_class {
    IP_PUBLIC,    /* may be dialled */
    IP_PRIVATE,   /* RFC 1918, CGNAT (RFC 6598), unique local (RFC 4193): only where a route's allow_private
                     says so */
    IP_FORBIDDEN, /* loopback, link-local (metadata services), multicast, broadcast, unspecified, reserved,
                     198.18.0.0/15, and every IPv6 form that embeds an IPv4 address: never */
};

#define IP_TEXT 46 /* bytes for ip_format, NUL included */

/* Parses a literal (dotted quad without leading zeros, or RFC 4291 text). Returns 0 or -1. */
int ip_parse(struct str text, struct ip *ip);
void ip_format(const struct ip *ip, char out[IP_TEXT]);
struct ip ip_from_v4(const uint8_t bytes[4]);
enum ip_class ip_classify(const struct ip *ip);

/* "ADDRESS/LENGTH" or a bare address (a host prefix). Returns 0; -1 when malformed or when host bits are set.
 */
int cidr_parse(struct str text, struct cidr *cidr);
bool cidr_contains(const struct cidr *cidr, const struct ip *ip);

/* Whether the prefix lies wholly inside one private range. An allow_private entry for which this is false
 * dies at load. */
bool cidr_is_private(const struct cidr *cidr);

#endif
