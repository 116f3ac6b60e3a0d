/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_duct: fuzz_duct for a bounded time, from frames of several sizes. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/suite.h"

START_TEST(changed_frames_lead_nowhere_else)
{
    uint8_t bytes[600] = {0, 7, 0, 1, 'a', 0, 3, 'b', 'c', 'd', 1, 44}; /* 300 bytes follow, then the mark */
    const size_t len = 12 + 300 + 2;

    for (size_t i = 12; i < len - 2; i++)
        bytes[i] = (uint8_t)i;
    ck_assert_int_eq(LLVMFuzzerTestOneInput(bytes, len), 0);
    fuzz_mutations(bytes, len, 5000);
    bytes[2] = bytes[3] = 0; /* begins with the mark */
    fuzz_mutations(bytes, 12, 5000);
}
END_TEST

SUITE_MAIN("fuzz_duct", changed_frames_lead_nowhere_else)
