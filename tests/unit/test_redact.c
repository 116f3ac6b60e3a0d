/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_redact: every writing of a value is covered, whole or cut at any place, and nothing else is. */
#include "proxy/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/secret.h"
#include "tests/unit/suite.h"

#define VALUE "ghp_Zq4/+9\"x\\R~b7%T"
#define PLAIN "ghp_16C7e42F292c6912E7710c838347Ae178B4a"

static const struct {
    const char *value, *text, *masked;
} table[] = {
    {PLAIN, "", ""},
    {PLAIN, "nothing of it: ghp_16C7e42F292c6912E7710c838347Ae178B4",
     "nothing of it: ghp_16C7e42F292c6912E7710c838347Ae178B4"},
    {PLAIN, PLAIN, "****************************************"},
    {PLAIN, "a" PLAIN "b", "a****************************************b"},
    {PLAIN, PLAIN PLAIN,
     "****************************************"
     "****************************************"},
    {PLAIN, "ghp_16C7" PLAIN, "ghp_16C7****************************************"},
    {VALUE, "<" VALUE ">", "<*******************>"},
    {VALUE, "<ghp_Zq4%2F%2B9%22x%5CR~b7%25T>",
     "<***************************"
     "**>"},
    {VALUE, "<ghp_Zq4%2f%2b9%22x%5cR%7eb7%25T>", "<*******************************>"},
    {VALUE, "\"ghp_Zq4/+9\\\"x\\\\R~b7%T\"", "\"*********************\""},
    {VALUE, "\"ghp_Zq4\\/\\u002b9\\u0022x\\\\R\\u007Eb7%T\"", "\"************************************\""},
    {"12345678", "\"Basic dXNlcjoxMjM0NTY3OA==\"", "\"Basic dXNlcjo**********A==\""},
    {"12345678", "MTIzNDU2Nzg=", "**********g="},
    {"12345678", "eDEyMzQ1Njc4", "eD**********"},
    {"12345678", "eHgxMjM0NTY3OA==", "eHg**********A=="},
    {"\?\?>>\?\?>>", "Pz8+Pj8/Pj4= Pz8-Pj8_Pj4= Pz8%2BPj8%2FPj4= Pz8+Pj8\\/Pj4=",
     "**********4= **********4= **************4= ***********4="},
    {"abababab", "abababababab-", "************-"},
    {"aaaaaaaa", "aaaaaaaaaaaaaaaaaaaaab", "*********************b"},
};

static void same(struct str got, const char *wanted, const char *of)
{
    ck_assert_msg(got.len == strlen(wanted) && (got.len == 0 || memcmp(got.ptr, wanted, got.len) == 0),
                  "%s\n got %.*s\nwant %s", of, (int)got.len, got.ptr, wanted);
}

START_TEST(every_writing_is_covered)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct redactor *redactor = redactor_new(str_of(table[i].value));
        char text[256];
        strcpy(text, table[i].text);
        unsigned found = redactor_mask(redactor, text, strlen(text));
        same(str_of(text), table[i].masked, table[i].text);
        ck_assert((found > 0) == (strchr(table[i].masked, '*') != NULL));
        redactor_free(redactor);
    }
    redactor_free(NULL);
}
END_TEST

/* Feeds the text in pieces of the given sizes; each in memory of its own, so that reading beyond it is seen.
 */
static void feed(const struct redactor *redactor, const char *text, size_t first, size_t second, size_t each,
                 const char *wanted)
{
    struct redact redact;
    struct buf all;
    size_t len = strlen(text);

    redact_init(&redact, redactor);
    buf_init(&all, 4096);
    for (size_t at = 0, n = 0; at <= len; n++) {
        size_t size = n == 0 ? first : n == 1 ? second : each;
        bool last = at + size >= len && n > 1;
        if (at + size > len || n > 1000)
            size = len - at;
        char *piece = malloc(size + 1);
        memcpy(piece, text + at, size);
        struct str out;
        ck_assert_int_eq(redact_next(&redact, piece, size, last, &out), 0);
        buf_append(&all, out.ptr, out.len);
        free(piece);
        at += size;
        if (last)
            break;
    }
    same(buf_str(&all), wanted, text);
    buf_fini(&all);
    redact_fini(&redact);
}

