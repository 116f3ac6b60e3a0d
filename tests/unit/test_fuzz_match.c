/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_match: fuzz_match for a bounded time, from requests that are allowed, denied and ambiguous. */
#include "core/str.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

static const char *const corpus[] = {
    "GET /a/b/c?x=1",
    "PUT /d%20e/f/",
    "POST /c\nX-V: 1",
    "POST /c\nX-V: 1\nX_V: 2",
    "GET /a/b/x/y",
    "GET /A/B/X",
    "GET /a/b/y/",
    "GET /a/b/..%2fx",
    "GET /a/./b//c;d=e",
    "GET /a/b/%2e%2e/%252e",
    "GET /a/b\\x%5cy",
    "GET /a/b/%C3%A9%E2%82%AC",
    "GET /a/b/%C0%AE%c0%af",
    "GET /a/b?_method=DELETE&%5fmethod=x",
    "OPTIONS *",
    "GET /a/b\nX-HTTP-Method-Override: PUT\nX-Original-URL: /a/b/x",
};

START_TEST(two_ways_to_say_the_same_agree_and_nothing_is_read_in_two_ways)
{
    for (size_t i = 0; i < sizeof corpus / sizeof corpus[0]; i++) {
        struct str seed = str_of(corpus[i]);
        ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)seed.ptr, seed.len), 0);
        fuzz_mutations((const uint8_t *)seed.ptr, seed.len, 4000);
    }
}
END_TEST

SUITE_MAIN("fuzz_match", two_ways_to_say_the_same_agree_and_nothing_is_read_in_two_ways)
