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

/* Looks through `text`. What ends before `since` has been looked at in an earlier call, with what stands before it. `more`:
 * the text goes on, so that what ends exactly at its end is not judged yet. Hits are added to `hits`. */
void dlp_look(struct dlp_engine *engine, unsigned detectors, struct str text, size_t since, bool more,
              struct dlp_hits *hits);

#endif
