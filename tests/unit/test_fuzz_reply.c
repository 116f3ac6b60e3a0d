/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fuzz_reply: fuzz_reply for a bounded time, from replies as resolvers send them. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dns_wire.h"
#include "tests/unit/suite.h"

#define WWW LITERAL("\3www\4test\0")

START_TEST(changed_replies_lead_to_public_addresses_or_to_none)
{
    struct wire wire = wire_header(0x8180, 1, 3, 1, 0);

    wire_question(&wire, WWW, 1, 1);
    wire_record(&wire, LITERAL("\300\14"), 5, 60, LITERAL("\3cdn\300\20"));
    wire_record(&wire, LITERAL("\300\46"), 1, 60, LITERAL("\306\63\144\1"));
    wire_record(&wire, LITERAL("\300\46"), 1, 60, LITERAL("\12\0\0\1"));
    wire_record(&wire, LITERAL("\300\20"), 2, 60, LITERAL("\2ns\300\20"));
    fuzz_mutations(wire.bytes, wire.len, 30000);
    ck_assert_int_eq(LLVMFuzzerTestOneInput(wire.bytes, wire.len), 0);
}
END_TEST

START_TEST(changed_negative_replies_are_read)
{
    struct wire wire = wire_header(0x8183, 1, 0, 1, 1);

    wire_question(&wire, WWW, 1, 1);
    wire_record(&wire, LITERAL("\4test\0"), 6, 500, LITERAL("\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\62"));
    wire_add(&wire, LITERAL("\0\0\51\4\320\0\0\0\0\0\0"));
    fuzz_mutations(wire.bytes, wire.len, 30000);
    ck_assert_int_eq(LLVMFuzzerTestOneInput(wire.bytes, wire.len), 0);
}
END_TEST

SUITE_MAIN("fuzz_reply", changed_replies_lead_to_public_addresses_or_to_none,
           changed_negative_replies_are_read)
