/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sketch: where in a text something could be at all, 256 bytes at a time: one pass, which is the only look that most bytes of
 * a stream get. Long runs are told by lanes: a run of n bytes, wherever it begins, holds (n - 3) / 4 whole aligned lanes of four
 * in a row. Private to the layer.
 */
#ifndef DLP_SKETCH_H
#define DLP_SKETCH_H

#include <stddef.h>
#include <stdint.h>

#include "dlp/classes.h"

#define DLP_CHUNK        256 /* bytes of a sketch */
#define DLP_CHUNK_BEHIND 3   /* bytes behind them that are read too */
#define DLP_LANE         4

struct dlp_sketch {
    /* A bit for each lane. */
    uint64_t core, word; /* all of it is dlp_is_core, dlp_is_word */
    uint64_t visible;    /* ASCII but blanks and controls: what known secrets are made of */
    uint64_t ascii
        [4]; /* the four digits of base64 can be ASCII's: for each phase, where a group of three bytes begins */
    /* A bit for each byte, of each block. */
    struct dlp_bytes {
        uint64_t alnum; /* A-Z a-z 0-9 */
        uint64_t plain; /* ASCII but the controls below TAB */
        uint64_t anchor, percent, nul, high;
        uint64_t escape; /* \ in front of " \ / u x; at the block's end in front of anything */
        uint64_t lead;   /* 0xc0 and up */
    } blocks[DLP_CHUNK / DLP_BLOCK];
};

/* The same of one chunk, a bit for each byte: asked for where there is a long word. */
struct dlp_runs {
    uint64_t word[DLP_CHUNK / DLP_BLOCK], core[DLP_CHUNK / DLP_BLOCK];
};
void dlp_sketch_runs(const char *text, struct dlp_runs *out);

/* Of `chunks` whole chunks. */
void dlp_sketch(const char *text, size_t chunks, struct dlp_sketch *out);

/* Where the word (dlp_is_word) ends that `at` is in; *other: it has more than standard base64 from there on (else as it was). */
size_t dlp_word_end(const char *text, size_t len, size_t at, bool *other);

/* The tables that all forms read, made once. */
#define DLP_NO_CORE    1
#define DLP_NO_WORD    2
#define DLP_NO_ALNUM   4
#define DLP_OTHER      8 /* of a word, and not of standard base64 */
#define DLP_ESCAPED    16
#define DLP_NO_VISIBLE 64
#define DLP_OF_VALUE   32 /* of what generated passwords are made of */
#define DLP_ANCHOR     4  /* bytes that are compared; of eight groups of literals a bit each */
struct dlp_tables {
    bool ready;
    uint8_t kinds[256], values[256];
    char letters[128];                /* letters and digits, folded; 0 for all others */
    uint8_t anchors[DLP_ANCHOR][256]; /* by the byte */
    uint8_t escaped_low[16], escaped_high[16];
    uint8_t anchor_low[DLP_ANCHOR][16],
        anchor_high[DLP_ANCHOR][16]; /* by its halves: the groups of both are not fewer */
};
extern struct dlp_tables dlp_tables;

/* The forms, for classes.c to choose from. */
void dlp_sketch_prepare(void);
void dlp_runs_plain(const char *text, struct dlp_runs *out);
void dlp_sketch_plain(const char *text, size_t chunks, struct dlp_sketch *out);
size_t dlp_word_end_plain(const char *text, size_t len, size_t at, bool *other);
#if defined __x86_64__
void dlp_runs_256(const char *text, struct dlp_runs *out);
void dlp_sketch_256(const char *text, size_t chunks, struct dlp_sketch *out);
void dlp_sketch_512(const char *text, size_t chunks, struct dlp_sketch *out);
size_t dlp_word_end_256(const char *text, size_t len, size_t at, bool *other);
#elif defined __aarch64__
void dlp_runs_neon(const char *text, struct dlp_runs *out);
void dlp_sketch_neon(const char *text, size_t chunks, struct dlp_sketch *out);
#endif

#endif
