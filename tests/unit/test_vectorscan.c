/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vectorscan: what PCRE2 finds of the tables' expressions, vectorscan finds too, wherever it stands. It promises so, but 5.4.9
 * loses some, by what stands in front and at which address. Matches are made up from each expression, put among
 * other bytes, and shown to the compiled databases. An expression that fails here is told by its end (dlp/phrases.h). STOPPER_SEED
 * and STOPPER_TRIES are for a longer search by hand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlp/engine.h"
#include "dlp/phrases.h"
#include "dlp/tokens.h"
#include "tests/dlp/automaton.h"
#include "tests/dlp/rig.h"
#include "tests/unit/suite.h"

#define TRIES     250 /* of each expression */
#define MATCH_MAX 2048
#define TEXT_MAX  8192

static struct dlp_engine *engine;
static unsigned seed = 1;
static size_t tries = TRIES;

__attribute__((constructor)) static void make(void)
{
    const char *other = getenv("STOPPER_SEED"), *more = getenv("STOPPER_TRIES");

    engine = rig_engine();
    seed = other != NULL ? (unsigned)strtoul(other, NULL, 10) : seed;
    tries = more != NULL ? strtoul(more, NULL, 10) : tries;
}

struct text {
    size_t len;
    char bytes[TEXT_MAX];
};

static void add(struct text *text, const char *bytes, size_t len)
{
    if (len > TEXT_MAX - text->len)
        abort();
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void add_filler(struct text *text, size_t len)
{
    static const char *const kinds[] = {
        "the files of a page and other words of it are here,\nwith a line's end (and more: 1, 2 and 3). ",
        "<p class=\"q\">a <b>word</b><br/></p>\n<!-- x -->{\"name\": \"value\", \"k\": [1, 2]} ",
        "Zm9vYmFyYmF6cXV4cXV1eGNvcmdl+9f3a/0c4b7d_5-e", "-----=====_____::::....////    ", " "};
    if (rand() % 3 == 0) { /* a few bytes in a row of all there are */
        int low = rand() % 2 == 0 ? '!' : rand() % 256, count = 1 + rand() % (rand() % 2 == 0 ? 4 : 90);
        for (size_t i = 0; i < len; i++)
            add(text, &(char){(char)(low + rand() % count)}, 1);
        return;
    }
    const char *kind = kinds[(size_t)rand() % (sizeof kinds / sizeof kinds[0])];
    size_t size = strlen(kind), from = (size_t)rand() % size;

    for (size_t i = 0; i < len; i++)
        add(text, kind + (from + i) % size, 1);
}

/* One expression in the databases that may have it. */
struct subject {
    const char *name, *what, *expression;
    unsigned id;
    uint32_t options; /* PCRE2's */
    enum dlp_base first, last;
};

/* Where matches of it end, as one database says. */
struct ends {
    unsigned id;
    bool all[TEXT_MAX + 1];
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context)
{
    struct ends *ends = context;

    if (id == ends->id)
        ends->all[to] = true;
    return 0;
}

/* Whether the database knows where every match of what was made ends; *matches: how many PCRE2 has. */
static bool finds_all(const hs_database_t *database, const struct subject *subject, const pcre2_code *code,
                      const struct text *text, size_t made, size_t *matches)
{
    static struct ends ends;
    static _Alignas(64) char shown[TEXT_MAX + 64];
    char *at_some_address = shown + rand() % 64;
    const PCRE2_SIZE *pair = pcre2_get_ovector_pointer(engine->match);

    ends.id = subject->id;
    memset(ends.all, 0, text->len + 1);
    memcpy(at_some_address, text->bytes, text->len);
    if (hs_scan(database, at_some_address, (unsigned)text->len, 0, engine->scratch, on_match, &ends) !=
        HS_SUCCESS)
        abort();
    for (size_t at = made;
         pcre2_match(code, (PCRE2_SPTR)text->bytes, text->len, at, 0, engine->match, NULL) >= 0;
         at = pair[1]) {
        ++*matches;
        if (!ends.all[pair[1]])
            return false;
    }
    return true;
}

/* Mostly a word may begin or end there. */
static void add_edge(struct text *text)
{
    if (rand() % 8 != 0)
        add(text, &" \n\n(="[(size_t)rand() % 5], 1);
}

/* What a match can stand behind, now and then another one that is not whole. Returns where the match is. */
static size_t make_text(struct text *text, const struct automaton *automaton)
{
    char match[MATCH_MAX];

    text->len = 0;
    add_filler(text, (size_t)rand() % (rand() % 8 == 0 ? 1500 : 200));
    if (rand() % 4 == 0) {
        add(text, match, (size_t)rand() % (automaton_match(automaton, match, sizeof match) + 1));
        add_filler(text, (size_t)rand() % 40);
    }
    add_edge(text);
    size_t made = text->len;
    add(text, match, automaton_match(automaton, match, sizeof match));
    add_edge(text);
    add_filler(text, (size_t)rand() % 80);
    return made;
}

static pcre2_code *compiled(const struct subject *subject)
{
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)subject->expression, PCRE2_ZERO_TERMINATED, subject->options,
                                     &error, &offset, NULL);

    ck_assert_msg(code != NULL, "%s: %s", subject->name, subject->expression);
    return code;
}

