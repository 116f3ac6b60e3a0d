/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_budget: what fits into a minute, by a clock of the test's, and how a budget is written. */
#include "core/budget.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

#define START 5000000u /* ms; a clock begins anywhere */

START_TEST(the_limit_is_reached_to_the_byte_and_not_passed)
{
    struct budget budget = {0};

    ck_assert(budget_spend(&budget, 5000, 4999, START));
    ck_assert(!budget_spend(&budget, 5000, 2, START));
    ck_assert(budget_spend(&budget, 5000, 1, START)); /* what was refused took nothing */
    ck_assert(!budget_spend(&budget, 5000, 1, START + 30000));
    ck_assert(budget_spend(&budget, 5000, 0, START + 30000));
    ck_assert(!budget_fits(&budget, 5000, UINT64_MAX, START));
    ck_assert(!budget_fits(&budget, 4000, 0, START));            /* a smaller limit came: what went counts */
    ck_assert(budget_spend(&budget, 6000, 1000, START + 30000)); /* a larger one */
}
END_TEST

START_TEST(bytes_come_back_when_a_minute_has_passed_since_each)
{
    struct budget budget = {0};

    ck_assert(budget_spend(&budget, 3000, 2000, START + 999));
    ck_assert(budget_spend(&budget, 3000, 1000, START + 20000));
    ck_assert(!budget_spend(&budget, 3000, 1, START + 60999)); /* a minute later, not more */
    ck_assert(!budget_spend(&budget, 3000, 2001, START + 61000));
    ck_assert(budget_spend(&budget, 3000, 2000, START + 61000));
    ck_assert(!budget_spend(&budget, 3000, 1, START + 80999));
    ck_assert(budget_spend(&budget, 3000, 1000, START + 81000));
    ck_assert(budget_spend(&budget, 3000, 3000, START + 900000)); /* longer than the ring */
    ck_assert(!budget_spend(&budget, 3000, 1, START + 900000));
}
END_TEST

/* Against a list of all that went: at random times, in no 60 s more than the limit, and never refused for what went 61 s ago. */
START_TEST(no_minute_has_more_than_the_limit_wherever_it_begins)
{
    enum { LIMIT = 5000, COUNT = 20000 };
    static struct {
        uint64_t at, bytes;
    } went[COUNT];
    struct budget budget = {0};
    uint64_t now = START;
    size_t count = 0, refused = 0, first = 0, surely = 0;
    uint64_t within = 0, recent = 0;

    srand(7);
    for (int i = 0; i < COUNT; i++) {
        uint64_t bytes = (uint64_t)rand() % 700;
        now += (uint64_t)rand() % (rand() % 100 == 0 ? 70000 : 3000);
        for (; first < count && went[first].at + 60000 <= now; first++)
            within -= went[first].bytes;
        for (; surely < count && went[surely].at + 61000 <= now; surely++)
            recent -= went[surely].bytes;
        if (budget_spend(&budget, LIMIT, bytes, now)) {
            went[count].at = now;
            went[count++].bytes = bytes;
            within += bytes;
            recent += bytes;
            ck_assert_uint_le(within, LIMIT);
        } else {
            ck_assert_uint_gt(recent + bytes, LIMIT);
            refused++;
        }
    }
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(count, 1000);
}
END_TEST

START_TEST(after_the_time_that_it_says_the_bytes_fit_and_not_before)
{
    struct budget budget = {0};

    ck_assert(budget_spend(&budget, 3000, 1000, START));
    ck_assert(budget_spend(&budget, 3000, 2000, START + 10000));
    static const struct {
        uint64_t bytes;
        unsigned wait;
    } cases[] = {{1, 51}, {1000, 51}, {1001, 61}, {3000, 61}, {3001, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct budget copy = budget;
        ck_assert_uint_eq(budget_wait(&budget, 3000, cases[i].bytes, START + 10000), cases[i].wait);
        if (cases[i].wait == 0)
            continue;
        ck_assert(!budget_fits(&copy, 3000, cases[i].bytes, START + 10000 + cases[i].wait * 1000 - 1));
        ck_assert(budget_fits(&copy, 3000, cases[i].bytes, START + 10000 + cases[i].wait * 1000));
    }
}
END_TEST

START_TEST(an_alarm_is_raised_once_a_minute)
{
    struct budget budget = {0};

    ck_assert(budget_alarm(&budget, 0));
    ck_assert(!budget_alarm(&budget, 0));
    ck_assert(!budget_alarm(&budget, 59999));
    ck_assert(budget_alarm(&budget, 60000));
    ck_assert(!budget_alarm(&budget, 61000));
}
END_TEST

START_TEST(what_is_written_is_read_and_written_again)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *again;
    } good[] = {{"1k/minute", 1024, "1k/minute"},
                {"1024/minute", 1024, "1k/minute"},
                {"1025/minute", 1025, "1025/minute"},
                {"10m/minute", 10485760, "10m/minute"},
                {"2048k/minute", 2097152, "2m/minute"},
                {"1024g/minute", BUDGET_MAX, "1024g/minute"},
                {"1100000/minute", 1100000, "1100000/minute"}};
    static const char *const bad[] = {"",
                                      "/minute",
                                      "10m",
                                      "10m/second",
                                      "10m/min",
                                      "m/minute",
                                      "-1/minute",
                                      "10M/minute",
                                      "10 m/minute",
                                      "10mb/minute",
                                      "1.5m/minute",
                                      "10m/minute ",
                                      "0/minute",
                                      "1023/minute",
                                      "1025g/minute",
                                      "0x800/minute",
                                      "18446744073709551617/minute",
                                      "99999999999999999999999999/minute",
                                      "1048577m/minute"};
    char text[BUDGET_TEXT];
    uint64_t bytes = 0;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(budget_parse(str_of(good[i].text), &bytes) == NULL, "%s", good[i].text);
        ck_assert_uint_eq(bytes, good[i].bytes);
        budget_format(bytes, text);
        ck_assert_str_eq(text, good[i].again);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(budget_parse(str_of(bad[i]), &bytes) != NULL, "%s", bad[i]);
}
END_TEST

SUITE_MAIN("budget", the_limit_is_reached_to_the_byte_and_not_passed,
           bytes_come_back_when_a_minute_has_passed_since_each,
           no_minute_has_more_than_the_limit_wherever_it_begins,
           after_the_time_that_it_says_the_bytes_fit_and_not_before, an_alarm_is_raised_once_a_minute,
           what_is_written_is_read_and_written_again)
