/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolve: the query on the wire, and answers that are taken, mean a refusal, or are none. */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "sys/resolve.h"

static uint8_t packet[4096];
static size_t len;

static void put(const char *bytes, size_t count)
{
    memcpy(packet + len, bytes, count);
    len += count;
}

#define PUT(bytes) put(bytes, sizeof(bytes) - 1)

/* The answer to a query for `name`: its flags, a number of A records, and an OPT with these options. */
static void reply(const char *name, unsigned flags, unsigned records, const char *options, size_t options_len)
{
    len = resolve_write(name, 0x1234, packet, sizeof packet);
    ck_assert_uint_gt(len, 12 + 11);
    len -= 11; /* its OPT */
    packet[2] = (uint8_t)(flags >> 8);
    packet[3] = (uint8_t)flags;
    packet[7] = (uint8_t)records;
    for (unsigned i = 0; i < records; i++) {
        PUT("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64");
        packet[len++] = (uint8_t)i;
    }
    PUT("\0\0\x29\x10\0\0\0\0\0\0");
    packet[len++] = (uint8_t)options_len;
    put(options, options_len);
}

static int taken(const char *host, struct resolve_answer *answer)
{
    uint8_t *exact = malloc(len);

    memcpy(exact, packet, len);
    int result = resolve_read(exact, len, host, answer);
    free(exact);
    return result;
}

START_TEST(the_query_asks_for_addresses_with_edns)
{
    static const char want[] = "\x12\x34\1\0\0\1\0\0\0\0\0\1\3api\4test\0\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\0";

    len = resolve_write("api.test", 0x1234, packet, sizeof packet);
    ck_assert_uint_eq(len, sizeof want - 1);
    ck_assert_mem_eq(packet, want, len);
    ck_assert_uint_eq(resolve_write("api.test", 0x1234, packet, 20), 0);
}
END_TEST

START_TEST(addresses_are_read_up_to_the_bound)
{
    struct resolve_answer answer;

    reply("api.test", 0x8180, 2, "", 0);
    ck_assert_int_eq(taken("api.test", &answer), 0);
    ck_assert_int_eq(answer.denial, DENIAL_NONE);
    ck_assert_uint_eq(answer.count, 2);
    ck_assert_mem_eq(answer.ips[1].bytes, "\xc6\x33\x64\1", 4);
    reply("api.test", 0x8180, 40, "", 0);
    ck_assert_int_eq(taken("api.test", &answer), 0);
    ck_assert_uint_eq(answer.count, ADDRESSES_MAX);
}
END_TEST

START_TEST(failures_say_why)
{
    struct resolve_answer answer;

    reply("api.test", 0x8183, 0, "", 0);
    ck_assert_int_eq(taken("api.test", &answer), 0);
    ck_assert_int_eq(answer.denial, DENIAL_NAME_UNRESOLVED);
    reply("api.test", 0x8182, 0, "\0\xf\0\2\0\x11", 6);
    ck_assert_int_eq(taken("api.test", &answer), 0);
    ck_assert_int_eq(answer.denial, DENIAL_ADDRESS_REFUSED);
    reply("api.test", 0x8182, 0, "\0\xf\0\2\0\x16", 6);
    ck_assert_int_eq(taken("api.test", &answer), 0);
    ck_assert_int_eq(answer.denial, DENIAL_NAME_UNRESOLVED);
    reply("api.test", 0x8182, 1, "", 0); /* addresses in a failure are none */
    ck_assert_int_eq(taken("api.test", &answer), 0);
    ck_assert_uint_eq(answer.count, 0);
}
END_TEST

START_TEST(what_is_no_answer_to_the_question_is_ignored)
{
    struct resolve_answer answer;

    reply("api.test", 0x8180, 1, "", 0);
    ck_assert_int_eq(taken("API.test", &answer), 0);
    ck_assert_int_eq(taken("other.test", &answer), -1);
    ck_assert_int_eq(taken("api.test.test", &answer), -1);
    reply("api.test", 0x0180, 1, "", 0); /* a query */
    ck_assert_int_eq(taken("api.test", &answer), -1);
    reply("api.test", 0x8180, 1, "", 0);
    size_t whole = len;
    for (len = 0; len < whole; len++)
        ck_assert_int_eq(taken("api.test", &answer), -1);
}
END_TEST

SUITE_MAIN("resolve", the_query_asks_for_addresses_with_edns, addresses_are_read_up_to_the_bound,
           failures_say_why, what_is_no_answer_to_the_question_is_ignored)
