/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_classes: what the processor's vectors say of bytes is what the plain forms say, and runs are found wherever they lie. */
#include "dlp/classes.h"

#include <string.h>

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

static char text[BLOCKS * DLP_BLOCK];

static void fill(void)
{
    static const char some[] =
        "ABCXYZabcxyz0129+/-_.:=~%\\\"\t\n\r @`[{^?;,<>\x01\x08\x7f\x80\xbf\xc0\xc1\xc2\xf4\xf5\xff";

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i < 256 ? (char)i : i < sizeof text / 2 ? some[dice() % sizeof some] : (char)dice();
}

START_TEST(all_forms_say_the_same)
{
    static struct dlp_masks masks[2][BLOCKS];
    static struct dlp_digits digits[2][BLOCKS];
    static struct dlp_groups groups[2][BLOCKS];
    static uint8_t values[2][BLOCKS * DLP_BLOCK];
    unsigned level;

    fill();
    ck_assert(dlp_classes_level(0));
    dlp_classify(text, BLOCKS, masks[0]);
    dlp_classify_digits(text, BLOCKS, digits[0]);
    dlp_values64(text, sizeof text, values[0]);
    dlp_ascii_groups(values[0], BLOCKS, groups[0]);
    for (size_t i = 0; i < sizeof text; i++) {
        uint64_t bit = 1ull << i % DLP_BLOCK;
        ck_assert(dlp_is_word(text[i]) == ((masks[0][i / DLP_BLOCK].word & bit) != 0));
        ck_assert(dlp_is_core(text[i]) == ((masks[0][i / DLP_BLOCK].core & bit) != 0));
        ck_assert(
            dlp_is_word(text[i]) ==
            (text[i] != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-._:=~",
                                    text[i]) != NULL));
    }
    for (level = 1; dlp_classes_level(level); level++) {
        memset(masks[1], 0, sizeof masks[1]);
        dlp_classify(text, BLOCKS, masks[1]);
        ck_assert_mem_eq(masks[0], masks[1], sizeof masks[0]);
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

SUITE_MAIN("classes", all_forms_say_the_same, runs_are_found_over_blocks)
