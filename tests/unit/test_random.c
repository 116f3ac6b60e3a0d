/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_random: names are hexadecimal digits, as many as were asked for, and others each time. */
#include "hostctl/random.h"

#include <string.h>

#include "tests/unit/suite.h"

START_TEST(as_many_digits_as_were_asked_for)
{
    struct err err = {""};

    for (size_t bytes = 1; bytes <= RANDOM_MAX; bytes++) {
        char name[2 * RANDOM_MAX + 2];
        memset(name, 'x', sizeof name);
        ck_assert_int_eq(random_hex(name, bytes, &err), 0);
        ck_assert_uint_eq(strlen(name), 2 * bytes);
        ck_assert_uint_eq(strspn(name, "0123456789abcdef"), 2 * bytes);
        ck_assert_int_eq(name[2 * bytes + 1], 'x');
    }
}
END_TEST

START_TEST(others_each_time)
{
    char names[100][33];
    struct err err = {""};

    for (size_t i = 0; i < 100; i++) {
        ck_assert_int_eq(random_hex(names[i], 16, &err), 0);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(names[i], names[k]);
    }
}
END_TEST

SUITE_MAIN("random", as_many_digits_as_were_asked_for, others_each_time)
