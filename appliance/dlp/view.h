/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * view: one text that is looked through, and where it comes from: the message itself, or a piece of another view decoded.
 * Private to the layer; the parts of look.h hand it to each other.
 */
#ifndef DLP_VIEW_H
#define DLP_VIEW_H

#include "dlp/decode.h"
#include "dlp/engine.h"
#include "dlp/look.h"

struct dlp_span {
    size_t start, end;
};

struct dlp_view {
    struct dlp_engine *engine;
    struct dlp_hits *hits;
    unsigned detectors;
    struct str text;
    size_t since, open; /* see dlp_look; 0 for what is decoded */
    bool more;
    struct dlp_probes *probes; /* for pieces of keys; NULL: none are looked for */
    /* Of what is decoded: */
    const struct dlp_view *up; /* NULL: this is the text that was given */
    struct str from;           /* the piece of up's text */
    enum dlp_code code;
    unsigned phase;
    unsigned depth; /* 0: the text that was given */
};

/* Looks through the view. Returns where the next look has to begin, if the text goes on. */
size_t dlp_view_look(const struct dlp_view *view);

/* Notes a find. All places are of this view's text; it begins `words` bytes before start, with what is not secret. */
void dlp_view_hit(const struct dlp_view *view, uint32_t rule, unsigned detector, size_t start, size_t end,
                  size_t words);

/* Decodes a piece of the view's text, and looks through what comes out: for everything, or (`plain`) without asking what
 * else could be written in it than escapes. Does nothing below the last depth. `promising`: only when it looks like text. */
enum dlp_effort { DLP_THOROUGH, DLP_PROMISING, DLP_PLAIN };
void dlp_view_into(const struct dlp_view *view, enum dlp_code code, unsigned phase, struct str from,
                   enum dlp_effort effort);

/* The letters and digits of a piece, searched for known secrets. */
void dlp_view_letters(const struct dlp_view *view, struct str from);

/* Words that may be tokens, shown to vectorscan together. `other`: it is known to have more than standard base64; `from`: of what
 * is before that is not known. */
void dlp_view_word(const struct dlp_view *view, struct dlp_span word, bool other, size_t from);
void dlp_view_words_end(const struct dlp_view *view);

/* Shows a piece (start to end of the view's text) to one of vectorscan's databases, and confirms what is reported. */
void dlp_view_match(const struct dlp_view *view, enum dlp_base base, size_t start, size_t end);

/* Looks for base32 and hexadecimal digits in a piece that has long words, and into what they say. */
void dlp_view_digits(const struct dlp_view *view, size_t start, size_t end);

/* Looks into base64 around this byte, which is in the last of three lanes (sketch.h, from `origin` on) that may be ASCII at this
 * phase. *done: where the last one ended. */
void dlp_view_base64(const struct dlp_view *view, size_t origin, unsigned phase, size_t at, size_t *done);

/* The same in lines that follow each other, wherever it is in them. */
void dlp_view_lines(const struct dlp_view *view, size_t start, size_t end);

/* Where in the text the digit with this value is; folds NULL: `start` bytes on. */
size_t dlp_fold_place(const struct dlp_folds *folds, size_t start, size_t value);

/* Runs of bits, over blocks. */
struct dlp_run {
    bool open;
    size_t start;
    uint64_t before; /* the block before, unless a run is open: a run may begin at its end */
};

#define DLP_RUN_MIN 15 /* bits of the shortest that are told */

/* The runs of at least DLP_RUN_MIN set bits that end in this block, whose first bit stands for `base`: at most five.
 * Returns their number. */
size_t dlp_run_blocks(struct dlp_run *run, uint64_t mask, size_t base, struct dlp_span ended[5]);

/* Whether a block ends a run or belongs to one: such a run is whole within it, or takes a byte of it at one of its ends, or had
 * taken one of the block before. */
static inline bool dlp_run_stirs(const struct dlp_run *run, uint64_t mask)
{
    uint64_t all = mask & mask >> 1;

    all &= all >> 2;
    all &= all >> 4; /* eight in a row */
    return run->open || ((all & all >> 7) | (all & 1) | (all >> 56 & 1)) != 0;
}

/* The same, quickly where there is nothing. */
static inline size_t dlp_run_next(struct dlp_run *run, uint64_t mask, size_t base, struct dlp_span ended[5])
{
    if (!dlp_run_stirs(run, mask)) {
        run->before = mask;
        return 0;
    }
    if (mask == UINT64_MAX && run->open)
        return 0;
    return dlp_run_blocks(run, mask, base, ended);
}

/* The one that is open at the end. Returns 0 or 1. */
size_t dlp_run_last(struct dlp_run *run, size_t end, struct dlp_span ended[5]);

#endif
