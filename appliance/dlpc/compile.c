/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compile: see compile.h. Expressions go into several databases, because most bytes need not be shown to all of them: most
 * tokens are one long word, which most of a stream has not, and a database of few expressions is several times as quick.
 */
#include "dlpc/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/secret.h"
#include "dlp/anchors.h"
#include "dlp/layout.h"
#include "dlp/phrases.h"
#include "dlp/tokens.h"
#include "dlpc/expression.h"
#include "dlpc/known_make.h"
#include "dlpc/prints_make.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* What a base is compiled for. Without AVX2 text would be searched 5 % slower, base64 and binary bytes 27 %; a processor that
 * has it not refuses the base. */
static const hs_platform_info_t base_platform = {
#ifdef __x86_64__
    .cpu_features = HS_CPU_FEATURES_AVX2,
#endif
    .tune = HS_TUNE_FAMILY_GENERIC,
};

/* What one database is made of. */
struct list {
    const char **expressions;
    unsigned *flags, *ids;
    unsigned count;
};

struct work {
    struct list lists[DLP_BASES];
    hs_database_t *bases[DLP_BASES];
    struct dlp_known_part *known;
    size_t known_size;
    struct dlp_prints_part *prints;
    size_t prints_size;
    struct dlp_layout layout;
};

static int list_init(struct list *list, size_t size)
{
    list->expressions = calloc(size + 1, sizeof *list->expressions);
    list->flags = calloc(size + 1, sizeof *list->flags);
    list->ids = calloc(size + 1, sizeof *list->ids);
    return list->expressions != NULL && list->flags != NULL && list->ids != NULL ? 0 : -1;
}

static void list_add(struct list *list, const char *expression, unsigned flags, size_t id)
{
    list->expressions[list->count] = expression;
    list->flags[list->count] = flags;
    list->ids[list->count++] = (unsigned)id;
}

static void work_fini(struct work *work)
{
    for (size_t i = 0; i < DLP_BASES; i++) {
        free(work->lists[i].expressions);
        free(work->lists[i].flags);
        free(work->lists[i].ids);
        hs_free_database(work->bases[i]);
    }
    secret_release(work->known, work->known_size);
    free(work->prints);
}

/* The shortest match, in bytes; -1 and *err: the expression does not compile, or matches more than is held back. */
static long check(const char *name, const char *expression, unsigned flags, size_t max_len, struct err *err)
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *wrong = NULL;

    if (hs_expression_info(expression, flags, &info, &wrong) != HS_SUCCESS) {
        err_set(err, "%s: %s", name, wrong != NULL ? wrong->message : "cannot be compiled");
        hs_free_compile_error(wrong);
        return -1;
    }
    unsigned min = info->min_width, max = info->max_width;
    free(info);
    if (min == 0 || max > max_len || max_len > DLP_MATCH_MAX) {
        err_set(err, "%s: matches %u to %u bytes, of at most %zu that it says and %d that there are", name,
                min, max, max_len, DLP_MATCH_MAX);
        return -1;
    }
    return (long)min;
}

static int sort_tokens(struct work *work, struct err *err)
{
    for (size_t i = 0; i < dlp_token_count; i++) {
        const struct dlp_token *token = &dlp_tokens[i];
        unsigned flags = token->flags & DLP_TOKEN_CASELESS ? HS_FLAG_CASELESS : 0;
        long min = check(token->name, token->expression, flags, token->max_len, err);
        if (min < 0)
            return -1;
        struct dlpc_expression known = dlpc_expression_read(token->expression);
        bool word = known.word && (known.core || min >= DLP_WORD_MIN);
        enum dlp_base base = word                        ? DLP_BASE_WORDS
                             : dlp_anchored(token->name) ? DLP_BASE_TEXT
                                                         : DLP_BASE_REST;
        list_add(&work->lists[base], token->expression, flags, i);
        work->layout.rest_count += base == DLP_BASE_REST;
        if (word && known.digits)
            list_add(&work->lists[DLP_BASE_DIGITS], token->expression, flags, i);
        if (token->max_len + 1u > work->layout.overlap)
            work->layout.overlap = token->max_len + 1u;
    }
    return 0;
}

