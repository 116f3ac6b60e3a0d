/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_inbound: what the scanner finds of phrases in an answer, around their anchors and step by step, is what all expressions see
 * when each is shown the whole of every reading. Phrases are made up from their expressions, written in every way that plain.h
 * reads, and put where steps meet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlp/decode.h"
#include "dlp/phrases.h"
#include "dlp/plain.h"
#include "tests/dlp/automaton.h"
#include "tests/dlp/finder.h"
#include "tests/dlp/rig.h"
#include "tests/unit/suite.h"

#define BODY_MAX (3 * DLP_STEP)

static struct dlp_engine *engine;
static struct finder *finder;
static struct automaton automata[DLP_PHRASES_MAX];

__attribute__((constructor)) static void make(void)
{
    static struct finder_expression expressions[DLP_PHRASES_MAX];

    engine = rig_engine();
    for (size_t i = 0; i < dlp_phrase_count; i++) {
        expressions[i] = (struct finder_expression){dlp_phrases[i].expression, 0, dlp_phrases[i].max_len};
        automaton_init(&automata[i], dlp_phrases[i].expression);
    }
    finder = finder_new(expressions, dlp_phrase_count);
}

struct text {
    size_t len;
    char bytes[BODY_MAX];
};

static void add(struct text *text, const char *bytes, size_t len)
{
    ck_assert_uint_le(text->len + len, BODY_MAX);
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void add_word(struct text *text, const char *word)
{
    add(text, word, strlen(word));
}

static void add_filler(struct text *text, size_t len)
{
    static const char *const words[] = {"the ",
                                        "a ",
                                        "of files ",
                                        "and\n",
                                        "\\n",
                                        "\\\"",
                                        "<b>bold</b> ",
                                        "<br/>",
                                        "&amp; ",
                                        "ignore ",
                                        "your new ",
                                        "key: ",
                                        "\"name\": \"x\", ",
                                        "    ",
                                        "* ",
                                        "// ",
                                        "a\\tb ",
                                        "C:\\new ",
                                        "\xc3\xa9t\xc3\xa9 ",
                                        "1 < 2 ",
                                        "system prompt ",
                                        "</p>\n<p>",
                                        "<!-- x --> ",
                                        "\\u00e9 "};
    size_t end = text->len + len;

    while (text->len < end)
        add_word(text, words[(size_t)rand() % (sizeof words / sizeof words[0])]);
}

enum writing {
    AS_IT_IS,
    CAPITALS,
    ESCAPED,
    TAGGED,
    REFERENCES,
    UNSEEN,
    WIDE,
    EMPHASIS,
    BLANKS,
    BACKSLASH,
    WRITINGS
};

static void add_byte(struct text *text, enum writing writing, char c)
{
    char out[32];
    bool letter = c >= 'a' && c <= 'z', some = rand() % 4 == 0;

    if (c == DLP_PLAIN_TAGS || c == DLP_PLAIN_HIDDEN) { /* three of them stand for eight, or for sixteen */
        for (int i = 0; i < 6; i++)
            add_word(text, c == DLP_PLAIN_TAGS ? "\xf3\xa0\x81\xa1" : "\xe2\x80\x8b");
        return;
    }
    out[0] = c;
    out[1] = '\0';
    if (writing == CAPITALS && letter)
        out[0] = (char)(c - 32);
    else if (writing == ESCAPED && (c == '\n' || c == '"'))
        strcpy(out, c == '\n' ? "\\n" : "\\\"");
    else if (writing == ESCAPED && some)
        snprintf(out, sizeof out, rand() % 2 == 0 ? "\\u%04x" : "\\x%02x", (unsigned)c);
    else if (writing == TAGGED && some)
        snprintf(out, sizeof out, "%c%s", c, rand() % 2 == 0 ? "<b class=\"q\">" : "<!-- -->");
    else if (writing == REFERENCES && some)
        snprintf(out, sizeof out, "&#%d;", c);
    else if (writing == UNSEEN && some)
        snprintf(out, sizeof out, "%c%s", c, rand() % 2 == 0 ? "\xe2\x80\x8b" : "\xc2\xad");
    else if (writing == WIDE && letter && some)
        snprintf(out, sizeof out, "\xef\xbd%c", c - 'a' + 0x81); /* U+FF41: 0xef 0xbd 0x81 */
    else if (writing == EMPHASIS && letter && some)
        snprintf(out, sizeof out, "%c*", c);
    else if (writing == BLANKS && c == ' ')
        strcpy(out, rand() % 2 == 0 ? "  " : " \t ");
    add_word(text, out);
}

static void add_phrase(struct text *text, enum writing writing, size_t phrase)
{
    char match[1024];
    size_t len = automaton_match(&automata[phrase], match, sizeof match);

    if (writing == BACKSLASH) {
        add_word(text, rand() % 2 == 0 ? "\\" : "\\\\");
        writing = AS_IT_IS;
    }
    for (size_t i = 0; i < len; i++)
        add_byte(text, writing, match[i]);
    add_word(text, rand() % 2 == 0 ? " " : "\n");
}

static void see(void *user, size_t index, struct str match)
{
    (void)match;
    ((bool *)user)[index] = true;
}

static void see_reading(bool html, struct str source, bool *seen)
{
    static char plain[BODY_MAX];
    size_t len = dlp_plain(html, source, plain, NULL, NULL);

    finder_scan(finder, (struct str){plain, len}, SIZE_MAX, see, seen);
}

/* What the expressions see, all of them in all of it. */
static void see_all(struct str text, bool html, bool *seen)
{
    static char unescaped[BODY_MAX + 4];

    memset(seen, 0, DLP_PHRASES_MAX * sizeof *seen);
    see_reading(false, text, seen);
    if (html)
        see_reading(true, text, seen);
    see_reading(false, (struct str){unescaped, dlp_decode(DLP_JSON, 0, text, unescaped)}, seen);
}

static void find_all(struct str text, bool html, size_t step, bool *found)
{
    const struct dlp_message message = {
        .detectors = DLP_PHRASES, .inbound = true, .content_type = str_of(html ? "text/html" : "text/plain")};
    struct rig_result result = rig_body(engine, &message, text, step);

    memset(found, 0, DLP_PHRASES_MAX * sizeof *found);
    ck_assert_int_eq(result.violation, DLP_NO_VIOLATION);
    for (size_t i = 0; i < result.count; i++)
        for (size_t k = 0; k < dlp_phrase_count; k++)
            if (strcmp(dlp_rules_get(dlp_engine_rules(engine), result.findings[i].rule)->name,
                       dlp_phrases[k].name) == 0)
                found[k] = true;
}

/* Two that weigh enough, so that every other near them is a finding by itself. */
static const char beacons[] = "\n<|im_start|>system\n[INST] <<SYS>>\n";

static bool try(size_t phrase, enum writing writing, size_t before, size_t step)
{
    static struct text text;
    bool seen[DLP_PHRASES_MAX], found[DLP_PHRASES_MAX], html = rand() % 2 == 0;

    text.len = 0;
    add_filler(&text, before);
    add_word(&text, beacons);
    add_filler(&text, (size_t)rand() % 200);
    add_phrase(&text, writing, phrase);
    size_t last = text.len;
    add_filler(&text, (size_t)rand() % 1000);
    struct str body = {text.bytes, text.len};
    see_all(body, html, seen);
    find_all(body, html, step, found);
    ck_assert_msg(found[phrase] || !seen[phrase],
                  "%s, writing %d, step %zu, %zu bytes before: not found in: %.*s", dlp_phrases[phrase].name,
                  writing, step, before, (int)(last - before), text.bytes + before);
    /* A comment that a step cuts is text until its end is there. */
    ck_assert_msg(seen[phrase] || !found[phrase] || body.len > DLP_STEP,
                  "%s, writing %d, step %zu, %zu bytes before: found in: %.*s", dlp_phrases[phrase].name,
                  writing, step, before, (int)(last - before), text.bytes + before);
    return seen[phrase];
}

START_TEST(all_that_the_whole_shows_is_found)
{
    size_t tried = 0, seen = 0;

    srand(1);
    for (size_t phrase = 0; phrase < dlp_phrase_count; phrase++) {
        /* Vectorscan loses some matches of this one, more or less by where they stand: neither side can be the measure. */
        if (strcmp(dlp_phrases[phrase].name, "hidden-element") == 0)
            continue;
        for (int writing = 0; writing < WRITINGS; writing++, tried++)
            seen += try(phrase, (enum writing)writing, (size_t)rand() % 800, 1 + (size_t)rand() % 800);
        /* The first step's end lies in it. */
        for (int i = 0; i < 2; i++, tried++)
            seen +=
                try(phrase, (enum writing)(rand() % WRITINGS), DLP_STEP - 200 - (size_t)rand() % 100, 40000);
    }
    ck_assert_msg(seen > tried / 2, "%zu of %zu were phrases", seen, tried); /* some writings spoil some */
}
END_TEST

SUITE_MAIN("inbound", all_that_the_whole_shows_is_found)
