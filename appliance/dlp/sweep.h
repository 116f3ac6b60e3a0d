/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sweep: what one sweep over a text knows on its way (look.c), and its parts: words (sweep_words.c), and regions around what
 * is written in other ways (sweep_regions.c). Private to the layer.
 */
#ifndef DLP_SWEEP_H
#define DLP_SWEEP_H

#include "dlp/probe.h"
#include "dlp/sketch.h"
#include "dlp/view.h"

#define DLP_FOLD_MAX 8 /* bytes between a line of base64 and the next */
#define DLP_ALIKE_SIDE                                                                                       \
    64 /* bytes around letters that look like others: a piece of a secret has some of them in it */
#define DLP_QUOTE_SIDE                                                                                       \
    384 /* bytes around an escape: what a token of several words has between two of them, twice */
#define DLP_UTF16_SIDE 4 /* bytes of the widest letter of what has NULs in it */

/* Pieces of the text that grow until the next one is too far away. */
struct dlp_region {
    bool open;
    size_t start, end;
};

/* What is written with escapes or percent signs: the words around them, which are looked into for everything, and all that is
 * near them, which is searched for known secrets and for tokens of several words. */
struct dlp_written {
    struct dlp_region words, all;
    bool worth; /* something is in it that can hide, or be hidden */
};

struct dlp_sweep {
    const struct dlp_view *view;
    size_t margin, seen, origin;
    size_t
        piece; /* bytes of the shortest piece of a known secret that is looked for where text is visible; 0: none is */
    uint64_t visible; /* lanes of the last chunk that was looked at for them */
    size_t known;     /* where the look for them goes on */
    size_t
        letters; /* of the shortest piece of a known secret that is looked for among those that stand apart, or look like others */
    struct {
        uint64_t core, word, ascii[4]; /* of the last chunk */
        uint64_t apart;                /* of the last block */
    } before;
    size_t floor;                  /* no word is taken to begin before */
    size_t word_start, word_end;   /* the last long word */
    size_t done[4];                /* base64 that was looked into, for each phase */
    size_t apart_start, apart_end; /* the last stretch of letters that stand apart */
    size_t anchor;                 /* behind the last one; 0: none yet */
    struct dlp_region text;        /* around anchors */
    struct dlp_region lines;       /* lines of digits that follow each other */
    struct dlp_written percent, escape;
    struct dlp_region nuls, high;
};

static inline struct str dlp_sweep_slice(const struct dlp_sweep *sweep, size_t start, size_t end,
                                         size_t margin)
{
    struct str text = sweep->view->text;
    size_t from = start > margin ? start - margin : 0,
           to = end < text.len - margin && margin < text.len ? end + margin : text.len;

    return (struct str){text.ptr + from, to - from};
}

/* The run of set bits of a chunk that goes through `at`, of the chunk. */
static inline struct dlp_span dlp_stretch_of(const uint64_t masks[DLP_CHUNK / DLP_BLOCK], size_t at)
{
    size_t first = at / DLP_BLOCK, last = first;
    uint64_t bit = 1ull << at % DLP_BLOCK, below = ~masks[first] & (bit - 1),
             above = ~masks[last] & ~(bit - 1);

    while (below == 0 && first > 0)
        below = ~masks[--first];
    while (above == 0 && last < DLP_CHUNK / DLP_BLOCK - 1)
        above = ~masks[++last];
    return (struct dlp_span){below != 0 ? DLP_BLOCK * (first + 1) - (size_t)__builtin_clzll(below) : 0,
                             above != 0 ? DLP_BLOCK * last + (size_t)__builtin_ctzll(above) : DLP_CHUNK};
}

/* Lanes or bytes as bits, and where in the text their first is. */
void dlp_sweep_words(struct dlp_sweep *sweep, const char *bytes, uint64_t lanes,
                     size_t base); /* `bytes`: the chunk */
void dlp_sweep_anchors(struct dlp_sweep *sweep, uint64_t mask, size_t base);
void dlp_sweep_percents(struct dlp_sweep *sweep, uint64_t mask, size_t base);
void dlp_sweep_escapes(struct dlp_sweep *sweep, uint64_t mask, size_t base);

/* A block that has letters of UTF-16 or UTF-32, and one that may have characters of UTF-8. */
void dlp_sweep_nuls(struct dlp_sweep *sweep, size_t base);
void dlp_sweep_highs(struct dlp_sweep *sweep, size_t base);

/* Where the words begin that a sweep from `origin` on may meet: its floor. */
size_t dlp_sweep_floor(const struct dlp_view *view, size_t origin);

/* From where the last long word has to be looked at again if it goes on, `kept` at the latest. */
size_t dlp_sweep_word_open(const struct dlp_sweep *sweep, size_t kept);

/* What is open is looked into. */
void dlp_sweep_lines_end(struct dlp_sweep *sweep);
void dlp_sweep_regions_end(struct dlp_sweep *sweep);

#endif
