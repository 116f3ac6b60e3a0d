/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_scan_fields: heads, what is split over their fields and over consecutive messages, and line ends that are smuggled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlp/engine.h"
#include "tests/dlp/rig.h"
#include "tests/dlp/writing.h"
#include "tests/unit/suite.h"

#define GITHUB                                                                                               \
    "ghp"                                                                                                    \
    "_d4JLa6dy2Fw2Ro7lsEDY8K2IAWly9g3BNy1L"

static struct dlp_engine *engine;

__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
}

struct given {
    enum dlp_surface surface;
    const char *name, *value;
};

static struct dlp_scan *begin(struct dlp_carry *carry)
{
    struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN, .carry = carry};
    struct dlp_scan *scan = dlp_scan_begin(engine, &message);

    ck_assert_ptr_nonnull(scan);
    return scan;
}

static enum dlp_answer give(struct dlp_scan *scan, const struct given *given, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dlp_scan_field(scan, given[i].surface, str_of(given[i].name), str_of(given[i].value));
    return dlp_scan_fields(scan);
}

static const struct dlp_finding *finding(struct dlp_scan *scan, const char *rule, enum dlp_surface surface,
                                         uint32_t field)
{
    size_t count;
    const struct dlp_finding *all = dlp_scan_findings(scan, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(dlp_rules_get(dlp_engine_rules(engine), all[i].rule)->name, rule) == 0 &&
            all[i].surface == surface && all[i].field == field)
            return &all[i];
    return NULL;
}

static const struct given ordinary[] = {
    {DLP_METHOD, "", "POST"},
    {DLP_PATH, "", "/v1/messages/1234"},
    {DLP_QUERY, "", "beta=true&tag=a%20b"},
    {DLP_HOST, "", "api.example.com"},
    {DLP_VALUE, "User-Agent", "agent/1.2.3 (linux; x86_64)"},
    {DLP_VALUE, "Content-Type", "application/json"},
    {DLP_VALUE, "X-Request-Id", "7b6f0a52-91c4-4a7e-8f53-0d1c2b3a4e5f"},
    {DLP_COOKIE, "", "session=abc; theme=dark"},
};
#define ORDINARY (sizeof ordinary / sizeof ordinary[0])

START_TEST(an_ordinary_head_passes)
{
    static struct dlp_carry carry;

    for (int i = 0; i < 3; i++) {
        struct dlp_scan *scan = begin(&carry);
        ck_assert_int_eq(give(scan, ordinary, ORDINARY), DLP_PASS);
        dlp_scan_end(scan);
    }
}
END_TEST

/* The answer for one field behind the ordinary ones. */
static enum dlp_answer answer_to(unsigned detectors, struct dlp_carry *carry, struct given last)
{
    struct dlp_message message = {.detectors = detectors, .carry = carry};
    struct given given[ORDINARY + 1];
    struct dlp_scan *scan = dlp_scan_begin(engine, &message);

    memcpy(given, ordinary, sizeof ordinary);
    given[ORDINARY] = last;
    enum dlp_answer answer = give(scan, given, ORDINARY + 1);
    dlp_scan_end(scan);
    return answer;
}

START_TEST(a_head_in_which_nothing_was_is_remembered_and_no_other)
{
    const struct given clean = {DLP_VALUE, "X-Number", "1"}, secret = {DLP_VALUE, "X-Number", GITHUB};
    char number[16], *large = malloc(2 * DLP_CLEAN_MAX);
    unsigned before = engine->next_clean;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(answer_to(DLP_TOKENS, NULL, clean), DLP_PASS);
        ck_assert_int_eq(answer_to(DLP_TOKENS, NULL, secret), DLP_FOUND);
    }
    ck_assert_uint_eq(engine->next_clean, before + 1);
    for (int i = 0; i < 100; i++) { /* more than there is room for */
        snprintf(number, sizeof number, "%d", i / 2 % 20);
        ck_assert_int_eq(answer_to(DLP_TOKENS, NULL, (struct given){DLP_VALUE, "X-Number", number}),
                         DLP_PASS);
    }
    ck_assert_uint_gt(engine->next_clean, before + 20);
    before = engine->next_clean;
    memset(large, '-', 2 * DLP_CLEAN_MAX);
    large[2 * DLP_CLEAN_MAX - 1] = '\0';
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(answer_to(DLP_TOKENS, NULL, (struct given){DLP_VALUE, "X-Large", large}), DLP_PASS);
        memcpy(large + DLP_CLEAN_MAX, GITHUB, sizeof GITHUB - 1);
        ck_assert_int_eq(answer_to(DLP_TOKENS, NULL, (struct given){DLP_VALUE, "X-Large", large}), DLP_FOUND);
        memset(large + DLP_CLEAN_MAX, '-', sizeof GITHUB - 1);
    }
    ck_assert_uint_eq(engine->next_clean, before);
    free(large);
}
END_TEST

