/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_gate_request: fuzz_gate_request for a bounded time, from lines as clients send them. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

static void from(const char *line, size_t len)
{
    fuzz_mutations((const uint8_t *)line, len, 20000);
    ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)line, len), 0);
}

START_TEST(changed_lines_are_read_or_refused)
{
    static const char fetch[] = "git-upload-pack /app:.git\0host=10.7.7.1\0\0version=2";
    static const char push[] = "git-receive-pack /app:\0host=10.7.7.1:9418";

    from(fetch, sizeof fetch);
    from(push, sizeof push);
    from("0031git-upload-pack /app", 24);
}
END_TEST

SUITE_MAIN("fuzz_gate_request", changed_lines_are_read_or_refused)
