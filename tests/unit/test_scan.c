/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_scan: tokens and known secrets are found in every writing, however they are cut, before their first byte may leave. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlp/tokens.h"
#include "tests/dlp/rig.h"
#include "tests/dlp/writing.h"
#include "tests/unit/suite.h"

static struct dlp_engine *engine;

/* Compiled once, before Check forks for each test. */
__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
}

static const struct dlp_message outbound = {.detectors = DLP_TOKENS | DLP_KNOWN};

/* Text around what is written that joins none of it. */
#define BEFORE "{\"user\": \"someone\", \"say\": \""
#define BEHIND "\", \"rest\": [1, 2, 3]}\n"

struct cell {
    char text[65536];
    size_t start, end; /* what is written stands there */
    size_t len;
};

/* `secret` in this writing, with so many bytes of padding in front and behind. */
static void write_cell(struct cell *cell, enum writing writing, struct str secret, size_t front,
                       size_t behind, unsigned place)
{
    memset(cell->text, ' ', front);
    cell->len = front;
    memcpy(cell->text + cell->len, BEFORE, sizeof BEFORE - 1);
    cell->len += sizeof BEFORE - 1;
    cell->len += write_as(writing, place, secret, cell->text + cell->len, &cell->start, &cell->end);
    size_t base = front + sizeof BEFORE - 1;
    cell->start += base;
    cell->end += base;
    memcpy(cell->text + cell->len, BEHIND, sizeof BEHIND - 1);
    cell->len += sizeof BEHIND - 1;
    memset(cell->text + cell->len, ' ', behind);
    cell->len += behind;
    ck_assert(cell->len <= sizeof cell->text);
}

static const char *const known_names[] = {"TOKEN", "PHRASE", "CANARY", "DATABASE"};
static const struct str known_values[] = {STR(RIG_TOKEN), STR(RIG_PHRASE), STR(RIG_CANARY),
                                          STR(RIG_DATABASE)};

static void found(const struct cell *cell, const struct rig_result *result, const char *rule,
                  const char *what)
{
    bool any = false;

    for (size_t i = 0; i < result->count; i++) {
        const struct dlp_rule *is = dlp_rules_get(dlp_engine_rules(engine), result->findings[i].rule);
        any = any || strcmp(is->name, rule) == 0;
        ck_assert_msg(result->findings[i].end <= cell->len, "%s: %s beyond the end", rule, what);
    }
    ck_assert_msg(any, "%s is not found: %s: %.*s", rule, what, (int)(cell->end - cell->start),
                  cell->text + cell->start);
}

START_TEST(every_known_secret_is_found_in_every_writing)
{
    static struct cell cell;

    for (size_t secret = 0; secret < 4; secret++)
        for (enum writing writing = 0; writing < WRITINGS; writing++)
            for (unsigned place = 0; place < writing_places(writing); place++) {
                char what[64];
                snprintf(what, sizeof what, "%s at place %u", writing_name(writing), place);
                write_cell(&cell, writing, known_values[secret], 0, 0, place);
                struct rig_result whole =
                    rig_body(engine, &outbound, (struct str){cell.text, cell.len}, cell.len);
                found(&cell, &whole, known_names[secret], what);
                bool nested = writing >= WRITE_BASE64_BASE64 &&
                              writing < WRITINGS_OF_TOKENS; /* with text around it in between */
                ck_assert_msg(nested || rig_covers(engine, &whole, known_names[secret], cell.start, cell.end),
                              "%s: %s: not all of it (%zu-%zu, is %zu-%zu)", known_names[secret], what,
                              cell.start, cell.end, (size_t)whole.findings[0].start,
                              (size_t)whole.findings[0].end);
                ck_assert_uint_eq(whole.left, 0);
            }
}
END_TEST

START_TEST(every_token_is_found_in_every_writing)
{
    static struct cell cell;

    for (size_t i = 0; i < dlp_token_count; i++)
        for (enum writing writing = 0; writing < WRITINGS_OF_TOKENS; writing++)
            for (unsigned place = 0; place < writing_places(writing); place++) {
                char what[64];
                snprintf(what, sizeof what, "%s at place %u", writing_name(writing), place);
                write_cell(&cell, writing, str_of(dlp_tokens[i].positive), 0, 0, place);
                struct rig_result whole =
                    rig_body(engine, &outbound, (struct str){cell.text, cell.len}, cell.len);
                found(&cell, &whole, dlp_tokens[i].name, what);
            }
}
END_TEST

