/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_query: which bytes are a question, and what it says. Inputs end where readable memory ends. */
#include <stdlib.h>

#include "dns/query.h"
#include "tests/unit/dns_wire.h"
#include "tests/unit/suite.h"

#define API "\3api\4test\0"
#define OPT "\0\0\51\4\320\0\0\0\0\0\0" /* 1232 bytes, version 0, no options */

/* A copy of exactly the right size: the address sanitizer sees a byte too many. */
static enum query_verdict parse(const struct wire *wire, struct query *query)
{
    uint8_t *exact = malloc(wire->len > 0 ? wire->len : 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, wire->bytes, wire->len);
    enum query_verdict verdict = query_parse(exact, wire->len, query);
    free(exact);
    return verdict;
}

static struct wire question(struct str name, unsigned type)
{
    struct wire wire = wire_header(0x0100, 1, 0, 0, 0);

    wire_question(&wire, name, type, 1);
    return wire;
}

START_TEST(a_plain_question_is_read)
{
    struct query query;
    struct wire wire = question(LITERAL("\3aPi\4tEsT\0"), TYPE_A);

    ck_assert_int_eq(parse(&wire, &query), QUERY_OK);
    ck_assert_uint_eq(query.id, 0x1234);
    ck_assert_uint_eq(query.flags_high, 1);
    ck_assert(!query.edns && query.udp_size == 512 && query.type == TYPE_A && query.class == CLASS_IN);
    ck_assert_str_eq(query.host, "api.test");
    ck_assert_uint_eq(query.question_len, wire.len - QUERY_HEADER);
    ck_assert_mem_eq(query.question, wire.bytes + QUERY_HEADER, query.question_len);
}
END_TEST

START_TEST(edns_gives_a_size_within_bounds_and_its_options_are_only_walked)
{
    static const struct {
        struct str opt;
        enum query_verdict verdict;
        unsigned size;
    } cases[] = {
        {LITERAL(OPT), QUERY_OK, 1232},
        {LITERAL("\0\0\51\0\0\0\0\0\0\0\0"), QUERY_OK, 512},
        {LITERAL("\0\0\51\377\377\0\0\200\0\0\0"), QUERY_OK, 1232},
        {LITERAL("\0\0\51\4\0\0\0\0\0\0\10\0\12\0\4abcd"), QUERY_OK, 1024},
        {LITERAL("\0\0\51\4\0\0\0\0\0\0\10\0\12\0\5abcd"), QUERY_FORMERR, 0},
        {LITERAL("\0\0\51\4\0\0\0\0\0\0\3\0\12\0"), QUERY_FORMERR, 0},
        {LITERAL("\0\0\51\4\0\0\0\0\0\0\1"), QUERY_FORMERR, 0},
        {LITERAL("\0\0\51\4\0\0\1\0\0\0\0"), QUERY_BADVERS, 1024},
        {LITERAL("\0\0\51\4\0\0\0\0\0\0"), QUERY_FORMERR, 0},
        {LITERAL("\0\0\52\4\0\0\0\0\0\0\0"), QUERY_FORMERR, 0},
        {LITERAL("\1a\0\0\51\4\0\0\0\0\0\0\0"), QUERY_FORMERR, 0},
        {LITERAL(OPT "x"), QUERY_FORMERR, 0},
    };
    struct query query;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire wire = question(LITERAL(API), TYPE_A);
        wire.bytes[11] = 1;
        wire_add(&wire, cases[i].opt);
        ck_assert_msg(parse(&wire, &query) == cases[i].verdict, "case %zu", i);
        if (cases[i].verdict != QUERY_FORMERR)
            ck_assert(query.edns && query.udp_size == cases[i].size);
    }
}
END_TEST

START_TEST(every_prefix_of_a_query_is_refused)
{
    struct query query;
    struct wire wire = question(LITERAL(API), TYPE_A);

    wire.bytes[11] = 1;
    wire_add(&wire, LITERAL(OPT));
    for (size_t whole = wire.len; wire.len-- > 0;)
        ck_assert_msg(parse(&wire, &query) == (wire.len < QUERY_HEADER ? QUERY_SILENCE : QUERY_FORMERR),
                      "%zu bytes of %zu", wire.len, whole);
}
END_TEST

