/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_reply: our query to a resolver, and which of its packets say what. */
#include <ldns/ldns.h>

#include "dns/query.h"
#include "dns/reply.h"
#include "tests/unit/dns_wire.h"
#include "tests/unit/suite.h"

static const uint8_t no_mix[32], all_mix[32] =
                                     "\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377"
                                     "\377\377\377\377\377\377\377\377\377\377\377\377\377\377";
static uint8_t asked[REPLY_QUERY_MAX];
static size_t asked_len;

static void ask(const uint8_t *mix)
{
    asked_len = reply_query("www.test", 0x1234, 1, mix, asked);
    ck_assert_uint_gt(asked_len, 0);
}

static enum reply_verdict read_wire(const struct wire *wire, int tcp, struct reply *reply)
{
    uint8_t *exact = malloc(wire->len);

    memcpy(exact, wire->bytes, wire->len);
    enum reply_verdict verdict = reply_read(asked, asked_len, exact, wire->len, tcp, reply);
    free(exact);
    return verdict;
}

#define WWW LITERAL("\3www\4test\0")
#define ONE LITERAL("\306\63\144\1")
#define TWO LITERAL("\306\63\144\2")

START_TEST(our_query_is_plain)
{
    struct query query;

    ask(no_mix);
    ck_assert_int_eq(query_parse(asked, asked_len, &query), QUERY_OK);
    ck_assert_str_eq(query.host, "www.test");
    ck_assert(query.edns && query.udp_size == 1232 && query.type == TYPE_A && query.flags_high == 1);
    ck_assert_uint_eq(asked_len, QUERY_HEADER + 10 + 4 + 11);
    ask(all_mix);
    ck_assert_mem_eq(asked + QUERY_HEADER, "\3WWW\4TEST", 10);
    ck_assert_uint_eq(reply_query("www.test", 1, 0, no_mix, asked), QUERY_HEADER + 10 + 4);
}
END_TEST

START_TEST(the_chain_is_followed_and_the_smallest_lifetime_counts)
{
    struct wire wire = wire_header(0x8180, 1, 4, 0, 0);
    struct reply reply;

    ask(no_mix);
    wire_question(&wire, WWW, 1, 1);
    wire_record(&wire, LITERAL("\3CDN\0"), 1, 90, ONE);
    wire_record(&wire, WWW, LDNS_RR_TYPE_CNAME, 70, LITERAL("\3cdn\0"));
    wire_record(&wire, LITERAL("\3cdn\0"), 1, 80, TWO);
    wire_record(&wire, LITERAL("\5other\0"), 1, 5, TWO);
    ck_assert_int_eq(read_wire(&wire, 0, &reply), REPLY_OK);
    ck_assert(reply.count == 2 && reply.ttl == 70 && reply.rcode == 0);
    ck_assert_mem_eq(reply.addresses[0].bytes, ONE.ptr, 4);
    for (size_t whole = wire.len; --wire.len > 0;) /* no prefix is an answer */
        ck_assert_msg(read_wire(&wire, 0, &reply) != REPLY_OK, "%zu of %zu", wire.len, whole);
}
END_TEST

START_TEST(a_lifetime_with_the_highest_bit_is_none)
{
    struct wire wire = wire_header(0x8180, 1, 1, 0, 0);
    struct reply reply;

    ask(no_mix);
    wire_question(&wire, WWW, 1, 1);
    wire_record(&wire, LITERAL("\300\14"), 1, 0x80000001, ONE);
    ck_assert_int_eq(read_wire(&wire, 0, &reply), REPLY_OK);
    ck_assert_uint_eq(reply.ttl, 0);
}
END_TEST

START_TEST(negative_answers_live_as_their_soa_says)
{
    struct wire wire = wire_header(0x8183, 1, 0, 1, 0);
    struct reply reply;

    ask(no_mix);
    wire_question(&wire, WWW, 1, 1);
    wire_record(&wire, LITERAL("\4test\0"), LDNS_RR_TYPE_SOA, 500,
                LITERAL("\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\62"));
    ck_assert_int_eq(read_wire(&wire, 0, &reply), REPLY_OK);
    ck_assert(reply.count == 0 && reply.ttl == 50 && reply.rcode == LDNS_RCODE_NXDOMAIN);
    wire.bytes[9] = 0; /* without SOA */
    ck_assert_int_eq(read_wire(&wire, 0, &reply), REPLY_OK);
    ck_assert_uint_eq(reply.ttl, 0);
}
END_TEST

