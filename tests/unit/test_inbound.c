/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_inbound: what the scanner finds of phrases in an answer, around their anchors and step by step, is what PCRE2 finds when each
 * expression is shown the whole of every reading. Phrases are made up from their expressions, written in every way that plain.h
 * reads, and put where steps meet.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlp/decode.h"
#include "dlp/phrases.h"
#include "dlp/plain.h"
#include "tests/dlp/automaton.h"
#include "tests/dlp/rig.h"
#include "tests/unit/suite.h"

#define BODY_MAX (3 * DLP_STEP)

static struct dlp_engine *engine;
static pcre2_code *codes[DLP_PHRASES_MAX];
static struct automaton automata[DLP_PHRASES_MAX];

__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
    for (size_t i = 0; i < dlp_phrase_count; i++) {
        int error;
        PCRE2_SIZE offset;
        codes[i] = pcre2_compile((PCRE2_SPTR)dlp_phrases[i].expression, PCRE2_ZERO_TERMINATED, 0, &error,
                                 &offset, NULL);
        if (codes[i] == NULL)
            abort();
        automaton_init(&automata[i], dlp_phrases[i].expression);
    }
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

static bool is_in_reading(size_t phrase, bool html, struct str source)
{
    static char plain[BODY_MAX];
    size_t len = dlp_plain(html, source, plain, NULL, NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int result = pcre2_match(codes[phrase], (PCRE2_SPTR)plain, len, 0, 0, data, NULL);

    pcre2_match_data_free(data);
    ck_assert_msg(result >= 0 || result == PCRE2_ERROR_NOMATCH, "PCRE2 says %d", result);
    return result >= 0;
}

/* Whether the phrase is in what there is to read. */
static bool is_in(size_t phrase, struct str text, bool html)
{
    static char unescaped[BODY_MAX + 4];

    return is_in_reading(phrase, false, text) || (html && is_in_reading(phrase, true, text)) ||
           is_in_reading(phrase, false, (struct str){unescaped, dlp_decode(DLP_JSON, 0, text, unescaped)});
}

/* Whether the scanner finds it. */
static bool is_found(size_t phrase, struct str text, bool html, size_t step)
{
    const struct dlp_message message = {
        .detectors = DLP_PHRASES, .inbound = true, .content_type = str_of(html ? "text/html" : "text/plain")};
    struct rig_result result = rig_body(engine, &message, text, step);

    ck_assert_int_eq(result.violation, DLP_NO_VIOLATION);
    for (size_t i = 0; i < result.count; i++)
        if (strcmp(dlp_rules_get(dlp_engine_rules(engine), result.findings[i].rule)->name,
                   dlp_phrases[phrase].name) == 0)
            return true;
    return false;
}

/* Two that weigh enough, so that every other near them is a finding by itself. */
static const char beacons[] = "\n<|im_start|>system\n[INST] <<SYS>>\n";

static bool try(size_t phrase, enum writing writing, size_t before, size_t step)
{
    static struct text text;
    bool html = rand() % 2 == 0;

    text.len = 0;
    add_filler(&text, before);
    add_word(&text, beacons);
    add_filler(&text, (size_t)rand() % 200);
    add_phrase(&text, writing, phrase);
    size_t last = text.len;
    add_filler(&text, (size_t)rand() % 1000);
    struct str body = {text.bytes, text.len};
    bool seen = is_in(phrase, body, html), found = is_found(phrase, body, html, step);
    ck_assert_msg(found || !seen, "%s, writing %d, step %zu, %zu bytes before: not found in: %.*s",
                  dlp_phrases[phrase].name, writing, step, before, (int)(last - before), text.bytes + before);
    /* A comment that a step cuts is text until its end is there. */
    ck_assert_msg(seen || !found || body.len > DLP_STEP,
                  "%s, writing %d, step %zu, %zu bytes before: found in: %.*s", dlp_phrases[phrase].name,
                  writing, step, before, (int)(last - before), text.bytes + before);
    return seen;
}

START_TEST(all_that_the_whole_shows_is_found)
{
    size_t tried = 0, seen = 0;

    srand(1);
    for (size_t phrase = 0; phrase < dlp_phrase_count; phrase++) {
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

/* Wherever they stand: what vectorscan cannot be asked for as a whole, and their ends alone are no such phrase. */
START_TEST(what_is_told_by_its_end_is_found_everywhere)
{
    static struct text text;
    size_t count = 0;

    for (size_t phrase = 0; phrase < dlp_phrase_count; phrase++) {
        const struct dlp_phrase *row = &dlp_phrases[phrase];
        for (size_t before = 0; row->end != NULL && before < 200; before++, count++) {
            text.len = 0;
            add_word(&text, beacons);
            for (size_t i = 0; i < before; i++)
                add(&text, &"the files of a page and other words of it are here, "[i % 52], 1);
            size_t at = text.len;
            add_word(&text, row->positive);
            add_word(&text, " \n");
            ck_assert_msg(is_found(phrase, (struct str){text.bytes, text.len}, false, 300),
                          "%s: not found behind %zu bytes", row->name, before);
            /* Without its beginning, and with what shows it to all expressions. */
            text.bytes[at + (row->positive[0] != '<')] = '#';
            ck_assert_msg(!is_found(phrase, (struct str){text.bytes, text.len}, false, 300),
                          "%s: found without its beginning", row->name);
        }
    }
    ck_assert_uint_gt(count, 0);
}
END_TEST

SUITE_MAIN("inbound", all_that_the_whole_shows_is_found, what_is_told_by_its_end_is_found_everywhere)