static int sort_phrases(struct work *work, struct err *err)
{
    for (size_t i = 0; i < dlp_phrase_count; i++) {
        const struct dlp_phrase *phrase = &dlp_phrases[i];
        if (check(phrase->name, phrase->expression, 0, phrase->max_len, err) < 0)
            return -1;
        list_add(&work->lists[DLP_BASE_PHRASES], phrase->end != NULL ? phrase->end : phrase->expression, 0,
                 i);
        list_add(&work->lists[DLP_BASE_ANCHORS], phrase->anchors, 0, i);
    }
    return 0;
}

static int compile(struct work *work, size_t base, const hs_platform_info_t *platform, struct err *err)
{
    struct list *list = &work->lists[base];
    hs_compile_error_t *wrong = NULL;

    if (list->count == 0)
        return 0;
    if (hs_compile_multi(list->expressions, list->flags, list->ids, list->count, HS_MODE_BLOCK, platform,
                         &work->bases[base], &wrong) == HS_SUCCESS)
        return 0;
    err_set(err, "expression %d of database %zu: %s", wrong != NULL ? wrong->expression : -1, base,
            wrong != NULL ? wrong->message : "cannot be compiled");
    hs_free_compile_error(wrong);
    return -1;
}

static int compile_all(struct work *work, const hs_platform_info_t *platform, struct err *err)
{
    for (size_t i = 0; i < DLP_BASES; i++)
        if (list_init(&work->lists[i], dlp_token_count + dlp_phrase_count) != 0)
            return err_set(err, "no memory");
    if (sort_tokens(work, err) != 0 || sort_phrases(work, err) != 0)
        return -1;
    for (size_t i = 0; i < DLP_BASES; i++)
        if (compile(work, i, platform, err) != 0)
            return -1;
    return 0;
}

/* Takes from a base what else would be compiled. */
static int base_read(struct work *work, struct str base, struct err *err)
{
    struct dlp_layout *layout = &work->layout;

    if (base.len >= sizeof *layout)
        memcpy(layout, base.ptr, sizeof *layout);
    if (dlp_layout_check(layout, base.len, DLP_BASE_MAGIC, err) != 0)
        return -1;
    for (size_t i = 0; i < DLP_BASES; i++)
        /* The library checks its own version, the processor, and a sum of all bytes. */
        if ((i != DLP_BASE_REST || layout->rest_count > 0) &&
            hs_deserialize_database(base.ptr + layout->bases[i].at, layout->bases[i].size, &work->bases[i]) !=
                HS_SUCCESS)
            return err_set(err, "dlp: database %zu is damaged, or for another processor or library", i);
    return 0;
}

static uint64_t page(uint64_t size)
{
    return (size + DLP_PAGE - 1) / DLP_PAGE * DLP_PAGE;
}

/* Where everything goes. */
static int plan(struct work *work, struct err *err)
{
    struct dlp_layout *layout = &work->layout;

    memcpy(layout->magic, DLP_MAGIC, sizeof layout->magic);
    layout->tables = dlp_tables_digest();
    layout->token_count = (uint32_t)dlp_token_count;
    layout->phrase_count = (uint32_t)dlp_phrase_count;
    layout->size = page(sizeof *layout);
    for (size_t i = 0; i < DLP_BASES; i++) {
        size_t size = 0;
        layout->bases[i] = (struct dlp_part){0, 0};
        if (work->bases[i] == NULL)
            continue;
        if (hs_database_size(work->bases[i], &size) != HS_SUCCESS) {
            err_set(err, "a database without a size");
            return -1;
        }
        layout->bases[i] = (struct dlp_part){layout->size, size};
        layout->size += page(size + 64);
    }
    if (work->known != NULL) {
        layout->known = (struct dlp_part){layout->size, work->known_size};
        layout->size += page(work->known_size);
    }
    if (work->prints != NULL) {
        layout->prints = (struct dlp_part){layout->size, work->prints_size};
        layout->size += page(work->prints_size);
    }
    return 0;
}

