/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dns_wire: small messages for the tests of dns/. Names are given as on the wire, so that they can be wrong.
 */
#ifndef TESTS_UNIT_DNS_WIRE_H
#define TESTS_UNIT_DNS_WIRE_H

#include <stdint.h>
#include <string.h>

#include "core/str.h"

struct wire {
    size_t len;
    uint8_t bytes[2048];
};

/* The bytes of a literal, embedded NULs included. */
#define LITERAL(text) ((struct str){text, sizeof(text) - 1})

static inline void wire_add(struct wire *wire, struct str bytes)
{
    memcpy(wire->bytes + wire->len, bytes.ptr, bytes.len);
    wire->len += bytes.len;
}

static inline void wire_add16(struct wire *wire, unsigned value)
{
    wire->bytes[wire->len++] = (uint8_t)(value >> 8);
    wire->bytes[wire->len++] = (uint8_t)value;
}

/* Header (id 0x1234) and the counts of questions, answers, authority and additional records. */
static inline struct wire wire_header(unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar)
{
    struct wire wire = {0};

    wire_add16(&wire, 0x1234);
    wire_add16(&wire, flags);
    wire_add16(&wire, qd);
    wire_add16(&wire, an);
    wire_add16(&wire, ns);
    wire_add16(&wire, ar);
    return wire;
}

static inline void wire_question(struct wire *wire, struct str name, unsigned type, unsigned class)
{
    wire_add(wire, name);
    wire_add16(wire, type);
    wire_add16(wire, class);
}

static inline void wire_record(struct wire *wire, struct str owner, unsigned type, uint32_t ttl,
                               struct str data)
{
    wire_question(wire, owner, type, 1);
    wire_add16(wire, ttl >> 16);
    wire_add16(wire, ttl & 0xffff);
    wire_add16(wire, (unsigned)data.len);
    wire_add(wire, data);
}

#endif
