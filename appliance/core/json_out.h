/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json_out: writes one JSON object into a buffer of fixed size (RFC 8259). Whatever bytes a string holds, the
 * output is valid JSON of printable ASCII: control characters, DEL and everything above 0x7e are escaped
 * (valid UTF-8 as \uXXXX, other bytes as U+FFFD), so nothing that an agent chose can break a line or drive a
 * terminal.
 */
#ifndef CORE_JSON_OUT_H
#define CORE_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct json_out {
    char *buf;
    size_t size, len;
    bool comma;    /* the next member needs a comma in front */
    bool overflow; /* something did not fit: the result is unusable */
};

/* Starts an object. The buffer stays the caller's. */
void json_out_begin(struct json_out *out, char *buf, size_t size);

/* Members. Keys are our own literals and are written as they are. A string longer than `max` escaped bytes is
 * cut at a character and ends in "…" (\u2026). */
void json_out_str(struct json_out *out, const char *key, struct str value, size_t max);
void json_out_u64(struct json_out *out, const char *key, uint64_t value);
void json_out_bool(struct json_out *out, const char *key, bool value);

/* A member that is an object: what is written between the two is its members. */
void json_out_open(struct json_out *out, const char *key);
void json_out_close(struct json_out *out);

/* Ends the object and NUL-terminates. Returns its length in bytes, or -1 when it did not fit. */
int json_out_end(struct json_out *out);

#endif
