/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * writing: ways to write a secret down, made here from their descriptions and not with the scanner's decoders: for tests of
 * those.
 */
#ifndef TESTS_DLP_WRITING_H
#define TESTS_DLP_WRITING_H

#include <stddef.h>

#include "core/str.h"

enum writing {
    WRITE_RAW,
    WRITE_PERCENT,       /* every byte */
    WRITE_PERCENT_SOME,  /* every third byte */
    WRITE_PERCENT_TWICE, /* %2541 */
    WRITE_JSON,          /* \u0041, every byte */
    WRITE_JSON_SOME,     /* every fourth byte */
    WRITE_JSON_TWICE,    /* a JSON text in a JSON string */
    WRITE_BASE64,        /* places: bytes in front within a group, times digits in front of the first group */
    WRITE_BASE64URL,     /* the same places */
    WRITE_BASE64_LINES,  /* in lines of 76 digits */
    WRITE_BASE64_ESCAPED, /* the same with \n for the line's end */
    WRITE_BASE32,         /* places: bytes in front within a group */
    WRITE_BASE32_LOWER,
    WRITE_HEX,
    WRITE_HEX_UPPER,
    WRITE_UTF16LE,
    WRITE_UTF16BE,
    WRITE_UTF32LE,
    WRITE_BASE64_BASE64,
    WRITE_BASE64_UTF16,
    WRITE_BASE64_JSON,
    WRITE_BASE64_PERCENT,
    WRITE_PERCENT_BASE64,
    WRITE_JSON_BASE64,
    WRITE_HEX_BASE64,
    WRITE_BASE64_HEX,
    WRITE_BASE64_BASE64_BASE64,
    WRITINGS_OF_TOKENS,
    /* Of known secrets only: */
    WRITE_SPACED = WRITINGS_OF_TOKENS, /* a blank behind each byte */
    WRITE_DASHED,                      /* a dash behind every two */
    WRITE_UPPER,
    WRITE_ZERO_WIDTH, /* U+200B behind each byte */
    WRITE_FULL_WIDTH,
    WRITE_CYRILLIC, /* the letters that have a twin there */
    WRITINGS,
};

const char *writing_name(enum writing writing);

/* How many places there are to begin at, as write_as takes them: 1 for most. */
unsigned writing_places(enum writing writing);

/* Writes the secret to `out`; *start and *end are where in it the secret's own digits are (whole digits). Returns the bytes. */
size_t write_as(enum writing writing, unsigned place, struct str secret, char *out, size_t *start,
                size_t *end);

/* Single steps, each from `in` to `out`; they return the bytes. */
size_t write_percent(struct str in, size_t every, char *out);
size_t write_json(struct str in, size_t every, char *out);
size_t write_base64(struct str in, const char *last_two, char *out);
size_t write_base32(struct str in, const char *alphabet, char *out);
size_t write_hex(struct str in, const char *digits, char *out);

#endif
