/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_anchors: what is searched around anchors alone has one in every example, as it is written and as JSON writes it. */
#include "dlp/anchors.h"

#include <string.h>

#include "dlp/tokens.h"
#include "tests/unit/suite.h"

static size_t in_json(const char *text, char *out)
{
    size_t len = 0;

    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\' || *text == '\n')
            out[len++] = '\\';
        out[len++] = *text == '\n' ? 'n' : *text;
    }
    return len;
}

/* Whether all of the text lies around one anchor. */
static bool is_covered(struct str text, size_t start, size_t end)
{
    for (size_t at = 0, before, behind; at < text.len; at++)
        if (dlp_anchor(text, at, &before, &behind) && at <= start + before && at + behind >= end)
            return true;
    return false;
}

START_TEST(every_example_lies_around_an_anchor)
{
    size_t count = 0;

    for (size_t i = 0; i < dlp_token_count; i++) {
        const struct dlp_token *token = &dlp_tokens[i];
        char text[4096];
        if (!dlp_anchored(token->name))
            continue;
        count++;
        size_t len = strlen(token->positive), reach = len < token->max_len ? len : token->max_len;
        /* As far as it is of the match: the example may go on. */
        ck_assert_msg(is_covered((struct str){token->positive, len}, 0, reach), "%s", token->name);
        len = in_json(token->positive, text);
        ck_assert_msg(is_covered((struct str){text, len}, 0, reach), "%s in JSON", token->name);
    }
    ck_assert_uint_ge(count, 20);
}
END_TEST

static const struct {
    const char *text;
    bool is;
} places[] = {
    {"key = \"abcdefghijklmnop\"", true},
    {"key = \"abcdefghijklmno\"", false},
    {"KEY: abcdefghijklmnop", true},
    {"key                                                 abcdefghijklmnop", false},
    {"KEY-----", true},
    {"Key BLOCK-----", true},
    {"password=x", true},
    {"pass=x", false},
    {"://a:bcdef@", true},
    {"://a:bcde@", false},
    {"://host/path:abcdef", false},
    {"://:bcdef", true},
    {":$6$", true},
    {":$1$", false},
    {":$", false},
    {"kty\": ", true},
    {"kty\\\"", true},
    {"kty ", false},
    {"Bot N", true},
    {"Bot A", false},
    {"00Dabc!", true},
    {"00Dabcdefghijklmnopqrstuvw", false},
    {"sv=2024", true},
    {"webhook.office.com", true},
    {"webhook.example", false},
};

START_TEST(what_must_be_near_is_asked_for)
{
    size_t before, behind;

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        ck_assert_msg(dlp_anchor(str_of(places[i].text), 0, &before, &behind) == places[i].is, "%s",
                      places[i].text);
}
END_TEST

START_TEST(anchors_and_tokens_know_each_other)
{
    size_t count = 0;

    for (size_t i = 0; i < dlp_token_count; i++)
        count += dlp_anchored(dlp_tokens[i].name);
    ck_assert_uint_eq(count, dlp_anchored_count); /* no name is of no token */
    for (size_t i = 0; i < dlp_anchor_literal_count; i++) {
        ck_assert_uint_lt(dlp_anchor_literals[i].group, 8);
        ck_assert_uint_le(strlen(dlp_anchor_literals[i].text), 4);
    }
}
END_TEST

SUITE_MAIN("anchors", every_example_lies_around_an_anchor, what_must_be_near_is_asked_for,
           anchors_and_tokens_know_each_other)
