/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * look: searches one text that lies in memory as a whole, and all that is written in it in other ways, for everything that
 * the detectors know. Private to the layer: scan.h is what others call.
 */
#ifndef DLP_LOOK_H
#define DLP_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"
#include "dlp/scan.h"

#define DLP_HITS_MAX 256 /* in one text, before equal ones are put together */

struct dlp_hit {
    uint32_t rule;
    unsigned detector;
    size_t start, end; /* of the text that was given, however deep it was found */
    size_t begin;      /* where the match begins: before start are fixed words, which are not secret */
};

struct dlp_hits {
    size_t count;
    bool flood;  /* there was more than fits */
    bool failed; /* the search failed, or memory is out */
    struct dlp_hit hits[DLP_HITS_MAX];
};

/* What an earlier call has looked at. */
struct dlp_looked {
    size_t since; /* what ends before has been looked at, with what stands before it */
    size_t open; /* what may go on behind `since` begins here: what the earlier call returned, of this text */
};

/* Looks through `text`. `more`: the text goes on, so that what ends exactly at its end is not judged yet. Hits are added to `hits`.
 * Returns where everything begins that may go on behind the text's end, DLP_HOLD bytes before it at most. */
size_t dlp_look(struct dlp_engine *engine, unsigned detectors, struct str text, struct dlp_looked looked,
                bool more, struct dlp_hits *hits);

#endif
