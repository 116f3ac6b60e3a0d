/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_audit_line: fuzz_audit_line for a bounded time, from lines of workers and of one that was taken over. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

START_TEST(changed_lines_are_never_inits)
{
    static const char *const seeds[] = {
        ("{\"time\":\"T\",\"id\":\"1-1\",\"kind\":\"http\",\"verdict\":\"allow\",\"host\":\"a\\\"b\","
         "\"port\":"
         "80}\n"),
        "{\"kind\":\"dns\",\"x\":{\"kind\":\"lifecycle\",\"seq\":1},\"y\":[\"prev\",{\"end\":true}]}\n",
        "{\"kind\":\"http\",\"kind\":\"control\",\"seq\":1,\"\\u0065nd\":true}\n",
        "{\"kind\":\"tcp\",\"z\":true,\"boot\":\"0123456789abcdef0123456789abcdef\"}\n"};

    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)seeds[i], strlen(seeds[i])), 0);
        fuzz_mutations((const uint8_t *)seeds[i], strlen(seeds[i]), 50000);
    }
}
END_TEST

SUITE_MAIN("fuzz_audit_line", changed_lines_are_never_inits)
