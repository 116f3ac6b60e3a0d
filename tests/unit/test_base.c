/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_base: a database that the build began finds what one finds that was made at once; a base that does not fit is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dlp/layout.h"
#include "dlp/phrases.h"
#include "dlp/tokens.h"
#include "tests/dlp/rig.h"
#include "tests/dlp/writing.h"
#include "tests/unit/suite.h"

#define STRIDE 7 /* not every writing: they are decoded by what is the same in both */
#define PLATFORM_AT                                                                                          \
    12 /* in what vectorscan serializes (its database.c): magic, version, length, platform, sum */

static const struct dlp_known known[] = {
    {"TOKEN", STR(RIG_TOKEN), DLP_INJECTED},
    {"CANARY", STR(RIG_CANARY), DLP_CANARY},
};
static char *base;
static size_t base_len;

static size_t base_make(char **bytes)
{
    struct err err = {""};
    size_t len = 0;
    FILE *to = open_memstream(bytes, &len);

    if (to == NULL || dlp_base_write(to, &err) != 0 || fclose(to) != 0) {
        fprintf(stderr, "test_base: %s\n", err.text);
        abort();
    }
    return len;
}

/* Once, before Check forks for each test. */
__attribute__((constructor)) static void make(void)
{
    base_len = base_make(&base);
}

static bool fits_here(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2");
#else
    return true;
#endif
}