START_TEST(headers_that_are_no_plain_query_are_refused)
{
    static const struct {
        unsigned flags, qd, an, ns, ar;
        enum query_verdict verdict;
    } cases[] = {
        {0x8180, 1, 0, 0, 0, QUERY_SILENCE}, {0x8000, 0, 0, 0, 0, QUERY_SILENCE},
        {0x0300, 1, 0, 0, 0, QUERY_FORMERR}, {0x2900, 1, 0, 0, 0, QUERY_NOTIMP},
        {0x7800, 1, 0, 0, 0, QUERY_NOTIMP},  {0x0100, 0, 0, 0, 0, QUERY_FORMERR},
        {0x0100, 2, 0, 0, 0, QUERY_FORMERR}, {0x0100, 65535, 0, 0, 0, QUERY_FORMERR},
        {0x0100, 1, 1, 0, 0, QUERY_FORMERR}, {0x0100, 1, 0, 1, 0, QUERY_FORMERR},
        {0x0100, 1, 0, 0, 1, QUERY_FORMERR}, {0x0100, 1, 0, 0, 2, QUERY_FORMERR},
        {0x0130, 1, 0, 0, 0, QUERY_OK}, /* AD and CD are a client's to set */
    };
    struct query query;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire wire = wire_header(cases[i].flags, cases[i].qd, cases[i].an, cases[i].ns, cases[i].ar);
        wire_question(&wire, LITERAL(API), TYPE_A, CLASS_IN);
        ck_assert_msg(parse(&wire, &query) == cases[i].verdict, "case %zu", i);
    }
    struct wire behind = question(LITERAL(API), TYPE_A);
    wire_add(&behind, LITERAL("x"));
    ck_assert_int_eq(parse(&behind, &query), QUERY_FORMERR);
}
END_TEST

#define L63 "\77aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61 "\75aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L62 "\76aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

START_TEST(names_are_bounded_and_never_compressed)
{
    static const struct {
        struct str name;
        enum query_verdict verdict;
    } cases[] = {
        {LITERAL(L63 L63 L63 L61 "\0"), QUERY_OK}, /* 255 bytes */
        {LITERAL(L63 L63 L63 L62 "\0"), QUERY_FORMERR},
        {LITERAL(L63 L63 L63 L61 "\1a\0"), QUERY_FORMERR},
        {LITERAL("\0"), QUERY_OK},
        {LITERAL("\300\14"), QUERY_FORMERR},
        {LITERAL("\3api\300\14"), QUERY_FORMERR},
        {LITERAL("\100aaaa"), QUERY_FORMERR},
        {LITERAL("\200aaaa"), QUERY_FORMERR},
    };
    struct query query;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire wire = question(cases[i].name, TYPE_A);
        ck_assert_msg(parse(&wire, &query) == cases[i].verdict, "case %zu", i);
    }
}
END_TEST

START_TEST(names_that_no_host_has_are_no_host_and_are_written_with_escapes)
{
    static const struct {
        struct str name;
        const char *host, *text;
    } cases[] = {
        {LITERAL(API), "api.test", "api.test"},
        {LITERAL("\4_SRV\3A-1\0"), "_srv.a-1", "_SRV.A-1"},
        {LITERAL("\10api.test\0"), "", "api\\.test"}, /* one label with a dot is not two labels */
        {LITERAL("\3api\5test\0\0"), "", "api.test\\000"},
        {LITERAL("\4a\\\"b\1 \1\177\2\303\244\0"), "", "a\\\\\\\"b.\\032.\\127.\\195\\164"},
        {LITERAL("\1*\4test\0"), "", "*.test"},
        {LITERAL("\0"), "", "."},
    };
    char text[QUERY_TEXT_MAX];
    struct query query;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire wire = question(cases[i].name, TYPE_A);
        ck_assert_int_eq(parse(&wire, &query), QUERY_OK);
        ck_assert_str_eq(query.host, cases[i].host);
        ck_assert_uint_eq(query_name_text(&query, text), strlen(cases[i].text));
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(the_longest_text_of_a_name_fits)
{
    struct wire wire = wire_header(0x0100, 1, 0, 0, 0);
    char text[QUERY_TEXT_MAX];
    struct query query;

    for (unsigned label = 0; label < 4; label++) {
        uint8_t size = label < 3 ? 63 : 61;
        wire.bytes[wire.len++] = size;
        memset(wire.bytes + wire.len, 0xff, size);
        wire.len += size;
    }
    wire_question(&wire, LITERAL("\0"), TYPE_A, CLASS_IN);
    ck_assert_int_eq(parse(&wire, &query), QUERY_OK);
    ck_assert_uint_eq(query_name_text(&query, text), 250 * 4 + 3);
}
END_TEST

START_TEST(types_have_words)
{
    static const struct {
        uint16_t type;
        const char *text;
    } cases[] = {{1, "A"},    {28, "AAAA"}, {64, "SVCB"}, {65, "HTTPS"},        {12, "PTR"},
                 {16, "TXT"}, {0, "TYPE0"}, {255, "ANY"}, {65280, "TYPE65280"}, {65535, "TYPE65535"}};
    char text[QUERY_TYPE_TEXT];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        query_type_text(cases[i].type, text);
        ck_assert_str_eq(text, cases[i].text);
    }
    for (unsigned type = 0; type < 65536; type++) { /* none of ldns's is a null pointer or too long */
        query_type_text((uint16_t)type, text);
        ck_assert_uint_gt(strlen(text), 0);
    }
}
END_TEST

SUITE_MAIN("query", a_plain_question_is_read, edns_gives_a_size_within_bounds_and_its_options_are_only_walked,
           every_prefix_of_a_query_is_refused, headers_that_are_no_plain_query_are_refused,
           names_are_bounded_and_never_compressed,
           names_that_no_host_has_are_no_host_and_are_written_with_escapes, the_longest_text_of_a_name_fits,
           types_have_words)
