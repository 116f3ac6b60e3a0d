/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_hello: fuzz_hello for a bounded time, from ClientHellos of real clients. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/hellos.h"
#include "tests/unit/suite.h"

static void from(const char *hex)
{
    uint8_t bytes[FUZZ_MAX] = {0, 77}; /* where fuzz_hello cuts */
    size_t len = 2;

    for (; hex[0] != '\0'; hex += 2) {
        const char digits[3] = {hex[0], hex[1], '\0'};
        bytes[len++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    fuzz_mutations(bytes, len, 20000);
    ck_assert_int_eq(LLVMFuzzerTestOneInput(bytes, len), 0);
}

START_TEST(changed_hellos_are_read_the_same_in_parts)
{
    from(HELLO_CURL);
    from(HELLO_GIT_GNUTLS);
    from(HELLO_OPENSSL_12);
}
END_TEST

SUITE_MAIN("fuzz_hello", changed_hellos_are_read_the_same_in_parts)
