/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * finder: expressions as vectorscan and PCRE2 read them, without the scanner: the one says where matches end, the other
 * where they begin. For tests of the tables.
 */
#ifndef TESTS_DLP_FINDER_H
#define TESTS_DLP_FINDER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"

struct finder;

/* One more expression; `flags` are vectorscan's. */
struct finder_expression {
    const char *text;
    unsigned flags;
    size_t max_len;
};

/* All compiled as one streaming database. Prints what is wrong and exits when one does not compile. */
struct finder *finder_new(const struct finder_expression *expressions, size_t count);
void finder_free(struct finder *finder);

/* The longest match of one expression, in bytes, as vectorscan knows it; SIZE_MAX: without bound. */
size_t finder_width(const char *expression, unsigned flags);

/* Scans the text in pieces of `step` bytes and calls `found` for each expression and each distinct match, with the
 * expression's index and the match. */
typedef void finder_found(void *user, size_t index, struct str match);
void finder_scan(struct finder *finder, struct str text, size_t step, finder_found *found, void *user);

#endif
