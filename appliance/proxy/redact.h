/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * redact: finds a value in what an upstream sends back, however it is written there, and covers it with '*',
 * byte for byte, so that lengths and framing stay right. Known ways to write it, also mixed byte by byte: as
 * it is, percent-encoded (RFC 3986, either case), as a JSON string (RFC 8259: "\/", "\u0041"); and all that
 * in base64 (RFC 4648, both alphabets, at each of the three places in a group where the value can begin). The
 * one or two base64 digits at each end that it shares with its neighbours stay: they hold at most 4 bits of
 * it.
 *
 * Built for speed on what does not hold the value: most bytes of it are not looked at.
 */
#ifndef PROXY_REDACT_H
#define PROXY_REDACT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

struct redactor;

/* For one value, of at least SECRET_MIN bytes of visible ASCII. Lies in secret memory. NULL when there is
 * none. */
struct redactor *redactor_new(struct str value);
void redactor_free(struct redactor *redactor); /* NULL is fine */

/* Covers the value in a text that is whole. Returns how often it was there. */
unsigned redactor_mask(const struct redactor *redactor, char *text, size_t len);

/* A stream: what may be the beginning of the value waits for the bytes that tell, and nothing else waits. */
struct redact {
    const struct redactor *redactor;
    uint64_t found;
    /* private */
    struct buf held; /* as they came: what has been given out, then what waits */
    size_t given;    /* of them: given out by the last call */
    size_t covered;  /* of those that wait: the first ones belong to a value that was found */
};

void redact_init(struct redact *redact, const struct redactor *redactor);
void redact_fini(struct redact *redact); /* an empty one is fine */

/* The next bytes, which may be changed in place; `last`: no more come. *out is what may go on (perhaps
 * nothing), valid until the next call and as long as bytes. Returns 0, or -1 when memory is out. */
int redact_next(struct redact *redact, char *bytes, size_t len, bool last, struct str *out);

#endif