START_TEST(what_is_remembered_is_the_whole_head_and_what_was_looked_for)
{
    static const struct given values[] = {{DLP_PATH, "", "/a"}, {DLP_VALUE, "X", "b%0ac"}},
                              cut[] = {{DLP_PATH, "", "/aXb%0ac"}, {DLP_VALUE, "", ""}},
                              moved[] = {{DLP_PATH, "", "/aX"}, {DLP_PATH, "", "b%0ac"}};
    struct dlp_scan *scan;

    for (int i = 0; i < 2; i++) {
        scan = begin(NULL);
        ck_assert_int_eq(give(scan, values, 2), DLP_PASS);
        dlp_scan_end(scan);
        scan = begin(NULL);
        ck_assert_int_eq(give(scan, cut, 2), DLP_VIOLATION);
        dlp_scan_end(scan);
        scan = begin(NULL);
        ck_assert_int_eq(give(scan, moved, 2), DLP_VIOLATION);
        dlp_scan_end(scan);
        ck_assert_int_eq(answer_to(DLP_KNOWN, NULL, (struct given){DLP_VALUE, "X", GITHUB}), DLP_PASS);
        ck_assert_int_eq(answer_to(DLP_TOKENS, NULL, (struct given){DLP_VALUE, "X", GITHUB}), DLP_FOUND);
    }
}
END_TEST

/* The end of a secret, which is nothing by itself, comes again behind its beginning. */
START_TEST(a_head_that_is_known_still_goes_on_where_the_last_one_ended)
{
    for (int cut = 1; cut < 20; cut++) {
        struct dlp_carry carry = {.clock = 0};
        char front[64], end[64];
        snprintf(front, sizeof front, "%.*s", cut, GITHUB);
        snprintf(end, sizeof end, "%s", &GITHUB[cut]);
        const struct given last = {DLP_VALUE, "X-Piece", end}, first = {DLP_VALUE, "X-Piece", front};
        enum dlp_answer alone = answer_to(DLP_TOKENS, NULL, last);
        unsigned remembered = engine->next_clean;
        ck_assert_int_eq(answer_to(DLP_TOKENS, NULL, last), alone);
        ck_assert_uint_eq(engine->next_clean, remembered);
        ck_assert_int_eq(alone, DLP_PASS);
        ck_assert_int_eq(answer_to(DLP_TOKENS, &carry, first), DLP_PASS);
        ck_assert_int_eq(answer_to(DLP_TOKENS, &carry, last), DLP_FOUND);
    }
}
END_TEST

/* On each surface, alone and in each writing that can stand there. */
START_TEST(a_secret_on_each_surface_is_found)
{
    static const enum writing writings[] = {WRITE_RAW,       WRITE_PERCENT, WRITE_BASE64,
                                            WRITE_BASE64URL, WRITE_BASE32,  WRITE_HEX};

    for (size_t field = 0; field < ORDINARY; field++)
        for (size_t w = 0; w < sizeof writings / sizeof writings[0]; w++) {
            struct given given[ORDINARY];
            char value[512];
            size_t start, end, front = strlen(ordinary[field].value), len;
            memcpy(given, ordinary, sizeof given);
            memcpy(value, ordinary[field].value, front);
            value[front++] = '/';
            len = write_as(writings[w], 0, str_of(GITHUB), value + front, &start, &end);
            value[front + len] = '\0';
            given[field].value = value;
            struct dlp_scan *scan = begin(NULL);
            ck_assert_int_eq(give(scan, given, ORDINARY), DLP_FOUND);
            const struct dlp_finding *is =
                finding(scan, "github-token", given[field].surface, (uint32_t)field);
            ck_assert_msg(is != NULL, "%s: %s", dlp_surface_name(given[field].surface), value);
            ck_assert(is->redactable);
            ck_assert_msg(is->start <= front + start + 12 && is->end >= front + end, "%s: %s: %zu to %zu",
                          dlp_surface_name(given[field].surface), value, (size_t)is->start, (size_t)is->end);
            dlp_scan_end(scan);
        }
}
END_TEST

