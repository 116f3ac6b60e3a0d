/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_classes: what the processor's vectors say of bytes is what the plain forms say, and runs are found wherever they lie. */
#include "dlp/classes.h"

#include <string.h>

#include "dlp/anchors.h"
#include "dlp/sketch.h"
#include "dlp/view.h"
#include "tests/unit/suite.h"

#define BLOCKS 400

static uint64_t state = 88172645463325252u;

static uint64_t dice(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

#define CHUNKS (BLOCKS * DLP_BLOCK / DLP_CHUNK)
static char text[BLOCKS * DLP_BLOCK + DLP_CHUNK_BEHIND];

static void fill(void)
{
    static const char some[] =
        "ABCXYZabcxyz0129+/-_.:=~%\\\"\t\n\r @`[{^?;,<>\x01\x08\x7f\x80\xbf\xc0\xc1\xc2\xf4\xf5\xff";

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i < 256 ? (char)i : i < sizeof text / 2 ? some[dice() % sizeof some] : (char)dice();
    for (size_t i = 300; i + 8 < sizeof text;
         i += dice() % 40 + 8) { /* literals, runs, groups that are ASCII's */
        const char *literal = dlp_anchor_literals[dice() % dlp_anchor_literal_count].text;
        if (dice() % 3 == 0)
            memcpy(text + i, literal, strlen(literal));
        else
            memset(text + i, some[dice() % 20], 8);
    }
}

static bool all_of(size_t at, bool is(char c))
{
    return is(text[at]) && is(text[at + 1]) && is(text[at + 2]) && is(text[at + 3]);
}

static bool is_visible(char c)
{
    return c > ' ' && c <= '~';
}

/* Whether the bytes that begin in a group of digits are below 0x80. `digits` have only what is in the group and before it. */
static bool is_ascii(const uint8_t *group, unsigned phase)
{
    static const uint8_t highest[4] = {0x20, 8, 2, 0}; /* bits that begin a byte, in the digits of a group */

    for (unsigned i = 0; i < 4; i++)
        if (group[i] == DLP_NO_DIGIT || (group[i] & highest[(i + 4 - phase) % 4]) != 0)
            return false;
    return true;
}

static bool is_anchor(size_t at)
{
    for (size_t i = 0; i < dlp_anchor_literal_count; i++) {
        const struct dlp_anchor_literal *literal = &dlp_anchor_literals[i];
        size_t same = 0;
        while (literal->text[same] != '\0' &&
               (text[at + same] == literal->text[same] || (literal->caseless && literal->text[same] >= 'a' &&
                                                           (text[at + same] | 0x20) == literal->text[same])))
            same++;
        if (literal->text[same] == '\0')
            return true;
    }
    return false;
}

static bool is_escape(size_t at)
{
    return text[at] == '\\' &&
           (at % DLP_BLOCK == DLP_BLOCK - 1 || (text[at + 1] != 0 && strchr("\"/\\ux", text[at + 1])));
}

static void check_sketch(const struct dlp_sketch *sketches, const uint8_t *values)
{
    for (size_t i = 0; i < BLOCKS * DLP_BLOCK; i++) {
        const struct dlp_sketch *sketch = &sketches[i / DLP_CHUNK];
        const struct dlp_bytes *bytes = &sketch->blocks[i % DLP_CHUNK / DLP_BLOCK];
        uint64_t bit = 1ull << i % DLP_BLOCK, lane = 1ull << i % DLP_CHUNK / DLP_LANE;
        uint8_t c = (uint8_t)text[i];
        ck_assert(((bytes->alnum & bit) != 0) == (dlp_is_core(text[i]) && c != '-' && c != '_'));
        ck_assert(((bytes->plain & bit) != 0) == (c > 8 && c < 0x80));
        ck_assert(((bytes->percent & bit) != 0) == (c == '%'));
        ck_assert(((bytes->nul & bit) != 0) == (c == 0));
        ck_assert(((bytes->high & bit) != 0) == (c >= 0x80));
        ck_assert(((bytes->lead & bit) != 0) == (c >= 0xc0));
        ck_assert(((bytes->escape & bit) != 0) == is_escape(i));
        ck_assert((bytes->anchor & bit) != 0 || !is_anchor(i)); /* those of one group are told apart later */
        if (i % DLP_LANE != 0)
            continue;
        ck_assert(((sketch->core & lane) != 0) == all_of(i, dlp_is_core));
        ck_assert(((sketch->word & lane) != 0) == all_of(i, dlp_is_word));
        ck_assert(((sketch->visible & lane) != 0) == all_of(i, is_visible));
        for (unsigned phase = 0; phase < 4; phase++)
            ck_assert(((sketch->ascii[phase] & lane) != 0) == is_ascii(values + i, phase));
    }
}

/* The forms may differ in anchors alone, where the halves of bytes belong to several. */
static void same_sketches(struct dlp_sketch *one, struct dlp_sketch *other)
{
    for (size_t i = 0; i < CHUNKS; i++)
        for (size_t j = 0; j < DLP_CHUNK / DLP_BLOCK; j++)
            one[i].blocks[j].anchor = other[i].blocks[j].anchor = 0;
    ck_assert_mem_eq(one, other, CHUNKS * sizeof *one);
}

static void check_word_ends(void)
{
    size_t len = sizeof text;

    for (size_t i = 0; i < CHUNKS * DLP_CHUNK; i++) {
        static struct dlp_runs runs;
        uint64_t bit = 1ull << i % DLP_BLOCK;
        if (i % DLP_CHUNK == 0)
            dlp_sketch_runs(text + i, &runs);
        ck_assert(((runs.word[i % DLP_CHUNK / DLP_BLOCK] & bit) != 0) == dlp_is_word(text[i]));
        ck_assert(((runs.core[i % DLP_CHUNK / DLP_BLOCK] & bit) != 0) == dlp_is_core(text[i]));
    }
    for (size_t at = 0; at < 3000; at++) {
        bool other = false, wanted = false;
        size_t end = at;
        for (; end < len && dlp_is_word(text[end]); end++)
            wanted = wanted || strchr("-._:=~", text[end]) != NULL;
        ck_assert_uint_eq(dlp_word_end(text, len, at, &other), end);
        ck_assert(other == wanted);
    }
}

START_TEST(ends_of_words_are_found)
{
    unsigned level;

    for (level = 0; dlp_classes_level(level); level++) {
        fill();
        check_word_ends();
        for (size_t i = 100; i < 2900; i++)
            text[i] = "ab+/0"[dice() % 5];
        text[1000] = '.';
        text[2900] = ' ';
        check_word_ends();
    }
    dlp_classes_level(level - 1);
}
END_TEST

START_TEST(all_forms_say_the_same)
{
    static struct dlp_sketch sketches[2][CHUNKS];
    static struct dlp_digits digits[2][BLOCKS];
    static struct dlp_groups groups[2][BLOCKS];
    static uint8_t values[2][sizeof text];
    unsigned level;

    fill();
    ck_assert(dlp_classes_level(0));
    dlp_sketch(text, CHUNKS, sketches[0]);
    dlp_classify_digits(text, BLOCKS, digits[0]);
    dlp_values64(text, sizeof text, values[0]);
    dlp_ascii_groups(values[0], BLOCKS, groups[0]);
    for (size_t i = 0; i < sizeof text; i++) {
        ck_assert(
            dlp_is_word(text[i]) ==
            (text[i] != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-._:=~",
                                    text[i]) != NULL));
    }
    check_sketch(sketches[0], values[0]);
    for (level = 1; dlp_classes_level(level); level++) {
        memset(sketches[1], 0, sizeof sketches[1]);
        dlp_sketch(text, CHUNKS, sketches[1]);
        check_sketch(sketches[1], values[0]);
        same_sketches(sketches[0], sketches[1]);
        dlp_classify_digits(text, BLOCKS, digits[1]);
        ck_assert_mem_eq(digits[0], digits[1], sizeof digits[0]);
        for (size_t len = 0; len < 200; len++) {
            memset(values[1], 1, 300);
            dlp_values64(text + len, len, values[1]);
            ck_assert_mem_eq(values[0] + len, values[1], len);
            ck_assert_uint_eq(values[1][len], 1);
        }
        dlp_ascii_groups(values[0], BLOCKS, groups[1]);
        ck_assert_mem_eq(groups[0], groups[1], sizeof groups[0]);
    }
    dlp_classes_level(level - 1);
}
END_TEST