/* A database that has the expression finds it always, and one has it. */
static void is_found(const struct subject *subject)
{
    static struct text text, example;
    struct automaton automaton;
    pcre2_code *code = compiled(subject);
    size_t had = 0, seen = 0;

    automaton_init(&automaton, subject->expression);
    for (enum dlp_base base = subject->first; base <= subject->last; base++) {
        const hs_database_t *database = engine->rules->bases[base];
        size_t found = 0, lost = 0;
        if (database == NULL)
            continue;
        seen = 0;
        srand(seed);
        for (size_t i = 0; i < tries && (found > 0 || lost < tries / 4); i++) {
            size_t made = make_text(&text, &automaton), matches = 0;
            bool all = finds_all(database, subject, code, &text, made, &matches);
            seen += matches > 0;
            found += all && matches > 0;
            lost += !all;
            if (!all)
                example = text;
        }
        ck_assert_msg(found == 0 || lost == 0,
                      "%s of %s, seed %u: vectorscan has lost %zu of %zu, one of them in:\n%.*s",
                      subject->what, subject->name, seed, lost, seen, (int)example.len, example.bytes);
        had += found > 0;
    }
    ck_assert_msg(had > 0, "%s of %s: no database has it", subject->what, subject->name);
    automaton_fini(&automaton);
    pcre2_code_free(code);
}

START_TEST(tokens)
{
    for (size_t i = 0; i < dlp_token_count; i++)
        is_found(&(struct subject){.name = dlp_tokens[i].name,
                                   .what = "expression",
                                   .expression = dlp_tokens[i].expression,
                                   .id = (unsigned)i,
                                   .options = dlp_tokens[i].flags & DLP_TOKEN_CASELESS ? PCRE2_CASELESS : 0,
                                   .first = DLP_BASE_WORDS,
                                   .last = DLP_BASE_REST});
}
END_TEST

START_TEST(phrases)
{
    for (size_t i = 0; i < dlp_phrase_count; i++)
        is_found(&(struct subject){.name = dlp_phrases[i].name,
                                   .what = "expression",
                                   .expression = dlp_phrases[i].expression,
                                   .id = (unsigned)i,
                                   .first = DLP_BASE_PHRASES,
                                   .last = DLP_BASE_PHRASES});
}
END_TEST

START_TEST(anchors)
{
    for (size_t i = 0; i < dlp_phrase_count; i++)
        is_found(&(struct subject){.name = dlp_phrases[i].name,
                                   .what = "anchors",
                                   .expression = dlp_phrases[i].anchors,
                                   .id = (unsigned)i,
                                   .first = DLP_BASE_ANCHORS,
                                   .last = DLP_BASE_ANCHORS});
}
END_TEST

SUITE_MAIN("vectorscan", tokens, phrases, anchors)
