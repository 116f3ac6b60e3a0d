/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cidr: parsing prefixes and classifying addresses by one table, from the IANA IPv4 and IPv6 Special-Purpose
 * Address Registries (RFC 6890). The documentation ranges of RFC 5737 are treated as public: nothing listens
 * there. */
#include "core/cidr.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    struct cidr cidr;
    enum ip_class class;
} ranges[] = {
#define V4(a, b, c, d, length)                                                                               \
    {                                                                                                        \
        {4, {a, b, c, d}}, length                                                                            \
    }
#define V6(length, ...)                                                                                      \
    {                                                                                                        \
        {6, {__VA_ARGS__}}, length                                                                           \
    }
    {V4(0, 0, 0, 0, 8), IP_FORBIDDEN},        /* this network */
    {V4(10, 0, 0, 0, 8), IP_PRIVATE},         /* RFC 1918 */
    {V4(100, 64, 0, 0, 10), IP_PRIVATE},      /* CGNAT, RFC 6598 */
    {V4(127, 0, 0, 0, 8), IP_FORBIDDEN},      /* loopback */
    {V4(169, 254, 0, 0, 16), IP_FORBIDDEN},   /* link-local, metadata services */
    {V4(172, 16, 0, 0, 12), IP_PRIVATE},      /* RFC 1918 */
    {V4(192, 0, 0, 0, 24), IP_FORBIDDEN},     /* protocol assignments */
    {V4(192, 88, 99, 0, 24), IP_FORBIDDEN},   /* 6to4 relays, deprecated */
    {V4(192, 168, 0, 0, 16), IP_PRIVATE},     /* RFC 1918 */
    {V4(198, 18, 0, 0, 15), IP_FORBIDDEN},    /* benchmarking; our synthetic addresses */
    {V4(224, 0, 0, 0, 3), IP_FORBIDDEN},      /* multicast, reserved, broadcast */
    {V6(7, 0xfc), IP_PRIVATE},                /* unique local, RFC 4193 */
    {V6(32, 0x20, 0x01, 0, 0), IP_FORBIDDEN}, /* Teredo */
    {V6(16, 0x20, 0x02), IP_FORBIDDEN},       /* 6to4 */
    {V6(3, 0x20), IP_PUBLIC},                 /* global unicast, 2000::/3 */
    {V6(0, 0), IP_FORBIDDEN}, /* all else: unspecified, loopback, v4-mapped, NAT64, link-local, multicast */
#undef V4
#undef V6
};
#define RANGE_COUNT (sizeof ranges / sizeof ranges[0])

static unsigned family_bits(const struct ip *ip)
{
    return ip->family == 4 ? 32 : 128;
}

static bool same_prefix(const struct ip *a, const struct ip *b, unsigned bits)
{
    if (a->family != b->family || memcmp(a->bytes, b->bytes, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || ((a->bytes[bits / 8] ^ b->bytes[bits / 8]) >> (8 - rest)) == 0;
}

int ip_parse(struct str text, struct ip *ip)
{
    char copy[IP_TEXT];

    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len) != NULL)
        return -1;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    memset(ip, 0, sizeof *ip);
    ip->family = strchr(copy, ':') != NULL ? 6 : 4;
    return inet_pton(ip->family == 6 ? AF_INET6 : AF_INET, copy, ip->bytes) == 1 ? 0 : -1;
}

void ip_format(const struct ip *ip, char out[IP_TEXT])
{
    char *at = out;

    if (ip->family == 6) {
        if (inet_ntop(AF_INET6, ip->bytes, out, IP_TEXT) == NULL)
            out[0] = '\0';
        return;
    }
    for (size_t i = 0; i < 4; i++) { /* as inet_ntop, which goes through printf, for each request */
        unsigned byte = ip->bytes[i];
        if (i > 0)
            *at++ = '.';
        if (byte >= 100)
            *at++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *at++ = (char)('0' + byte / 10 % 10);
        *at++ = (char)('0' + byte % 10);
    }
    *at = '\0';
}

struct ip ip_from_v4(const uint8_t bytes[4])
{
    struct ip ip = {.family = 4};

    memcpy(ip.bytes, bytes, 4);
    return ip;
}

enum ip_class ip_classify(const struct ip *ip)
{
    for (size_t i = 0; i < RANGE_COUNT; i++)
        if (same_prefix(&ranges[i].cidr.ip, ip, ranges[i].cidr.length))
            return ranges[i].class;
    return ip->family == 4 ? IP_PUBLIC : IP_FORBIDDEN;
}

int cidr_parse(struct str text, struct cidr *cidr)
{
    const char *slash = memchr(text.ptr != NULL ? text.ptr : "", '/', text.len);
    struct str address = {text.ptr, slash != NULL ? (size_t)(slash - text.ptr) : text.len};
    unsigned length = 0;

    if (ip_parse(address, &cidr->ip) != 0)
        return -1;
    if (slash != NULL) {
        size_t digits = text.len - address.len - 1;
        if (digits == 0 || digits > 3 || (slash[1] == '0' && digits > 1))
            return -1;
        for (size_t i = 0; i < digits; i++) {
            if (slash[1 + i] < '0' || slash[1 + i] > '9')
                return -1;
            length = length * 10 + (unsigned)(slash[1 + i] - '0');
        }
    } else {
        length = family_bits(&cidr->ip);
    }
    if (length > family_bits(&cidr->ip))
        return -1;
    for (unsigned bit = length; bit < family_bits(&cidr->ip); bit++)
        if (cidr->ip.bytes[bit / 8] & (0x80 >> bit % 8))
            return -1;
    cidr->length = (uint8_t)length;
    return 0;
}

bool cidr_contains(const struct cidr *cidr, const struct ip *ip)
{
    return same_prefix(&cidr->ip, ip, cidr->length);
}

bool cidr_is_private(const struct cidr *cidr)
{
    for (size_t i = 0; i < RANGE_COUNT; i++)
        if (ranges[i].class == IP_PRIVATE && cidr->length >= ranges[i].cidr.length &&
            same_prefix(&ranges[i].cidr.ip, &cidr->ip, ranges[i].cidr.length))
            return true;
    return false;
}
