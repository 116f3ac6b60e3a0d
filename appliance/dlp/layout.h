/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * layout: how the database of rules.h lies in its memfd. All offsets are from its beginning; vectorscan's databases lie at
 * whole pages, where they can be used as they are.
 */
#ifndef DLP_LAYOUT_H
#define DLP_LAYOUT_H

#include <hs/hs_common.h>

#include "dlp/known.h"
#include "dlp/prints.h"
#include "dlp/rules.h"

#define DLP_MAGIC "stopdlp3"
#define DLP_BASE_MAGIC                                                                                       \
    "stopbas3" /* of a base (dlpc/compile.h): its parts are as the library serializes them */
#define DLP_PAGE 4096

enum dlp_base {
    DLP_BASE_WORDS, /* tokens that are one word (classes.h): with DLP_CORE_MIN in a row, or of DLP_WORD_MIN bytes */
    DLP_BASE_DIGITS,  /* of those, the ones that may be letters, digits, '+' and '/' alone */
    DLP_BASE_TEXT,    /* tokens of several words that have an anchor (anchors.h) */
    DLP_BASE_REST,    /* all other tokens */
    DLP_BASE_PHRASES, /* phrases, */
    DLP_BASE_ANCHORS, /* and what they cannot be without; the same number is reported for each of a phrase's */
    DLP_BASES,
};
#define DLP_CORE_MIN 20 /* bytes of dlp_is_core */
#define DLP_WORD_MIN 31 /* bytes of dlp_is_word */

struct dlp_part {
    uint64_t at, size; /* bytes */
};

struct dlp_layout {
    char magic[8];
    uint64_t size;
    uint64_t tables; /* what dlp_tables_digest said of the tables that it was made from */
    uint32_t token_count, phrase_count;
    uint32_t rest_count;              /* tokens in DLP_BASE_REST */
    uint32_t overlap;                 /* the longest match of any token, and one byte */
    struct dlp_part bases[DLP_BASES]; /* size 0: there are no such rules */
    struct dlp_part known, prints;
};

/* Rules in their order: tokens, phrases, entropy, known secrets, keys of the gate. */
uint32_t dlp_rule_phrase(size_t phrase);
uint32_t dlp_rule_entropy(void);
uint32_t dlp_rule_known(size_t value);
uint32_t dlp_rule_print(const struct dlp_rules *rules, size_t key);

/* Whether a layout that stands at the beginning of `size` bytes is of this magic, whole, and made from this program's tables.
 * 0, or -1 with err. */
int dlp_layout_check(const struct dlp_layout *layout, size_t size, const char *magic, struct err *err);

/* Tells tables apart. Both programs ask the same function of their own tables. */
uint64_t dlp_tables_digest(void);

struct dlp_rules {
    const struct dlp_layout *layout;
    size_t size;
    const hs_database_t *bases[DLP_BASES]; /* NULL: none */
    struct dlp_known_set known;
    struct dlp_prints_set prints;
    bool quotes; /* some known secret has what JSON writes with a backslash */
    bool blanks; /* some known secret is more than visible ASCII */
    size_t count;
    struct dlp_rule *rules;
};

#endif
