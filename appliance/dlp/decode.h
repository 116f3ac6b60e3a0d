/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * decode: the ways of writing text within text. Each is a function from bytes to bytes that never grows them, and that can
 * tell afterwards where in its input a byte of its output was written: so no map of positions is kept for what nobody asks.
 */
#ifndef DLP_DECODE_H
#define DLP_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"
#include "dlp/places.h"

enum dlp_code {
    DLP_PERCENT, /* %41 (RFC 3986) */
    DLP_JSON,    /* \n \u0041 \/ (RFC 8259), and \x41 of programming languages */
    DLP_BASE64, /* RFC 4648, both alphabets; over line ends, escaped ones too; `phase` digits stand before the first group */
    DLP_BASE32, /* RFC 4648, either case; `phase` the same */
    DLP_HEX,    /* either case; `phase` the same */
    DLP_NULS,   /* NULs taken out: UTF-16 and UTF-32 of ASCII, either order */
    DLP_ALNUM, /* letters and digits alone, folded to lower case; of what looks like them, too (NFKC, confusables) */
};

/* Decodes `in` into `out`, which has room for in.len bytes and three more. Returns the bytes made. */
size_t dlp_decode(enum dlp_code code, unsigned phase, struct str in, char *out);

/* The same for DLP_JSON, with places of both (room: DLP_PLACES_ROOM(in.len)); no place is within an escape. */
size_t dlp_unescape(struct str in, char *out, struct dlp_places *places);

/* Where in `in` the byte `at` of the output begins to be written, and where the writing of the bytes before `at` has ended. */
size_t dlp_decode_start(enum dlp_code code, unsigned phase, struct str in, size_t at);
size_t dlp_decode_end(enum dlp_code code, unsigned phase, struct str in, size_t at);

/* The letter or digit (folded) that a character of UTF-8 at the front of `in` looks like or stands for; 0 when it is none
 * and only parts others. *used: its bytes, at least 1. */
char dlp_look_alike(struct str in, size_t *used);

/* The value of a hexadecimal digit, of either case; -1: it is none. */
int dlp_hex_digit(char c);

/* Whether a piece of UTF-8 has such a character, or one that nobody sees, in it. It may begin and (unless it is `whole`) end
 * in the middle of one. What is no UTF-8 has none. */
bool dlp_has_alikes(struct str piece, bool whole);

#endif