START_TEST(headers_and_questions_have_to_fit)
{
    static const struct {
        unsigned flags, qd;
        struct str name;
        unsigned type, class;
        int tcp;
        enum reply_verdict verdict;
    } cases[] = {
        {0x8180, 1, WWW, 1, 1, 0, REPLY_OK},
        {0x8180, 1, LITERAL("\3wWw\4test\0"), 1, 1, 0, REPLY_RECASED},
        {0x8180, 1, LITERAL("\3wWw\4test\0"), 1, 1, 1, REPLY_OK},
        {0x8180, 1, LITERAL("\3wwx\4test\0"), 1, 1, 1, REPLY_FOREIGN},
        {0x8180, 1, LITERAL("\3www\5testy\0"), 1, 1, 0, REPLY_FOREIGN},
        {0x8180, 1, WWW, 28, 1, 0, REPLY_FOREIGN},
        {0x8180, 1, WWW, 1, 3, 0, REPLY_FOREIGN},
        {0x0180, 1, WWW, 1, 1, 0, REPLY_FOREIGN},
        {0x9180, 1, WWW, 1, 1, 0, REPLY_FOREIGN},
        {0x8180, 2, WWW, 1, 1, 0, REPLY_FOREIGN},
        {0x8180, 0, WWW, 1, 1, 0, REPLY_FOREIGN},
        {0x8380, 1, WWW, 1, 1, 0, REPLY_TRUNCATED},
        {0x8380, 1, WWW, 1, 1, 1, REPLY_FAILED},
        {0x8381, 1, LITERAL("\3wWw\4test\0"), 1, 1, 0, REPLY_RECASED},
        {0x8181, 1, WWW, 1, 1, 0, REPLY_NO_EDNS},
        {0x8181, 0, WWW, 1, 1, 0, REPLY_NO_EDNS},
        {0x8184, 0, WWW, 1, 1, 0, REPLY_NO_EDNS},
        {0x8182, 1, WWW, 1, 1, 0, REPLY_FAILED},
        {0x8185, 1, WWW, 1, 1, 0, REPLY_FAILED},
        {0x8100, 1, WWW, 1, 1, 0, REPLY_FAILED}, /* neither authoritative nor recursive, and no answer */
        {0x8500, 1, WWW, 1, 1, 0, REPLY_OK},
    };
    struct reply reply;

    ask(no_mix);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire wire = wire_header(cases[i].flags, cases[i].qd, 0, 0, 0);
        wire_question(&wire, cases[i].name, cases[i].type, cases[i].class);
        ck_assert_msg(read_wire(&wire, cases[i].tcp, &reply) == cases[i].verdict, "case %zu", i);
        wire.bytes[1] ^= 1;
        ck_assert_msg(read_wire(&wire, cases[i].tcp, &reply) == REPLY_FOREIGN, "case %zu, another id", i);
    }
}
END_TEST

START_TEST(many_addresses_are_cut_and_too_many_records_are_nonsense)
{
    struct wire wire = wire_header(0x8180, 1, 100, 0, 0);
    struct reply reply;

    ask(no_mix);
    wire_question(&wire, WWW, 1, 1);
    for (int i = 0; i < 100; i++)
        wire_record(&wire, LITERAL("\300\14"), 1, 60, ONE);
    ck_assert_int_eq(read_wire(&wire, 0, &reply), REPLY_OK);
    ck_assert_uint_eq(reply.count, REPLY_ADDRESSES_MAX);
    wire.bytes[7] = REPLY_RECORDS_MAX + 1;
    ck_assert_int_eq(read_wire(&wire, 0, &reply), REPLY_FAILED);
}
END_TEST

SUITE_MAIN("reply", our_query_is_plain, the_chain_is_followed_and_the_smallest_lifetime_counts,
           a_lifetime_with_the_highest_bit_is_none, negative_answers_live_as_their_soa_says,
           headers_and_questions_have_to_fit, many_addresses_are_cut_and_too_many_records_are_nonsense)