static int memory(void)
{
    int fd = memfd_create("database", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static struct dlp_engine *engine_made(struct str from, size_t count)
{
    struct err err = {""};
    int fd = memory();

    ck_assert_msg(dlp_compile(known, count, NULL, from, fd, &err) == 0, "%s", err.text);
    struct dlp_engine *engine = dlp_engine_new(fd, &err);
    ck_assert_msg(engine != NULL, "%s", err.text);
    close(fd);
    return engine;
}

static size_t compared(struct dlp_engine *one, struct dlp_engine *other, unsigned detectors, struct str text)
{
    const struct dlp_message message = {
        .detectors = detectors, .inbound = detectors == DLP_PHRASES, .content_type = STR("text/plain")};
    struct rig_result a = rig_body(one, &message, text, text.len);
    struct rig_result b = rig_body(other, &message, text, text.len);

    ck_assert_msg(a.answer == b.answer && a.count == b.count && a.left == b.left, "%.*s", (int)text.len,
                  text.ptr);
    for (size_t i = 0; i < a.count; i++)
        ck_assert_msg(a.findings[i].rule == b.findings[i].rule &&
                          a.findings[i].start == b.findings[i].start &&
                          a.findings[i].end == b.findings[i].end,
                      "%.*s: finding %zu", (int)text.len, text.ptr, i);
    return a.count;
}

static size_t compared_in_writings(struct dlp_engine *one, struct dlp_engine *other, const char *secret)
{
    static char text[65536];
    size_t start, end, found = 0;

    for (enum writing writing = 0; writing < WRITINGS_OF_TOKENS; writing += STRIDE) {
        size_t len = write_as(writing, 0, str_of(secret), text, &start, &end);
        found += compared(one, other, DLP_TOKENS | DLP_KNOWN, (struct str){text, len});
    }
    return found;
}

START_TEST(it_finds_the_same)
{
    if (!fits_here())
        return; /* what_does_not_fit_is_refused has the refusal */
    struct dlp_engine *begun = engine_made((struct str){base, base_len}, 2);
    struct dlp_engine *whole = engine_made((struct str){NULL, 0}, 2);

    for (size_t i = 0; i < dlp_token_count; i++)
        ck_assert_uint_ge(compared_in_writings(begun, whole, dlp_tokens[i].positive),
                          WRITINGS_OF_TOKENS / STRIDE);
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_ge(compared_in_writings(begun, whole, known[i].value.ptr),
                          WRITINGS_OF_TOKENS / STRIDE);
    ck_assert_uint_eq(dlp_phrases[0].weight, DLP_PHRASE_FIRES); /* behind it any other counts */
    for (size_t i = 1; i < dlp_phrase_count; i++) {
        char text[2048];
        snprintf(text, sizeof text, "%s.\n%s", dlp_phrases[0].positive, dlp_phrases[i].positive);
        ck_assert_uint_ge(compared(begun, whole, DLP_PHRASES, str_of(text)), 2);
    }
    ck_assert_uint_eq(compared(begun, whole, DLP_TOKENS | DLP_KNOWN, str_of("nothing of interest")), 0);
    dlp_engine_unref(begun);
    dlp_engine_unref(whole);
}
END_TEST

START_TEST(without_secrets_it_is_a_database_too)
{
    if (!fits_here())
        return;
    struct dlp_engine *begun = engine_made((struct str){base, base_len}, 0);
    const struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN};

    ck_assert_uint_eq(rig_body(begun, &message, str_of(RIG_CANARY), sizeof RIG_CANARY - 1).count, 0);
    ck_assert_uint_eq(compared(begun, begun, DLP_TOKENS, str_of(dlp_tokens[0].positive)), 1);
    dlp_engine_unref(begun);
}
END_TEST

START_TEST(it_is_the_same_every_time)
{
    char *again = NULL;

    ck_assert_uint_eq(base_make(&again), base_len);
    ck_assert_int_eq(memcmp(again, base, base_len), 0);
    free(again);
}
END_TEST

/* Refused with these words; then the descriptor serves for what is right. */
static void refused(const char *bytes, size_t len, const char *words)
{
    struct err err = {""};
    int fd = memory();

    ck_assert_int_eq(dlp_compile(known, 2, NULL, (struct str){bytes, len}, fd, &err), -1);
    ck_assert_str_eq(err.text, words);
    if (fits_here())
        ck_assert_msg(dlp_compile(known, 2, NULL, (struct str){base, base_len}, fd, &err) == 0, "%s",
                      err.text);
    close(fd);
}

START_TEST(what_does_not_fit_is_refused)
{
    struct dlp_layout *layout = malloc(base_len);
    char *bytes = (char *)layout;

    ck_assert_ptr_nonnull(layout);
#define AFRESH memcpy(bytes, base, base_len)
    AFRESH;
    refused(bytes, 1, "dlp: this is no database, or one of another version");
    refused(bytes, sizeof *layout, "dlp: this is no database, or one of another version");
    refused(bytes, base_len - 1, "dlp: this is no database, or one of another version");
    memcpy(layout->magic, DLP_MAGIC, sizeof layout->magic);
    refused(bytes, base_len, "dlp: this is no database, or one of another version");
    AFRESH;
    layout->tables ^= 1;
    refused(bytes, base_len, "dlp: the database was made from other tables");
    AFRESH;
    layout->bases[DLP_BASE_TEXT].size = layout->size;
    refused(bytes, base_len, "dlp: the database is cut short");
    for (size_t i = 0; i < DLP_BASES; i++) {
        char words[100];
        struct dlp_part part = ((struct dlp_layout *)base)->bases[i];
        if (i == DLP_BASE_REST && part.size == 0) { /* then nothing may say that there was any */
            AFRESH;
            layout->rest_count++;
            refused(bytes, base_len, "dlp: the database is cut short");
            continue;
        }
        snprintf(words, sizeof words, "dlp: database %zu is damaged, or for another processor or library", i);
        AFRESH;
        bytes[part.at + part.size - 200] ^= 1;
        refused(bytes, base_len, words);
        AFRESH;
        bytes[part.at + PLATFORM_AT] ^= 1;
        refused(bytes, base_len, words);
        AFRESH;
        layout->bases[i] = (struct dlp_part){0, 0};
        refused(bytes, base_len, words);
        if (!fits_here())
            break; /* not even the first as it is */
    }
    if (!fits_here())
        refused(base, base_len, "dlp: database 0 is damaged, or for another processor or library");
    free(layout);
}
END_TEST

SUITE_MAIN("base", it_finds_the_same, without_secrets_it_is_a_database_too, it_is_the_same_every_time,
           what_does_not_fit_is_refused)
