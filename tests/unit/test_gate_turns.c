/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate turns: nobody relies on a refresh that began before he asked. */
#include "gate/turns.h"
#include "suite.h"

static size_t length(const struct turn *list)
{
    size_t count = 0;

    for (; list != NULL; list = list->next)
        count++;
    return count;
}

START_TEST(who_asks_while_one_leads_gets_the_next_round)
{
    struct turns turns = {.leader = NULL};
    struct turn one = {.next = NULL}, two = one, three = one, four = one, *leader;

    ck_assert(turns_ask(&turns, &one));
    ck_assert(!turns_ask(&turns, &two) && !turns_ask(&turns, &three));
    ck_assert_ptr_null(turns_done(&turns, &leader)); /* nobody relied on the first */
    ck_assert_ptr_eq(leader, &two);
    ck_assert_int_eq(three.state, TURN_JOINED);
    ck_assert(!turns_ask(&turns, &four));
    struct turn *fresh = turns_done(&turns, &leader);
    ck_assert_ptr_eq(fresh, &three);
    ck_assert_uint_eq(length(fresh), 1);
    ck_assert_ptr_eq(leader, &four);
    ck_assert_ptr_null(turns_done(&turns, &leader));
    ck_assert_ptr_null(leader);
    ck_assert(turns_ask(&turns, &one));
}
END_TEST

START_TEST(when_the_leader_dies_all_wait_for_one_of_them)
{
    struct turns turns = {.leader = NULL};
    struct turn one = {.next = NULL}, two = one, three = one, four = one, *leader;

    turns_ask(&turns, &one);
    turns_ask(&turns, &two);
    turns_ask(&turns, &three);
    turns_done(&turns, &leader); /* two leads, three relies on it */
    turns_ask(&turns, &four);
    ck_assert_ptr_eq(turns_leave(&turns, &two), &three);
    ck_assert_int_eq(four.state, TURN_JOINED);
    ck_assert_ptr_eq(turns_done(&turns, &leader), &four);
    ck_assert_ptr_null(leader);
}
END_TEST

START_TEST(who_waits_may_leave)
{
    struct turns turns = {.leader = NULL};
    struct turn one = {.next = NULL}, two = one, three = one, four = one, *leader;

    turns_ask(&turns, &one);
    turns_ask(&turns, &two);
    turns_ask(&turns, &three);
    ck_assert_ptr_null(turns_leave(&turns, &three)); /* the last: the list's end moves */
    ck_assert(!turns_ask(&turns, &four));
    ck_assert_ptr_null(turns_leave(&turns, &two));
    turns_done(&turns, &leader);
    ck_assert_ptr_eq(leader, &four);
    ck_assert_ptr_null(turns_leave(&turns, &two)); /* it is nowhere */
    ck_assert_ptr_null(turns_leave(&turns, &four));
    ck_assert_ptr_null(turns.leader);
}
END_TEST

SUITE_MAIN("gate_turns", who_asks_while_one_leads_gets_the_next_round,
           when_the_leader_dies_all_wait_for_one_of_them, who_waits_may_leave)
