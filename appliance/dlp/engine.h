/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine: what scanning needs of memory, for one message at a time. Private to the layer. */
#ifndef DLP_ENGINE_H
#define DLP_ENGINE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs/hs_runtime.h>
#include <pcre2.h>

#include "dlp/layout.h"
#include "dlp/look.h"
#include "dlp/places.h"
#include "dlp/scan.h"

#define DLP_DEPTH 3 /* texts within texts within the text */
#define DLP_JOINED_MAX                                                                                       \
    196608 /* bytes of a head that are looked at in one go: HEAD_MAX and what is put between */

/* Where the values of folded digits lie in the text: pieces of it without what folds it. */
#define DLP_FOLDS_MAX 4096
struct dlp_folds {
    size_t count;
    struct dlp_fold {
        size_t value, text;
    } all[DLP_FOLDS_MAX];
};

/* Words that may be tokens, put together with a line end between them. */
#define DLP_WORDS_MAX  256
#define DLP_WORDS_SIZE 12288 /* bytes of all */
struct dlp_words {
    size_t count, len;
    struct dlp_word {
        size_t start;     /* in the view's text */
        uint32_t at, len; /* here */
        bool found;
    } all[DLP_WORDS_MAX];
    char text[DLP_WORDS_SIZE];
};

/* Heads in which nothing was: clients send the same one again and again. Byte for byte, with where each field ends. */
#define DLP_CLEAN_HEADS 8
#define DLP_CLEAN_MAX   2048 /* bytes of one */
struct dlp_clean {
    unsigned detectors;
    size_t len; /* 0 = none */
    char bytes[DLP_CLEAN_MAX];
};

/* What of a reading belongs to what (inbound.c): its text without escapes to the text, its plain form to that, and the plain form of
 * a part as it is written. */
enum dlp_places_of { DLP_PLACES_ESCAPES, DLP_PLACES_PLAIN, DLP_PLACES_WRITTEN, DLP_PLACES };

struct dlp_engine {
    unsigned references;
    struct dlp_rules *rules;
    hs_scratch_t *scratch;
    pcre2_code **expressions; /* of tokens, then phrases; compiled when one is first reported */
    pcre2_match_data *match;
    pcre2_match_context *limits;
    struct dlp_printer *printer;    /* NULL: there are no keys to look for */
    char *texts[DLP_DEPTH + 1];     /* decoded, one for each depth, and for probe.h */
    uint8_t *values[DLP_DEPTH + 1]; /* of base64 digits, the same */
    char *found;                    /* digits with a find in them, decoded */
    struct dlp_folds *folds[DLP_DEPTH];
    struct dlp_words *words[DLP_DEPTH + 1];
    char *plain;     /* what is inbound, as a reader takes it in */
    uint64_t *spots; /* parts of that which are looked at */
    struct dlp_places places[DLP_PLACES];
    char *letters; /* texts of letters and digits alone */
    char *joined;  /* heads, and the ends of messages with the beginnings of others */
    struct dlp_hits *hits;
    struct dlp_clean clean[DLP_CLEAN_HEADS + 1]; /* and behind them the one that is being looked at */
    unsigned next_clean;
    size_t room; /* bytes of each of these */
};

/* Room for texts of this many bytes in all buffers. Returns 0, or -1 when memory is out. */
int dlp_engine_room(struct dlp_engine *engine, size_t len);

/* The expression of a token or phrase, for finding where a match begins. NULL when memory is out. */
const pcre2_code *dlp_expression(struct dlp_engine *engine, uint32_t rule);

#endif
