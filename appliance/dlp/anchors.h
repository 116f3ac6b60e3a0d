/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * anchors: tokens of several words have a word that they cannot be without ("key", "://"), and something near it that
 * ordinary text has not: only around such a place they are searched. Private to the layer.
 */
#ifndef DLP_ANCHORS_H
#define DLP_ANCHORS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"

/* The literals, for the tables of sketch.h. Those of one group are told apart by dlp_anchor. */
struct dlp_anchor_literal {
    unsigned group;   /* 0 to 7 */
    const char *text; /* three bytes or four; letters match in either case where `caseless` */
    bool caseless;
};
extern const struct dlp_anchor_literal dlp_anchor_literals[];
extern const size_t dlp_anchor_literal_count;

/* Whether a literal stands here and what must be near it is there. Then a token around it lies within `before` bytes in front of
 * it, and `behind` from it on. */
bool dlp_anchor(struct str text, size_t at, size_t *before, size_t *behind);

/* Whether every match of the token of this name has such a place. Others are searched everywhere. */
bool dlp_anchored(const char *token);
extern const size_t dlp_anchored_count;

#endif