/* A database is put down as the library lays it out for a page's beginning, so that every mapping of it can be used. */
static int put(hs_database_t *base, char *to)
{
    char *bytes = NULL;
    size_t length = 0;

    if (hs_serialize_database(base, &bytes, &length) != HS_SUCCESS)
        return -1;
    hs_error_t error = hs_deserialize_database_at(bytes, length, (hs_database_t *)to);
    free(bytes);
    return error == HS_SUCCESS ? 0 : -1;
}

static int fill(struct work *work, int fd, struct err *err)
{
    size_t size = work->layout.size;

    if (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)size) != 0) {
        err_set(err, "no memory for the database: %s", strerror(errno));
        return -1;
    }
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        err_set(err, "mmap: %s", strerror(errno));
        return -1;
    }
    int result = 0;
    memcpy(map, &work->layout, sizeof work->layout);
    for (size_t i = 0; i < DLP_BASES; i++)
        if (work->bases[i] != NULL && put(work->bases[i], map + work->layout.bases[i].at) != 0)
            result = -1;
    if (work->known != NULL)
        memcpy(map + work->layout.known.at, work->known, work->known_size);
    if (work->prints != NULL)
        memcpy(map + work->layout.prints.at, work->prints, work->prints_size);
    munmap(map, size);
    if (result != 0)
        err_set(err, "a database could not be written");
    return result;
}

/* A new one for this processor. */
static int compile_here(struct work *work, struct err *err)
{
    hs_platform_info_t platform;

    if (hs_populate_platform(&platform) != HS_SUCCESS)
        return err_set(err, "this processor is not one that can be compiled for");
    return compile_all(work, &platform, err);
}

int dlp_compile(const struct dlp_known *known, size_t count, const struct dlp_prints *prints, struct str base,
                int fd, struct err *err)
{
    struct work work = {.known = NULL};
    int result = -1;

    if ((base.len > 0 ? base_read(&work, base, err) : compile_here(&work, err)) != 0)
        goto out;
    if (count > 0) {
        work.known = dlpc_known_make(known, count, &work.known_size, err);
        if (work.known == NULL)
            goto out;
    }
    if (prints != NULL && prints->count > 0 &&
        (work.prints = dlpc_prints_make(prints, &work.prints_size, err)) == NULL)
        goto out;
    if (plan(&work, err) != 0 || fill(&work, fd, err) != 0)
        goto out;
    if (fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        err_set(err, "the database could not be sealed: %s", strerror(errno));
        goto out;
    }
    result = 0;
out:
    work_fini(&work);
    return result;
}

static int write_at(FILE *to, uint64_t *at, uint64_t offset, const void *bytes, size_t len)
{
    for (; *at < offset; ++*at)
        if (putc(0, to) == EOF)
            return -1;
    *at += len;
    return fwrite(bytes, 1, len, to) == len ? 0 : -1;
}

/* The databases stay serialized: the processor that builds need not be able to use them. */
static int base_put(struct work *work, FILE *to)
{
    uint64_t at = 0;
    int result = write_at(to, &at, 0, &work->layout, sizeof work->layout);

    for (size_t i = 0; i < DLP_BASES && result == 0; i++) {
        char *bytes = NULL;
        size_t len = 0;
        if (work->bases[i] == NULL)
            continue;
        if (hs_serialize_database(work->bases[i], &bytes, &len) != HS_SUCCESS ||
            len != work->layout.bases[i].size)
            result = -1;
        else
            result = write_at(to, &at, work->layout.bases[i].at, bytes, len);
        free(bytes);
    }
    if (result != 0 || write_at(to, &at, work->layout.size, "", 0) != 0)
        return -1;
    return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}

int dlp_base_write(FILE *to, struct err *err)
{
    struct work work = {.known = NULL};
    int result = -1;

    if (compile_all(&work, &base_platform, err) == 0 && plan(&work, err) == 0) {
        memcpy(work.layout.magic, DLP_BASE_MAGIC, sizeof work.layout.magic);
        result = base_put(&work, to);
        if (result != 0)
            err_set(err, "the base could not be written");
    }
    work_fini(&work);
    return result;
}
