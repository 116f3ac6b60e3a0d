/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_search: what is kept of hosts between their messages: who uses it has it, and of the rest the last ones are. */
#include "proxy/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/limits.h"
#include "tests/unit/suite.h"

static struct search *search;

static struct dlp_carry *use(unsigned number)
{
    char name[32];

    snprintf(name, sizeof name, "h%u.example", number);
    struct dlp_carry *carry = search_carry(search, name);
    ck_assert_ptr_nonnull(carry);
    return carry;
}

static void begin(void)
{
    search = search_new();
    ck_assert_ptr_nonnull(search);
}

/* There is no end of a worker's search; what a test leaves unused goes with the process. */

START_TEST(a_host_is_known_by_its_name_while_it_is_used_and_afterwards)
{
    begin();
    struct dlp_carry *one = use(1), *two = use(2);

    ck_assert_ptr_ne(one, two);
    ck_assert_ptr_eq(use(1), one); /* by two at once */
    one->clock = 7;
    search_carry_back(search, one);
    search_carry_back(search, one);
    search_carry_back(search, two);
    ck_assert_ptr_eq(use(1), one);
    ck_assert_uint_eq(one->clock, 7);
    ck_assert_uint_eq(two->clock, 0);
    search_carry_back(search, NULL);
}
END_TEST

START_TEST(of_hosts_that_nobody_uses_the_last_ones_are_kept)
{
    begin();
    for (unsigned i = 0; i < CARRIES_MAX; i++) {
        struct dlp_carry *carry = use(i);
        carry->clock = 1 + i;
        search_carry_back(search, carry);
    }
    search_carry_back(search, use(0)); /* again, so it is not the oldest any more */
    search_carry_back(search, use(CARRIES_MAX));
    search_carry_back(search, use(CARRIES_MAX + 1));
    struct dlp_carry *carry = use(0);
    ck_assert_uint_eq(carry->clock, 1);
    search_carry_back(search, carry);
    carry = use(3);
    ck_assert_uint_eq(carry->clock, 4);
    search_carry_back(search, carry);
    carry = use(1);
    ck_assert_uint_eq(carry->clock, 0); /* forgotten, as is 2 */
    search_carry_back(search, carry);
}
END_TEST

START_TEST(what_is_used_is_never_forgotten_however_much_it_is)
{
    static struct dlp_carry *carries[4 * CARRIES_TABLE];
    struct timespec begun, ended;

    begin();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    for (unsigned i = 0; i < 4 * CARRIES_TABLE; i++) {
        carries[i] = use(i);
        carries[i]->clock = 1 + i;
    }
    for (unsigned i = 0; i < 4 * CARRIES_TABLE; i++) {
        ck_assert_ptr_eq(use(i), carries[i]);
        ck_assert_uint_eq(carries[i]->clock, 1 + i);
        search_carry_back(search, carries[i]);
    }
    for (unsigned i = 0; i < 4 * CARRIES_TABLE; i++)
        search_carry_back(search, carries[i]);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    for (unsigned i = 0; i < CARRIES_MAX; i++) { /* and then only so many are kept */
        unsigned last = 4 * CARRIES_TABLE - 1 - i;
        struct dlp_carry *carry = use(last);
        ck_assert_uint_eq(carry->clock, 1 + last);
        search_carry_back(search, carry);
    }
    struct dlp_carry *carry = use(0);
    ck_assert_uint_eq(carry->clock, 0);
    search_carry_back(search, carry);
    printf("%u hosts used twice: %.1f ms\n", 4u * CARRIES_TABLE,
           (double)(ended.tv_sec - begun.tv_sec) * 1e3 + (double)(ended.tv_nsec - begun.tv_nsec) / 1e6);
}
END_TEST

SUITE_MAIN("search", a_host_is_known_by_its_name_while_it_is_used_and_afterwards,
           of_hosts_that_nobody_uses_the_last_ones_are_kept,
           what_is_used_is_never_forgotten_however_much_it_is)
