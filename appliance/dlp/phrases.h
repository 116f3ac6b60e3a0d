/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * phrases: what a response says when it speaks to the agent instead of about its subject (detector
 * naive_injection_detection): orders to forget what it was told, forged roles and tool calls, requests to hand
 * secrets out or to keep quiet, text that a human reader is not meant to see.
 *
 * Expressions are matched against what dlp_plain makes of the response: lower-case ASCII, blanks collapsed to one
 * (a line's end stays one, so \s stands between words), look-alikes and entities resolved. Each is evidence of some
 * weight. What is named in quotation marks, as pages about the subject do, is none. A response is refused when the
 * evidence that stands near together weighs DLP_PHRASE_FIRES.
 *
 * It is naive: it knows the wordings that are seen, mostly in English, and whoever writes another one passes.
 */
#ifndef DLP_PHRASES_H
#define DLP_PHRASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DLP_PHRASE_FIRES 3    /* the weight that is enough */
#define DLP_PHRASE_NEAR  4096 /* bytes of the response within which weights add up */
#define DLP_PHRASES_MAX  48   /* rows of the table, at most */
#define DLP_PHRASE_KEPT  1024 /* bytes of plain text that are read once more: the longest match, and more */

struct dlp_phrase {
    const char *name;       /* as audit lines and stopper-manifest(5) call it */
    const char *expression; /* on the plain text, which has no capital letters */
    uint16_t max_len;       /* the longest match in bytes of the plain text */
    uint8_t weight;         /* 1 to DLP_PHRASE_FIRES: alone enough */
    const char *
        anchors; /* expressions of letters and \\s, with '|' between: each match has one of them in it, also where an
                               escape of JSON takes its beginning away (tests/unit/test_phrase_anchors.c) */
    /* Of an expression of which vectorscan loses matches (tests/unit/test_vectorscan.c): its last part, which it finds; PCRE2 says
     * then whether the whole ends there. Otherwise NULL. */
    const char *end;
    const char *positive; /* as a response would write it */
    const char *negative; /* something like it that is not meant */
};

extern const struct dlp_phrase dlp_phrases[];
extern const size_t dlp_phrase_count;

/* What was seen of each phrase. All zero at first. */
struct dlp_phrase_score {
    uint64_t seen[DLP_PHRASES_MAX]; /* 1 + the offset where it last was; 0: nowhere */
};

/* Phrase `index` matched at this offset of the response; offsets may come in any order. Whether all that was seen within
 * DLP_PHRASE_NEAR of it, each phrase once, weighs enough. */
bool dlp_phrase_seen(struct dlp_phrase_score *score, size_t index, uint64_t offset);

#endif
