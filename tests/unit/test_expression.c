/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_expression: what is told of expressions is true of all their matches; the tables' own prove it with their examples. */
#include "dlpc/expression.h"

#include <string.h>

#include "dlp/classes.h"
#include "dlp/layout.h"
#include "dlp/tokens.h"
#include "dlpc/known_make.h"
#include "tests/dlp/finder.h"
#include "tests/unit/suite.h"

static const struct {
    const char *expression;
    bool word, core, digits;
} table[] = {
    {"ghp_[A-Za-z0-9]{36}", true, true, false},
    {"\\bAKIA[A-Z0-9]{16}\\b", true, true, true},
    {"(?:AKIA|ASIA)[A-Z0-9]{16}", true, true, true},
    {"(?:AKIA|ASI)[A-Z0-9]{16}", true, false, true},
    {"(?:ab){2}[A-Z0-9]{16}", true, true, true},
    {"(?:abcd)?[A-Z0-9]{16}", true, false, true},
    {"[A-Z0-9]{16}(?:abcd|(?:x|yy)zz)", true, false, true},
    {"[A-Z0-9]{16}(?:abcd|ab.d)", false, false, true},
    {"[A-Z0-9]{8}(?:/|-){4}[A-Z0-9]{19}", true, false, true},
    {"SG\\.[\\w-]{22}\\.[\\w-]{43}", true, true, false},
    {"[a-z]{8}-[a-z]{4}-[a-z]{6}", true, true, false},
    {"[a-z]{8}\\.[a-z]{4}-[a-z]{4}", true, false, false},
    {"x-?[a-z]{19}", true, true, true},
    {"x-?[a-z]{18}", true, false, true},
    {"x/?[a-z]{19}", true, false, true},
    {"abc[A-Za-z0-9+/]{40}=", true, false, false},
    {"a[ -~]b", false, false, true},
    {"a\\sb[a-z]{20}", false, true, false},
    {"a[^b]c", false, false, true},
    {"a.c", false, false, true},
    {"(?i:key)=[a-z]{20}", true, true, false},
    {"[a-z]{20}|x", true, false, true},
    {"a{2,3}-{0,1}", true, false, true},
    {"a-{1,2}", true, false, false},
    {"[a-z]{20", false, false, true},
    {"(a", false, false, true},
    {"^a", false, false, true},
    {"[[:alpha:]]{20}", false, false, true},
    {"\\d{20}\\x41", false, false, true},
    {"[]a]b", false, false, true},
    {"[\\]-a]b", false, false, true},
};

START_TEST(expressions_are_read)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct dlpc_expression is = dlpc_expression_read(table[i].expression);
        ck_assert_msg(is.word == table[i].word && is.core == table[i].core && is.digits == table[i].digits,
                      "%s: word %d core %d digits %d", table[i].expression, is.word, is.core, is.digits);
    }
}
END_TEST

static bool has_core_run(struct str match)
{
    size_t run = 0;

    for (size_t i = 0; i < match.len; i++) {
        run = dlp_is_core(match.ptr[i]) ? run + 1 : 0;
        if (run >= DLP_CORE_MIN)
            return true;
    }
    return false;
}

static size_t seen;

static void one_match(void *user, size_t index, struct str match)
{
    struct dlpc_expression is = dlpc_expression_read(dlp_tokens[index].expression);
    bool other = false;

    seen++;
    for (size_t i = 0; i < match.len; i++) {
        char c = match.ptr[i];
        ck_assert_msg(!is.word || dlp_is_word(c), "%s matches '%c'", dlp_tokens[index].name, c);
        other = other || !(c == '+' || c == '/' || (dlp_is_core(c) && c != '-' && c != '_'));
    }
    ck_assert_msg(!is.core || has_core_run(match), "%s: %.*s", dlp_tokens[index].name, (int)match.len,
                  match.ptr);
    ck_assert_msg(is.digits || other, "%s: %.*s", dlp_tokens[index].name, (int)match.len, match.ptr);
}

START_TEST(the_tables_examples_are_as_it_says)
{
    static struct finder_expression expressions[1024];

    ck_assert_uint_le(dlp_token_count, 1024);
    for (size_t i = 0; i < dlp_token_count; i++)
        expressions[i] = (struct finder_expression){
            dlp_tokens[i].expression, dlp_tokens[i].flags & DLP_TOKEN_CASELESS, dlp_tokens[i].max_len};
    struct finder *finder = finder_new(expressions, dlp_token_count);
    for (size_t i = 0; i < dlp_token_count; i++)
        finder_scan(finder, str_of(dlp_tokens[i].positive), strlen(dlp_tokens[i].positive), one_match, NULL);
    finder_free(finder);
    ck_assert_uint_ge(seen, dlp_token_count);
}
END_TEST

START_TEST(what_is_public_in_front_does_not_count)
{
    static const struct {
        const char *value;
        size_t fixed;
    } values[] = {
        {"ghp_16C7e42F292c6912E7710c838347Ae178B4a", 4},
        {"github_pat_11ABCDEFG0abcdefghijkl_x", 11},
        {"sk-ant-api03-Zm9vYmFyYmF6cXV4cXV1eGNvcmdl", 13},
        {"postgres://app:v9Kq2LmZ8xWc4Rt7@db.internal", 15},
        {"xoxb-1234567890123-abcdefghijklmnop", 5},
        {"correct-horse-battery", 0},
        {"v9Kq2LmZ8xWc4Rt7aaaaaaaa", 0},
        {"short-secret", 0},
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        ck_assert_msg(dlpc_known_fixed(str_of(values[i].value)) == values[i].fixed, "%s: %zu",
                      values[i].value, dlpc_known_fixed(str_of(values[i].value)));
}
END_TEST

SUITE_MAIN("expression", expressions_are_read, the_tables_examples_are_as_it_says,
           what_is_public_in_front_does_not_count)
