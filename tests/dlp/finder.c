/* SPDX-License-Identifier: GPL-3.0-or-later */
/* finder: see finder.h. */
#include "tests/dlp/finder.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct finder {
    const struct finder_expression *expressions;
    size_t count;
    hs_database_t *database;
    hs_scratch_t *scratch;
    pcre2_code **codes;
    pcre2_match_data *data;
};

struct report {
    unsigned id;
    unsigned long long end;
};

struct scan {
    struct report *reports;
    size_t count, size;
};

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count, size);
    if (block == NULL)
        abort();
    return block;
}

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "finder: %s: %s\n", what, text);
    exit(1);
}

struct finder *finder_new(const struct finder_expression *expressions, size_t count)
{
    struct finder *finder = memory(1, sizeof *finder);
    const char **texts = memory(count, sizeof *texts);
    unsigned *flags = memory(count, sizeof *flags), *ids = memory(count, sizeof *ids);
    hs_compile_error_t *error = NULL;

    *finder = (struct finder){.expressions = expressions, .count = count};
    finder->codes = memory(count, sizeof *finder->codes);
    for (size_t i = 0; i < count; i++) {
        int code;
        PCRE2_SIZE offset;
        unsigned options = expressions[i].flags & HS_FLAG_CASELESS ? PCRE2_CASELESS : 0;
        texts[i] = expressions[i].text;
        flags[i] = expressions[i].flags;
        ids[i] = (unsigned)i;
        finder->codes[i] =
            pcre2_compile((PCRE2_SPTR)texts[i], PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
        if (finder->codes[i] == NULL)
            fail("PCRE2 does not take", texts[i]);
    }
    if (hs_compile_multi(texts, flags, ids, (unsigned)count, HS_MODE_STREAM, NULL, &finder->database,
                         &error) != HS_SUCCESS)
        fail(error->message, error->expression >= 0 ? texts[error->expression] : "");
    if (hs_alloc_scratch(finder->database, &finder->scratch) != HS_SUCCESS)
        abort();
    finder->data = pcre2_match_data_create(1, NULL);
    free(texts);
    free(flags);
    free(ids);
    return finder;
}

void finder_free(struct finder *finder)
{
    for (size_t i = 0; i < finder->count; i++)
        pcre2_code_free(finder->codes[i]);
    pcre2_match_data_free(finder->data);
    hs_free_scratch(finder->scratch);
    hs_free_database(finder->database);
    free(finder->codes);
    free(finder);
}

size_t finder_width(const char *expression, unsigned flags)
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *error = NULL;
    if (hs_expression_info(expression, flags, &info, &error) != HS_SUCCESS)
        fail(error->message, expression);
    size_t width = info->max_width == UINT_MAX ? SIZE_MAX : info->max_width;
    free(info);
    return width;
}

static int reported(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *user)
{
    struct scan *scan = user;
    (void)from;
    (void)flags;
    if (scan->count == scan->size) {
        scan->size = scan->size > 0 ? 2 * scan->size : 64;
        scan->reports = realloc(scan->reports, scan->size * sizeof *scan->reports);
        if (scan->reports == NULL)
            abort();
    }
    scan->reports[scan->count++] = (struct report){id, to};
    return 0;
}

/* The match that ends at or behind `end` and begins before it. */
static struct str begin_of(struct finder *finder, size_t index, struct str text, size_t end)
{
    size_t longest = finder->expressions[index].max_len, start = end > longest ? end - longest : 0;
    size_t limit = end + longest < text.len ? end + longest : text.len;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(finder->data);
    while (start < end &&
           pcre2_match(finder->codes[index], (PCRE2_SPTR)text.ptr, limit, start, 0, finder->data, NULL) > 0) {
        if (at[0] < end && at[1] >= end)
            return (struct str){text.ptr + at[0], at[1] - at[0]};
        start = at[0] + 1;
    }
    return (struct str){NULL, 0};
}

void finder_scan(struct finder *finder, struct str text, size_t step, finder_found *found, void *user)
{
    struct scan scan = {0};
    hs_stream_t *stream = NULL;
    struct str *last = memory(finder->count, sizeof *last);

    if (hs_open_stream(finder->database, 0, &stream) != HS_SUCCESS)
        abort();
    for (size_t at = 0; at < text.len; at += step) {
        size_t len = text.len - at < step ? text.len - at : step;
        if (hs_scan_stream(stream, text.ptr + at, (unsigned)len, 0, finder->scratch, reported, &scan) !=
            HS_SUCCESS)
            abort();
    }
    if (hs_close_stream(stream, finder->scratch, reported, &scan) != HS_SUCCESS)
        abort();
    for (size_t i = 0; i < scan.count; i++) {
        size_t index = scan.reports[i].id;
        struct str match = begin_of(finder, index, text, (size_t)scan.reports[i].end);
        if (match.ptr == NULL)
            fail("vectorscan reports what PCRE2 does not find", finder->expressions[index].text);
        if (match.ptr != last[index].ptr || match.len != last[index].len)
            found(user, index, match);
        last[index] = match;
    }
    free(scan.reports);
    free(last);
}