/* The cut goes through every byte of what is written, once where a step ends and once where a call does. */
START_TEST(nothing_of_it_leaves_wherever_it_is_cut)
{
    static struct cell cell;

    for (size_t secret = 0; secret < 4; secret++)
        for (enum writing writing = 0; writing < WRITINGS; writing++) {
            size_t len = 0;
            write_cell(&cell, writing, known_values[secret], 0, 0, 0);
            len = cell.end - cell.start;
            for (size_t cut = 1; cut < len; cut += 1 + len / 40) {
                size_t front = DLP_STEP - cut - (sizeof BEFORE - 1);
                write_cell(&cell, writing, known_values[secret], front, 8000, 0);
                for (size_t step = 1; step <= 2; step++) {
                    struct rig_result result = rig_body(engine, &outbound, (struct str){cell.text, cell.len},
                                                        step == 1 ? DLP_STEP : 3001);
                    found(&cell, &result, known_names[secret], writing_name(writing));
                    ck_assert_msg(result.left <= cell.start,
                                  "%s: %s: cut at %zu: %zu bytes left, it begins at %zu", known_names[secret],
                                  writing_name(writing), cut, (size_t)result.left, cell.start);
                }
            }
        }
}
END_TEST

/* A picture in base64 is one word of any length. What is written in it begins far before a step's end, and ends behind. */
START_TEST(what_goes_on_in_a_long_word_is_found)
{
    enum { LONG = 3 * DLP_STEP };
    static char word[LONG], spaced[256], percent[1024], json[8192], digits[16384];
    static const char *const alphabets[] = {"+/", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdef"};
    size_t token = 0;

    while (strcmp(dlp_tokens[token].name, "atlassian-api-token") != 0)
        token++;
    snprintf(spaced, sizeof spaced, " %s ", dlp_tokens[token].positive);
    struct str text = {percent, write_percent(str_of(spaced), 1, percent)};
    text = (struct str){json, write_json(text, 1, json)};
    for (size_t kind = 0; kind < 3; kind++) {
        size_t len = kind == 0   ? write_base64(text, alphabets[0], digits)
                     : kind == 1 ? write_base32(text, alphabets[1], digits)
                                 : write_hex(text, alphabets[2], digits);
        while (digits[len - 1] == '=')
            len--;
        ck_assert_uint_gt(len, 2300);
        for (size_t behind = 1; behind < len; behind += behind < 200 ? 23 : 301) {
            unsigned state = 1;
            for (size_t i = 0; i < LONG; i++)
                word[i] =
                    "ghijklmnopqrstuvGHIJKLMNOPQRSTUV"[(state = state * 1103515245u + 12345u) >> 16 & 31];
            size_t start = 2 * DLP_STEP - len + behind;
            memcpy(word + start, digits, len);
            struct rig_result result = rig_body(engine, &outbound, (struct str){word, LONG}, DLP_STEP);
            ck_assert_msg(rig_covers(engine, &result, "atlassian-api-token", start + 400, start + len - 100),
                          "kind %zu, %zu of %zu behind the step's end", kind, behind, len);
            ck_assert_uint_le(result.left, start);
        }
    }
}
END_TEST

/* The shortest piece of a known secret that is found, in the least room: nothing around it belongs to the stretch. */
START_TEST(letters_that_stand_apart_are_found_wherever_they_lie)
{
    static const char piece[] = "\x01"
                                "7f-3a-9c-2e-5b-8d\x01";
    static char text[8192];

    for (size_t at = 4096; at < 4096 + 256; at++) {
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = "something "[i % 10];
        memcpy(text + at, piece, sizeof piece - 1);
        struct rig_result result = rig_body(engine, &outbound, (struct str){text, sizeof text}, sizeof text);
        ck_assert_msg(rig_covers(engine, &result, "CANARY", at + 1, at + sizeof piece - 2), "at %zu", at);
        text[at + 2] = '-'; /* one letter less */
        result = rig_body(engine, &outbound, (struct str){text, sizeof text}, sizeof text);
        ck_assert_uint_eq(result.count, 0);
    }
}
END_TEST

START_TEST(a_dripped_secret_does_not_leave)
{
    static struct cell cell;

    for (enum writing writing = 0; writing < WRITINGS; writing += 3) {
        write_cell(&cell, writing, known_values[0], 700, 300, 0);
        struct rig_result result = rig_body(engine, &outbound, (struct str){cell.text, cell.len}, 1);
        found(&cell, &result, "TOKEN", writing_name(writing));
        ck_assert_uint_eq(result.left, 0);
    }
}
END_TEST

START_TEST(no_more_is_held_than_is_said)
{
    size_t len = 1000000;
    char *text = malloc(len);

    for (size_t i = 0; i < len; i++)
        text[i] = "lorem ipsum dolor sit amet, \n"[i % 29];
    for (size_t step = 1; step < 200000; step = step * 7 + 1) {
        struct rig_result result =
            rig_body(engine, &outbound, (struct str){text, step < 10 ? 140000 : len}, step);
        ck_assert_int_eq(result.answer, DLP_PASS);
        ck_assert_uint_lt(result.held_max, DLP_HELD_MAX);
    }
    free(text);
}
END_TEST

SUITE_MAIN("scan", every_known_secret_is_found_in_every_writing, every_token_is_found_in_every_writing,
           nothing_of_it_leaves_wherever_it_is_cut, what_goes_on_in_a_long_word_is_found,
           letters_that_stand_apart_are_found_wherever_they_lie, a_dripped_secret_does_not_leave,
           no_more_is_held_than_is_said)
