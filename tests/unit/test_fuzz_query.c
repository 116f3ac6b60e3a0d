/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_query: fuzz_query for a bounded time, from queries as clients send them. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dns_wire.h"
#include "tests/unit/suite.h"

static void from(struct str name, unsigned type, struct str opt)
{
    struct wire wire = wire_header(0x0100, 1, 0, 0, opt.len > 0);

    wire_question(&wire, name, type, 1);
    wire_add(&wire, opt);
    fuzz_mutations(wire.bytes, wire.len, 20000);
    ck_assert_int_eq(LLVMFuzzerTestOneInput(wire.bytes, wire.len), 0);
}

START_TEST(changed_queries_are_answered_or_refused)
{
    from(LITERAL("\3api\4test\0"), 1, LITERAL(""));
    from(LITERAL("\1x\4WILD\4test\0"), 28, LITERAL("\0\0\51\4\320\0\0\0\0\0\10\0\12\0\4abcd"));
    from(LITERAL("\4evil\10exa mple\0\0"), 16, LITERAL("\0\0\51\4\320\0\0\0\0\0\0"));
}
END_TEST

SUITE_MAIN("fuzz_query", changed_queries_are_answered_or_refused)
