/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_holds: the desk's table: its bounds, its ends by a clock of the test's, and what is counted. */
#include "init/holds.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

static struct holds holds;
static const struct worker_ref worker = {2, 5};

static struct hold *add(uint64_t number, uint64_t now_ms)
{
    struct hold_request request;

    memset(&request, 0, sizeof request);
    request.seconds = 300;
    snprintf(request.host, sizeof request.host, "h%u.example", (unsigned)number);
    return holds_add(&holds, worker, number, &request, now_ms);
}

START_TEST(entries_are_found_and_numbered_in_their_order)
{
    struct hold *first = add(7, 0), *second = add(9, 0);

    ck_assert_uint_eq(first->id, 1);
    ck_assert_uint_eq(second->id, 2);
    ck_assert_ptr_eq(holds_find(&holds, 2), second);
    ck_assert_ptr_null(holds_find(&holds, 3));
    ck_assert_ptr_eq(holds_of(&holds, worker, 7), first);
    ck_assert_ptr_null(holds_of(&holds, worker, 8));
    ck_assert_ptr_null(holds_of(&holds, (struct worker_ref){2, 6}, 7)); /* of its next life */
    ck_assert_ptr_null(holds_of(&holds, (struct worker_ref){3, 5}, 7));
    ck_assert_ptr_eq(holds_in(&holds, HOLD_WAITS), first);
    holds_remove(&holds, first);
    ck_assert_ptr_eq(holds_in(&holds, HOLD_WAITS), second);
    ck_assert_uint_eq(add(1, 0)->id, 3); /* none is used twice */
    ck_assert_uint_eq(holds.waiting, 2);
    holds_fini(&holds);
    ck_assert_uint_eq(holds.waiting, 0);
}
END_TEST

START_TEST(who_waits_is_forgotten_behind_its_own_end)
{
    struct hold *first = add(1, 1000);
    uint64_t end = 1000 + 300000 + HOLDS_GRACE_MS;

    add(2, 2000);
    ck_assert_int_eq(holds_next_ms(&holds, 1000), (int64_t)(end - 1000));
    ck_assert_ptr_null(holds_expired(&holds, end - 1));
    ck_assert_ptr_eq(holds_expired(&holds, end), first);
    ck_assert_int_eq(holds_next_ms(&holds, end + 5), 0);
    holds_remove(&holds, first);
    ck_assert_int_eq(holds_next_ms(&holds, end), 1000);
    holds_fini(&holds);
    ck_assert_int_eq(holds_next_ms(&holds, 0), -1);
}
END_TEST

START_TEST(an_approval_ends_by_its_time_only_when_it_is_in_force_and_has_one)
{
    struct hold *hold = add(1, 0), *forever = add(2, 0);

    ck_assert_int_eq(holds_choose(&holds, hold, HOLD_TTL, 60000, 5000), 0);
    ck_assert_int_eq(holds_choose(&holds, forever, HOLD_FOR_BOTTLE, 0, 5000), 0);
    ck_assert_uint_eq(holds.waiting, 0);
    ck_assert_uint_eq(holds.approved, 2);
    ck_assert_ptr_null(holds_expired(&holds, 1u << 30)); /* on their way into force */
    hold->state = forever->state = HOLD_IN_FORCE;
    ck_assert_int_eq(holds_next_ms(&holds, 5000), 60000);
    ck_assert_ptr_null(holds_expired(&holds, 64999));
    ck_assert_ptr_eq(holds_expired(&holds, 65000), hold);
    hold->state = HOLD_OVER;
    ck_assert_ptr_null(holds_expired(&holds, UINT64_MAX));
    ck_assert_ptr_eq(holds_in(&holds, HOLD_OVER), hold);
    holds_fini(&holds);
    ck_assert_uint_eq(holds.approved, 0);
}
END_TEST

START_TEST(what_could_not_be_approved_waits_as_before)
{
    struct hold *hold = add(1, 1000);
    uint64_t end = hold->until_ms;

    ck_assert_int_eq(holds_choose(&holds, hold, HOLD_TTL, 1, 1000), 0);
    holds_return(&holds, hold);
    ck_assert_int_eq(hold->state, HOLD_WAITS);
    ck_assert_uint_eq(hold->until_ms, end);
    ck_assert_uint_eq(holds.waiting, 1);
    ck_assert_uint_eq(holds.approved, 0);
    holds_fini(&holds);
}
END_TEST

