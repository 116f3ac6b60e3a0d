/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * query: the first thing that meets an agent's bytes, and on the path of a cache hit the only parser. It
 * reads through one bounded cursor, follows no compression pointer, loops over at most 255 bytes of name, and
 * never allocates. It must never accept what another parser could read differently: every byte of the message
 * has to be accounted for.
 */
#include "dns/query.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

struct cursor {
    const uint8_t *at;
    size_t left;
};

/* The only way to a byte: NULL when fewer than len are left. */
static const uint8_t *take(struct cursor *cursor, size_t len)
{
    if (cursor->left < len)
        return NULL;
    const uint8_t *bytes = cursor->at;
    cursor->at += len;
    cursor->left -= len;
    return bytes;
}

/* For each byte its lower-case form when host names may hold it, else 0. A dot inside a label is no host
 * byte. */
static const char host_byte[256] = {
    ['-'] = '-', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',
    ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l',
    ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't',
    ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b',
    ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

/* Reads the uncompressed name into query->question and query->host. Returns 0 or -1. */
static int read_name(struct cursor *cursor, struct query *query)
{
    size_t wire = 0, text = 0;
    bool plain = true;
    for (;;) {
        const uint8_t *length = take(cursor, 1);
        /* Two high bits set are a pointer or a label type that nobody defined (RFC 1035 section 4.1.4). */
        if (!length || *length > LDNS_MAX_LABELLEN)
            return -1;
        const uint8_t *label = take(cursor, *length);
        if (!label || wire + 1 + *length + (*length ? 1 : 0) > QUERY_NAME_MAX)
            return -1;
        query->question[wire++] = *length;
        if (*length == 0)
            break;
        memcpy(query->question + wire, label, *length);
        wire += *length;
        if (text)
            query->host[text++] = '.';
        for (size_t i = 0; i < *length; i++) {
            char c = host_byte[label[i]];
            plain &= c != 0;
            query->host[text++] = c;
        }
    }
    query->host[plain ? text : 0] = '\0';
    query->question_len = (uint16_t)wire;
    return 0;
}

/* The one record that may follow: OPT, RFC 6891 section 6.1.2. Its options are walked and forgotten. */
static enum query_verdict read_opt(struct cursor *cursor, struct query *query)
{
    const uint8_t *fixed = take(cursor, 11);
    if (!fixed || fixed[0] != 0 || ldns_read_uint16(fixed + 1) != TYPE_OPT)
        return QUERY_FORMERR;
    uint16_t size = ldns_read_uint16(fixed + 3);
    struct cursor options = {NULL, ldns_read_uint16(fixed + 9)};
    options.at = take(cursor, options.left);
    if (!options.at || cursor->left)
        return QUERY_FORMERR;
    while (options.left) {
        const uint8_t *option = take(&options, 4);
        if (!option || !take(&options, ldns_read_uint16(option + 2)))
            return QUERY_FORMERR;
    }
    query->edns = true;
    query->udp_size = size < QUERY_UDP_PLAIN ? QUERY_UDP_PLAIN : size > QUERY_UDP_MAX ? QUERY_UDP_MAX : size;
    return fixed[6] == 0 ? QUERY_OK : QUERY_BADVERS;
}

enum query_verdict query_parse(const uint8_t *wire, size_t len, struct query *query)
{
    struct cursor cursor = {wire, len};
    const uint8_t *header = take(&cursor, QUERY_HEADER);
    if (!header || LDNS_QR_WIRE(header))
        return QUERY_SILENCE;
    query->id = LDNS_ID_WIRE(header);
    query->flags_high = header[2] & (LDNS_OPCODE_MASK | LDNS_RD_MASK);
    query->checking_disabled = LDNS_CD_WIRE(header);
    query->edns = false;
    query->udp_size = QUERY_UDP_PLAIN;
    if (len > QUERY_MAX)
        return QUERY_FORMERR;
    if (LDNS_OPCODE_WIRE(header) != LDNS_PACKET_QUERY)
        return QUERY_NOTIMP;
    if (LDNS_TC_WIRE(header) || LDNS_QDCOUNT(header) != 1 || LDNS_ANCOUNT(header) || LDNS_NSCOUNT(header) ||
        LDNS_ARCOUNT(header) > 1)
        return QUERY_FORMERR;
    if (read_name(&cursor, query))
        return QUERY_FORMERR;
    const uint8_t *kind = take(&cursor, 4);
    if (!kind)
        return QUERY_FORMERR;
    memcpy(query->question + query->question_len, kind, 4);
    query->question_len += 4;
    query->type = ldns_read_uint16(kind);
    query->class = ldns_read_uint16(kind + 2);
    if (LDNS_ARCOUNT(header))
        return read_opt(&cursor, query);
    return cursor.left ? QUERY_FORMERR : QUERY_OK;
}

size_t query_name_text(const struct query *query, char out[QUERY_TEXT_MAX])
{
    size_t len = 0;
    const uint8_t *at = query->question;
    while (*at) {
        if (len)
            out[len++] = '.';
        for (uint8_t left = *at++; left; left--, at++) {
            if (host_byte[*at])
                out[len++] = (char)*at;
            else if (*at > ' ' && *at < 0x7f)
                len += (size_t)snprintf(out + len, QUERY_TEXT_MAX - len,
                                        strchr(".\\\"();@$", *at) ? "\\%c" : "%c", *at);
            else
                len += (size_t)snprintf(out + len, QUERY_TEXT_MAX - len, "\\%03u", *at);
        }
    }
    if (!len)
        out[len++] = '.';
    out[len] = '\0';
    return len;
}

void query_type_text(uint16_t type, char out[QUERY_TYPE_TEXT])
{
    static const struct {
        uint16_t type;
        const char *name;
    } missing[] = {{TYPE_SVCB, "SVCB"}, {TYPE_HTTPS, "HTTPS"}, {LDNS_RR_TYPE_ANY, "ANY"}}; /* in ldns */
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (missing[i].type == type) {
            snprintf(out, QUERY_TYPE_TEXT, "%s", missing[i].name);
            return;
        }
    const ldns_rr_descriptor *known = type ? ldns_rr_descript(type) : NULL;
    if (known && known->_name && known->_type == (ldns_rr_type)type)
        snprintf(out, QUERY_TYPE_TEXT, "%s", known->_name);
    else
        snprintf(out, QUERY_TYPE_TEXT, "TYPE%u", type);
}
