/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_str: letter case is that of ASCII letters and of nothing else, and numbers are written as printf writes them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/str.h"
#include "tests/unit/suite.h"

static int lower(int byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

START_TEST(only_ascii_letters_have_two_cases)
{
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char left[2] = {'x', (char)a}, right[2] = {'X', (char)b};
            ck_assert_msg(str_equal_nocase((struct str){left, 2}, (struct str){right, 2}) ==
                              (lower(a) == lower(b)),
                          "0x%02x 0x%02x", (unsigned)a, (unsigned)b);
        }
    ck_assert(!str_equal_nocase(str_of("host"), str_of("hosts")));
    ck_assert(str_equal_nocase(str_of(NULL), str_of("")));
}
END_TEST

START_TEST(bytes_are_equal_with_their_length)
{
    ck_assert(str_equal(str_of("a"), (struct str)STR("a")));
    ck_assert(!str_equal(str_of("a"), str_of("A")));
    ck_assert(!str_equal((struct str){"a\0b", 3}, (struct str){"a\0c", 3}));
    ck_assert(str_equal(str_of(NULL), str_of("")));
}
END_TEST

START_TEST(numbers_are_written_as_printf_writes_them)
{
    char digits[STR_DIGITS_MAX], text[32];
    uint64_t value = 1;

    for (int i = 0; i < 200; i++) {
        const uint64_t near[] = {0, value - 1, value, value + 1, UINT64_MAX - value, UINT64_MAX};
        for (size_t k = 0; k < sizeof near / sizeof near[0]; k++) {
            size_t len = str_digits(near[k], digits);
            snprintf(text, sizeof text, "%" PRIu64, near[k]);
            ck_assert(str_equal((struct str){digits, len}, str_of(text)));
        }
        value *= i % 2 == 0 ? 10 : 7;
    }
}
END_TEST

SUITE_MAIN("str", only_ascii_letters_have_two_cases, bytes_are_equal_with_their_length,
           numbers_are_written_as_printf_writes_them)