/* Runs as a loop over bits finds them. */
static size_t plain_runs(const uint64_t *masks, size_t blocks, struct dlp_span *out)
{
    size_t count = 0, start = 0;

    for (size_t i = 0; i <= blocks * 64; i++) {
        bool set = i < blocks * 64 && masks[i / 64] >> i % 64 & 1;
        if (set)
            continue;
        if (i - start >= DLP_RUN_MIN)
            out[count++] = (struct dlp_span){start, i};
        start = i + 1;
    }
    return count;
}

START_TEST(runs_are_found_over_blocks)
{
    for (int round = 0; round < 20000; round++) {
        uint64_t masks[6];
        struct dlp_span wanted[60], got[60], ended[5];
        struct dlp_run run = {.open = false};
        size_t count = 0;
        for (size_t i = 0; i < 6; i++) {
            masks[i] = dice() | dice() | dice();
            masks[i] |= round % 3 == 0 ? dice() | dice() : 0;
            if (dice() % 8 == 0)
                masks[i] = UINT64_MAX;
            if (dice() % 8 == 0)
                masks[i] = UINT64_MAX << dice() % 64;
            if (dice() % 8 == 0)
                masks[i] = UINT64_MAX >> dice() % 64;
        }
        size_t all = plain_runs(masks, 6, wanted);
        for (size_t i = 0; i < 6; i++) {
            size_t some = dlp_run_next(&run, masks[i], 64 * i, ended);
            memcpy(got + count, ended, some * sizeof *ended);
            count += some;
        }
        if (dlp_run_last(&run, 384, ended) > 0)
            got[count++] = ended[0];
        ck_assert_uint_eq(count, all);
        ck_assert_mem_eq(got, wanted, all * sizeof *got);
    }
}
END_TEST

SUITE_MAIN("classes", all_forms_say_the_same, ends_of_words_are_found, runs_are_found_over_blocks)
