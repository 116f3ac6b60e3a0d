/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * probe: the look through a view for pieces of the gate's keys (prints.h): windows are gathered, since many are as quick as a few, and
 * what is found is followed to both of its ends. Private to the layer.
 */
#ifndef DLP_PROBE_H
#define DLP_PROBE_H

#include "dlp/print.h"
#include "dlp/view.h"

/* Where a window is from: bytes of the text, or digits of a piece of it, which is decoded again when there is a find in it. */
struct dlp_probe_place {
    size_t at, len; /* len 0: bytes */
    enum dlp_code code;
};

struct dlp_probes {
    const struct dlp_view *view; /* whose text they are of, until dlp_probes_end */
    size_t side;                 /* bytes on both sides of a find that go with it */
    size_t next;                 /* the first byte that was not asked about yet */
    size_t done;                 /* where the last find among bytes ended */
    size_t decoded;              /* where the last piece with a find in its digits began, and one */
    size_t count;
    struct dlp_probe_place places[DLP_PRINT_BATCH];
    _Alignas(16) uint8_t windows[DLP_PRINT_BATCH * DLP_PRINT_WINDOW];
};

/* Whether the detectors and the database of a view have any keys to look for. */
bool dlp_probes_wanted(const struct dlp_view *view);

/* `from`: the first byte that will be asked about. */
void dlp_probes_begin(struct dlp_probes *probes, const struct dlp_view *view, size_t from);
void dlp_probes_end(struct dlp_probes *probes);

/* Every eighth byte before `end` where there is more than ASCII, or may be. `from` is a multiple of eight away from where they began, and
 * not before the end of the last one; what is between is ASCII, but for windows that end in it. */
void dlp_probes_bytes(struct dlp_probes *probes, size_t from, size_t end);

/* The digits in a piece of the text that is nothing else (DLP_BASE32, DLP_HEX). */
void dlp_probes_digits(struct dlp_probes *probes, enum dlp_code code, struct str digits);

/* Base64 in a word; and in lines, of which these are the values, as view.h's folds have them. */
void dlp_probes_word(struct dlp_probes *probes, size_t start, size_t end);
void dlp_probes_lines(struct dlp_probes *probes, const uint8_t *values, size_t count,
                      const struct dlp_folds *folds, size_t start);

#endif