START_TEST(a_value_is_found_wherever_it_is_cut)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct redactor *redactor = redactor_new(str_of(table[i].value));
        size_t len = strlen(table[i].text);
        for (size_t first = 0; first <= len; first++)
            for (size_t second = 0; first + second <= len; second++)
                feed(redactor, table[i].text, first, second, len, table[i].masked);
        for (size_t each = 1; each < 9; each++)
            feed(redactor, table[i].text, each, each, each, table[i].masked);
        redactor_free(redactor);
    }
}
END_TEST

START_TEST(only_what_may_be_the_value_waits)
{
    struct redactor *redactor = redactor_new(str_of(PLAIN));
    struct redact redact;
    char text[] = "data: {\"a\":1}\n\n", partial[] = "data: ghp_16C7e4";
    struct str out;

    redact_init(&redact, redactor);
    ck_assert_int_eq(redact_next(&redact, text, strlen(text), false, &out), 0);
    ck_assert_uint_eq(out.len, strlen(text));
    ck_assert_ptr_eq(out.ptr, text); /* and is not copied */
    ck_assert_int_eq(redact_next(&redact, partial, strlen(partial), false, &out), 0);
    same(out, "data: ", partial);
    ck_assert_int_eq(redact_next(&redact, NULL, 0, false, &out), 0);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(redact_next(&redact, NULL, 0, true, &out), 0);
    same(out, "ghp_16C7e4", "the rest");
    ck_assert_uint_eq(redact.found, 0);
    redact_fini(&redact);
    redactor_free(redactor);
}
END_TEST

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Random runs of the value's own pieces: the worst text for a search by triples, compared with a plain one.
 */
START_TEST(random_texts_are_covered_as_a_plain_search_says)
{
    static char text[4096], wanted[4096];
    struct redactor *redactor = redactor_new(str_of("abcabcabd"));

    srand(7);
    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = "abcd"[rand() % 100 < 60 ? (i % 3) : (size_t)rand() % 4];
        memcpy(wanted, text, sizeof text);
        for (size_t i = 0; i + 9 <= sizeof text; i++)
            if (memcmp(text + i, "abcabcabd", 9) == 0)
                memset(wanted + i, '*', 9);
        redactor_mask(redactor, text, sizeof text);
        ck_assert_mem_eq(text, wanted, sizeof text);
    }
    redactor_free(redactor);
}
END_TEST

START_TEST(what_does_not_hold_the_value_is_fast)
{
    enum { SIZE = 32768, ROUNDS = 2000 };
    static char random[SIZE], base64[SIZE];
    struct redactor *redactor = redactor_new(str_of(PLAIN));

    srand(1);
    for (size_t i = 0; i < SIZE; i++) {
        random[i] = (char)rand();
        base64[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[rand() % 64];
    }
    const struct {
        const char *name;
        char *text;
    } texts[] = {{"random", random}, {"base64", base64}};
    for (size_t i = 0; i < 2; i++) {
        double start = seconds();
        for (int round = 0; round < ROUNDS; round++)
            ck_assert_uint_eq(redactor_mask(redactor, texts[i].text, SIZE), 0);
        printf("redact: %s: %.0f MiB/s\n", texts[i].name,
               (double)SIZE * ROUNDS / (1 << 20) / (seconds() - start));
    }
    redactor_free(redactor);
}
END_TEST

SUITE_MAIN("redact", every_writing_is_covered, a_value_is_found_wherever_it_is_cut,
           only_what_may_be_the_value_waits, random_texts_are_covered_as_a_plain_search_says,
           what_does_not_hold_the_value_is_fast)