START_TEST(a_secret_in_a_field_name_is_found)
{
    static const struct given given[] = {{DLP_VALUE, "Accept", "*/*"}, {DLP_VALUE, "X-" GITHUB, "1"}};
    struct dlp_scan *scan = begin(NULL);

    ck_assert_int_eq(give(scan, given, 2), DLP_FOUND);
    const struct dlp_finding *is = finding(scan, "github-token", DLP_NAME, 1);
    ck_assert_ptr_nonnull(is);
    ck_assert_uint_eq(is->end, 2 + sizeof GITHUB - 1);
    dlp_scan_end(scan);
}
END_TEST

/* Cut in two at every byte: over two fields, two parameters, two labels, two segments. */
START_TEST(a_secret_split_over_fields_is_found)
{
    static const struct {
        enum dlp_surface surface;
        const char *front, *between; /* NULL: two fields */
    } splits[] = {
        {DLP_VALUE, NULL, NULL}, {DLP_TRAILER, NULL, NULL}, {DLP_QUERY, "a=", "&b="},
        {DLP_PATH, "/x/", "/"},  {DLP_HOST, "", "."},       {DLP_COOKIE, "a=", ";b="},
    };

    for (size_t s = 0; s < sizeof splits / sizeof splits[0]; s++)
        for (int cut = 1; cut < (int)sizeof GITHUB - 1; cut++) {
            char one[128], two[128];
            struct given given[3] = {{splits[s].surface, "X-One", one},
                                     {DLP_VALUE, "Accept", "*/*"},
                                     {splits[s].surface, "X-Two", two}};
            snprintf(two, sizeof two, "%s", &GITHUB[cut]);
            snprintf(one, sizeof one, "%.*s", cut, GITHUB);
            if (splits[s].front != NULL) {
                snprintf(one, sizeof one, "%s%.*s%s%s", splits[s].front, cut, GITHUB, splits[s].between,
                         &GITHUB[cut]);
                given[2] = (struct given){DLP_VALUE, "X-Other", "z"};
            }
            struct dlp_scan *scan = begin(NULL);
            enum dlp_answer answer = give(scan, given, 3);
            bool first = finding(scan, "github-token", splits[s].surface, 0) != NULL;
            bool last = finding(scan, "github-token", splits[s].surface, 2) != NULL;
            bool split =
                splits[s].front == NULL; /* then "ghp_" alone, which says nothing, is left as it is */
            ck_assert_msg(answer == DLP_FOUND && first == (!split || cut > 4) && last == split,
                          "%s cut at %d", dlp_surface_name(splits[s].surface), cut);
            dlp_scan_end(scan);
        }
}
END_TEST

/* The same over consecutive messages, in three pieces, with others between them to the same host. */
START_TEST(a_secret_split_over_messages_is_found)
{
    static const enum dlp_surface surfaces[] = {DLP_QUERY, DLP_PATH, DLP_VALUE, DLP_HOST};

    for (size_t s = 0; s < 4; s++)
        for (int cut = 1; cut < 20; cut++) {
            struct dlp_carry carry = {.clock = 0};
            enum dlp_answer answer = DLP_PASS;
            struct dlp_scan *scan = NULL;
            int at = 0;
            for (int i = 0; i < 3; i++) {
                int len = i < 2 ? cut : (int)sizeof GITHUB - 1 - at;
                char value[128];
                struct given given[ORDINARY + 1];
                memcpy(given, ordinary, sizeof ordinary);
                given[ORDINARY] = (struct given){surfaces[s], "X-Piece", value};
                if (s < 2)
                    snprintf(value, sizeof value, s == 0 ? "n=%d&piece=%.*s" : "/log/%d/%.*s", i, len,
                             &GITHUB[at]);
                else
                    snprintf(value, sizeof value, "%.*s", len, &GITHUB[at]);
                at += len;
                dlp_scan_end(scan);
                scan = begin(&carry);
                answer = give(scan, given, ORDINARY + 1);
                ck_assert_msg(i == 2 || answer == DLP_PASS, "%s cut at %d", dlp_surface_name(surfaces[s]),
                              cut);
            }
            const struct dlp_finding *is = finding(scan, "github-token", surfaces[s], ORDINARY);
            ck_assert_msg(answer == DLP_FOUND && is != NULL && is->across, "%s cut at %d",
                          dlp_surface_name(surfaces[s]), cut);
            dlp_scan_end(scan);
        }
}
END_TEST

