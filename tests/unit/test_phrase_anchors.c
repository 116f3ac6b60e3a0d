/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_phrase_anchors: no phrase can be written without one of its anchors. This is not tried but shown: for all that the expression
 * matches. */
#include <string.h>

#include "dlp/phrases.h"
#include "tests/dlp/automaton.h"
#include "tests/unit/suite.h"

static bool begins_with_a_word(const struct dlp_phrase *phrase)
{
    return strncmp(phrase->expression, "\\b", 2) == 0;
}

static bool without(const char *expression, const char *anchors, bool at_word, char *out, size_t size)
{
    struct automaton all, some;

    automaton_init(&all, expression);
    automaton_init(&some, anchors);
    bool found = automaton_without(&all, &some, at_word, out, size);
    automaton_fini(&all);
    automaton_fini(&some);
    return found;
}

START_TEST(every_match_has_an_anchor)
{
    char text[2048];

    for (size_t i = 0; i < dlp_phrase_count; i++) {
        const struct dlp_phrase *phrase = &dlp_phrases[i];
        ck_assert_msg(
            !without(phrase->expression, phrase->anchors, begins_with_a_word(phrase), text, sizeof text),
            "%s: no anchor in: %s", phrase->name, text);
    }
}
END_TEST

static const struct {
    const char *expression, *anchors, *text; /* NULL: none without */
} cases[] = {
    {"ignore\\sall", "gnor", NULL},
    {"ignore\\sall", "xyz|l{2}", NULL},
    {"(?:ignore|forget)\\sall", "ignor", "forget all"},
    {"no{0,3}t", "oot", "nt"},
    {"no{2,3}t", "oot", NULL},
    {"never", "never", "never"}, /* \never */
    {"never", "ever", NULL},
    {"![^z]{0,1}face", "face", "!\\face"},
    {"![^z]{0,1}face", "ac", NULL},
    {"![^z]{0,2}face", "ac", "!\\uface"}, /* U+FACE */
    {"![^z]{0,2}facet", "t", NULL},
};

START_TEST(what_has_none_is_told)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64] = "";
        bool found = without(cases[i].expression, cases[i].anchors, true, text, sizeof text);
        ck_assert_msg(found == (cases[i].text != NULL), "%s: %s", cases[i].expression, text);
        if (found)
            ck_assert_msg(strlen(text) == strlen(cases[i].text), "%s: %s", cases[i].expression, text);
    }
}
END_TEST

SUITE_MAIN("phrase_anchors", every_match_has_an_anchor, what_has_none_is_told)
