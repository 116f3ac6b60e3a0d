/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tokens: the shapes of well-known credentials (detector token_patterns), and how a find of one is confirmed.
 *
 * An expression is in the subset that vectorscan compiles and PCRE2 reads alike: no look-around, no back-references,
 * bounded in length. It is the shortest evidence of the token, which may go on behind it (`tail`). A scanner
 * holds back `max_len` bytes (an expression that ends in \b looks at one byte more before it reports), finds the
 * start of what was reported by the same expression, asks dlp_token_holds, and then covers what dlp_token_goes_on says.
 *
 * The shapes were written from what each vendor publishes; the source stands above each group in tokens*.c. What
 * several services use alike (40 hexadecimal digits, a UUID) is no shape: it needs words around it to mean anything.
 */
#ifndef DLP_TOKENS_H
#define DLP_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

enum {
    DLP_TOKEN_CASELESS = 1, /* letters of the expression match both cases */
    DLP_TOKEN_OPAQUE = 2,   /* holds runs and words that would look like a placeholder's: only xxxx is one */
};

struct dlp_token {
    const char *name;       /* as audit lines, answers and stopper-manifest(5) call it */
    const char *expression; /* see above */
    unsigned flags;         /* DLP_TOKEN_* */
    uint16_t max_len;       /* the longest match in bytes */
    uint8_t skip;           /* bytes at the front of a match that are fixed words, not secret */
    const char *tail;       /* bytes that belong to the token behind a match, as in a bracket expression
                                      without the brackets ("A-Za-z0-9_-"); NULL when it ends where the match does */
    bool (*check)(struct str match); /* checksum or structure of a whole match; NULL when there is none */
    const char *positive;            /* a made-up one; the expression's match is at its front or inside it */
    const char *negative;            /* something like it that must not fire */
};

extern const struct dlp_token dlp_tokens[];
extern const size_t dlp_token_count;

/* Whether a match of the token's expression is one: not a documented example or placeholder, and its check, if it has
 * one, holds. `match` is one whole match; of the shorter and longer ones at the same place any will do. */
bool dlp_token_holds(const struct dlp_token *token, struct str match);

/* Whether this byte, right behind a match or behind bytes that went on, is still of the token. */
bool dlp_token_goes_on(const struct dlp_token *token, char byte);

#endif