START_TEST(a_secret_split_over_bodies_is_found)
{
    for (size_t cut = 1; cut < sizeof RIG_TOKEN - 1; cut++) {
        struct dlp_carry carry = {.clock = 0};
        struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN, .carry = &carry};
        char first[256];
        int len = snprintf(first, sizeof first, "some text in front: %.*s", (int)cut, RIG_TOKEN);
        struct rig_result result = rig_body(engine, &message, (struct str){first, (size_t)len}, 7);
        bool fragment = result.answer == DLP_FOUND; /* a dozen behind "kx9_" are a find by themselves */
        ck_assert(fragment == (cut >= 4 + DLP_FRAGMENT));
        result = rig_body(engine, &message, str_of(&RIG_TOKEN[cut]), 7);
        ck_assert_int_eq(result.answer, DLP_FOUND);
        ck_assert(result.findings[0].across);
        ck_assert_uint_eq(result.findings[0].start, 0);
        ck_assert_uint_eq(result.findings[0].end, sizeof RIG_TOKEN - 1 - cut);
        dlp_carry_wipe(&carry);
        ck_assert_uint_eq(carry.clock, 0);
    }
}
END_TEST

START_TEST(line_ends_are_not_smuggled)
{
    static const struct {
        struct given given;
        bool refused;
    } table[] = {
        {{DLP_PATH, "", "/a%0d%0ab"}, true},
        {{DLP_PATH, "", "/a%0Ab"}, true},
        {{DLP_PATH, "", "/a%00b"}, true},
        {{DLP_PATH, "", "/a%250d%250ab"}, true},
        {{DLP_PATH, "", "/a%20b%2Fc"}, false},
        {{DLP_QUERY, "", "q=x%0d%0aSet-Cookie:%20a=b"}, true},
        {{DLP_QUERY, "", "q=x%0aHost:evil.example"}, true},
        {{DLP_QUERY, "", "q=x%0d%0a%0d%0aGET%20/HTTP/1.1"}, false},
        {{DLP_QUERY, "", "q=x%20HTTP/1.1%0d%0aHost:%20evil.example"}, true},
        {{DLP_QUERY, "", "q=x%00"}, true},
        {{DLP_QUERY, "", "text=two%0Alines%20of%20text"}, false},
        {{DLP_QUERY, "", "sql=select%20*%0Afrom%20t"}, false},
        {{DLP_VALUE, "X-Next", "/x%0d%0aLocation:%20/y"}, true},
        {{DLP_VALUE, "X-Next", "100%0a"}, false},
        {{DLP_METHOD, "", "GET"}, false},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct dlp_scan *scan = begin(NULL);
        enum dlp_answer answer = give(scan, &table[i].given, 1);
        ck_assert_msg(answer == (table[i].refused ? DLP_VIOLATION : DLP_PASS), "%s", table[i].given.value);
        ck_assert_int_eq(dlp_scan_violation(scan), table[i].refused ? DLP_INJECTION : DLP_NO_VIOLATION);
        dlp_scan_end(scan);
    }
}
END_TEST

START_TEST(too_many_fields_are_refused)
{
    struct dlp_scan *scan = begin(NULL);
    char *big = malloc(70000);

    memset(big, 'a', 70000);
    dlp_scan_field(scan, DLP_VALUE, str_of("x"), (struct str){big, 70000});
    ck_assert_int_eq(dlp_scan_fields(scan), DLP_VIOLATION);
    ck_assert_int_eq(dlp_scan_violation(scan), DLP_FAILED);
    dlp_scan_end(scan);
    scan = begin(NULL);
    for (int i = 0; i < 2000; i++)
        dlp_scan_field(scan, DLP_VALUE, str_of("x"), str_of("y"));
    ck_assert_int_eq(dlp_scan_fields(scan), DLP_VIOLATION);
    dlp_scan_end(scan);
    free(big);
}
END_TEST

SUITE_MAIN("scan_fields", an_ordinary_head_passes, a_head_in_which_nothing_was_is_remembered_and_no_other,
           what_is_remembered_is_the_whole_head_and_what_was_looked_for,
           a_head_that_is_known_still_goes_on_where_the_last_one_ended, a_secret_on_each_surface_is_found,
           a_secret_in_a_field_name_is_found, a_secret_split_over_fields_is_found,
           a_secret_split_over_messages_is_found, a_secret_split_over_bodies_is_found,
           line_ends_are_not_smuggled, too_many_fields_are_refused)
