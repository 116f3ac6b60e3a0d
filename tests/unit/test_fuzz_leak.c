/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_leak: fuzz_leak for a bounded time, from texts that hold a value or a placeholder in each writing. */
#include "core/str.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

static const char *const corpus[] = {
    "Bearer tok/3f9A+77c1=e5~b",
    "/v1/tok%2F3f9A%2B77c1%3De5~b/x",
    "tok%252F3f9A%25252B77c1%3De5~b",
    "Basic dXNlcjp0b2svM2Y5QSs3N2MxPWU1fmI=",
    "dG9rLzNmOUErNzdjMT1lNX5i",
    "dTp0b2svM2Y5QSs3N2MxPWU1fmI6cA%3D%3D",
    "746f6b2f336639412b373763313d65357e62",
    "0746F6B2F336639412B373763313D65357E62f",
    "token fake-placeholder",
    "a=fake-placeholder, b=\"fake-placeholder\"; fake-placeholderx",
    "Basic dTpmYWtlLXBsYWNlaG9sZGVy",
    "Basic ZmFrZS1wbGFjZWhvbGRlcjo=",
    "?a=1&key=fake-placeholder&k%65y=own&&key",
    "?key=fake%2dplaceholder",
};

START_TEST(what_is_found_is_what_a_plain_search_finds)
{
    for (size_t i = 0; i < sizeof corpus / sizeof corpus[0]; i++) {
        struct str text = str_of(corpus[i]);
        ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)text.ptr, text.len), 0);
        fuzz_mutations((const uint8_t *)text.ptr, text.len, 3000);
    }
}
END_TEST

SUITE_MAIN("fuzz_leak", what_is_found_is_what_a_plain_search_finds)