START_TEST(approvals_are_bounded)
{
    for (uint64_t i = 1; i <= APPROVALS_MAX; i++)
        ck_assert_int_eq(holds_choose(&holds, add(i, 0), HOLD_ONCE, 0, 0), 0);
    struct hold *more = add(APPROVALS_MAX + 1, 0);
    ck_assert_int_eq(holds_choose(&holds, more, HOLD_ONCE, 0, 0), -1);
    ck_assert_int_eq(more->state, HOLD_WAITS);
    holds_remove(&holds, holds_find(&holds, 1));
    ck_assert_int_eq(holds_choose(&holds, more, HOLD_ONCE, 0, 0), 0);
    holds_fini(&holds);
}
END_TEST

static const struct hold_request *of(const char *host)
{
    static struct hold_request request;

    memset(&request, 0, sizeof request);
    request.kind = HOLD_MATCH;
    snprintf(request.host, sizeof request.host, "%s", host);
    return &request;
}

static const struct hold_request *of_push(const char *repository)
{
    static struct hold_request request;

    memset(&request, 0, sizeof request);
    request.kind = HOLD_PUSH;
    snprintf(request.push.repository, sizeof request.push.repository, "%s", repository);
    return &request;
}

START_TEST(a_repository_is_denied_often_by_itself)
{
    for (int i = 0; i < HOLDS_DENIALS; i++) {
        ck_assert(!holds_denied_often(&holds, of_push("app")));
        holds_count_denial(&holds, of_push("app"));
    }
    ck_assert(holds_denied_often(&holds, of_push("app")));
    ck_assert(!holds_denied_often(&holds, of_push("lib")));
    ck_assert(!holds_denied_often(&holds, of("app"))); /* a host is something else */
    holds_forget_denials(&holds);
    ck_assert(!holds_denied_often(&holds, of_push("app")));
}
END_TEST

START_TEST(a_push_has_room_beside_all_approvals)
{
    for (uint64_t i = 1; i <= APPROVALS_MAX; i++)
        ck_assert_int_eq(holds_choose(&holds, add(i, 0), HOLD_TTL, 1000, 0), 0);
    struct hold *push = holds_add(&holds, worker, APPROVALS_MAX + 1, of_push("app"), 0);
    ck_assert_int_eq(holds_choose(&holds, push, HOLD_ONCE, 0, 0), 0);
    ck_assert_int_eq(holds_choose(&holds, add(APPROVALS_MAX + 2, 0), HOLD_ONCE, 0, 0), -1);
    holds_fini(&holds);
}
END_TEST

START_TEST(a_host_is_denied_often_after_so_many_denials)
{
    char host[32];

    for (int i = 0; i < HOLDS_DENIALS; i++) {
        ck_assert(!holds_denied_often(&holds, of("a.example")));
        holds_count_denial(&holds, of("a.example"));
    }
    ck_assert(holds_denied_often(&holds, of("a.example")));
    ck_assert(!holds_denied_often(&holds, of("b.example")));
    for (int i = 0; i < HOLDS_HOSTS - 1; i++) { /* the table is full with them */
        snprintf(host, sizeof host, "h%d.example", i);
        holds_count_denial(&holds, of(host));
    }
    ck_assert(holds_denied_often(&holds, of("a.example")));
    holds_count_denial(&holds, of("last.example")); /* takes the place of the oldest */
    ck_assert(!holds_denied_often(&holds, of("a.example")));
    for (int i = 0; i < HOLDS_DENIALS; i++)
        holds_count_denial(&holds, of("c.example"));
    ck_assert(holds_denied_often(&holds, of("c.example")));
    holds_forget_denials(&holds);
    ck_assert(!holds_denied_often(&holds, of("c.example")));
}
END_TEST

SUITE_MAIN("holds", entries_are_found_and_numbered_in_their_order, who_waits_is_forgotten_behind_its_own_end,
           an_approval_ends_by_its_time_only_when_it_is_in_force_and_has_one,
           what_could_not_be_approved_waits_as_before, approvals_are_bounded,
           a_host_is_denied_often_after_so_many_denials, a_repository_is_denied_often_by_itself,
           a_push_has_room_beside_all_approvals)
