/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_hold: the record of a held request, of which a taken-over worker may have made every byte, and the rate. */
#include "core/hold.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

#define VALUE "00112233445566778899aabbccddeeff"

static struct hold_request good(void)
{
    struct hold_request request;

    memset(&request, 0, sizeof request);
    request.kind = HOLD_DENIED_HOST;
    request.seconds = 300;
    request.port = 443;
    request.tls = 1;
    request.body = -1;
    strcpy(request.event, "00000001-000001");
    strcpy(request.rule, "egress.on_denied");
    strcpy(request.surface, "host");
    strcpy(request.method, "GET");
    strcpy(request.host, "xn--bcher-kva.example");
    strcpy(request.path, "/a%20b");
    return request;
}

static int read_it(const struct hold_request *request)
{
    struct hold_request into;

    return hold_read(hold_bytes(request), &into);
}

#define BAD(change)                                                                                          \
    do {                                                                                                     \
        struct hold_request bad = good();                                                                    \
        change;                                                                                              \
        ck_assert_msg(read_it(&bad) == -1, "%s", #change);                                                   \
    } while (0)

START_TEST(a_record_is_taken_and_a_malformed_one_is_not)
{
    struct hold_request request = good(), into;
    struct str bytes = hold_bytes(&request);

    ck_assert_int_eq(hold_read(bytes, &into), 0);
    ck_assert_mem_eq(&request, &into, sizeof into);
    ck_assert_int_eq(hold_read((struct str){bytes.ptr, bytes.len - 1}, &into), -1);
    ck_assert_int_eq(hold_read((struct str){bytes.ptr, sizeof request}, &into), -1); /* a push's */
    ck_assert_int_eq(hold_read((struct str){NULL, 0}, &into), -1);
    BAD(bad.kind = 0);
    BAD(bad.kind = HOLD_KINDS);
    BAD(bad.kind = UINT32_MAX);
    BAD(bad.seconds = 0);
    BAD(bad.seconds = HOLD_SECONDS_MAX + 1);
    BAD(bad.port = 0);
    BAD(bad.tls = 2);
    BAD(bad.body = -2);
    BAD(bad.query = 1ull << 32);
    BAD(bad.event[0] = '\0');
    BAD(strcpy(bad.rule, "a\033[31mb"));
    BAD(strcpy(bad.surface, "caf\xc3\xa9"));
    BAD(bad.surface[sizeof bad.surface - 1] = 'x'); /* behind its end */
    BAD(strcpy(bad.value, VALUE));                  /* of a host there is none */
    BAD(strcpy(bad.detector, "token_patterns"));
    BAD(memset(bad.value, 'x', sizeof bad.value)); /* without an end */
    BAD(strcpy(bad.method, "GE T"));
    BAD(strcpy(bad.method, "G:T"));
    BAD(bad.method[0] = '\0');
    BAD(strcpy(bad.host, "A.example"));
    BAD(strcpy(bad.host, "192.0.2.1"));
    BAD(strcpy(bad.host, "a..example"));
    BAD(memset(bad.host, 'a', sizeof bad.host));
    BAD(strcpy(bad.path, "/a/../b"));
    BAD(strcpy(bad.path, "a"));
    BAD(strcpy(bad.path, "/a\nb"));
    BAD(memset(bad.path, '/', sizeof bad.path));
}
END_TEST

START_TEST(kinds_have_names)
{
    ck_assert_str_eq(hold_kind_name(HOLD_DENIED_HOST), "denied-host");
    ck_assert_str_eq(hold_kind_name(HOLD_MATCH), "match");
    ck_assert_str_eq(hold_kind_name(HOLD_PUSH), "push");
    ck_assert_str_eq(hold_kind_name(0), "");
    ck_assert_str_eq(hold_kind_name(HOLD_KINDS), "");
}
END_TEST

static unsigned take_all(struct hold_rate *rate, uint64_t now_ms)
{
    unsigned count = 0;

    while (hold_rate_take(rate, now_ms))
        count++;
    return count;
}

START_TEST(of_a_match_the_record_tells_what_was_found_by_its_hash)
{
    static const char *const values[] = {
        "", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0",
        "00112233445566778899AABBCCDDEEFF", "a secret of so many bytes, it is"};
    struct hold_request request = good();

    request.kind = HOLD_MATCH;
    strcpy(request.detector, "token_patterns");
    strcpy(request.surface, "header value");
    strcpy(request.value, VALUE);
    ck_assert_int_eq(read_it(&request), 0);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct hold_request bad = request;
        memset(bad.value, 0, sizeof bad.value);
        strcpy(bad.value, values[i]);
        ck_assert_msg(read_it(&bad) == -1, "%s", values[i]);
    }
    strcpy(request.detector, "known_secrets"); /* nobody is asked about them */
    ck_assert_int_eq(read_it(&request), -1);
    memset(request.detector, 0, sizeof request.detector);
    ck_assert_int_eq(read_it(&request), -1);
}
END_TEST

static struct hold_request push(void)
{
    struct hold_request request;

    memset(&request, 0, sizeof request);
    request.kind = HOLD_PUSH;
    request.seconds = 300;
    strcpy(request.event, "00000001-000001");
    strcpy(request.rule, "github-token");
    strcpy(request.detector, "token_patterns");
    strcpy(request.surface, "blob");
    strcpy(request.value, VALUE);
    strcpy(request.path, "src/a b.c"); /* no URL's */
    strcpy(request.push.repository, "app");
    strcpy(request.push.ref, "refs/heads/agent/x");
    strcpy(request.push.old_id, "0000000000000000000000000000000000000000");
    strcpy(request.push.new_id, "0123456789abcdef0123456789abcdef01234567");
    strcpy(request.push.commit, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    request.push.line = 7;
    request.push.finding = request.push.findings = HOLD_FINDINGS_MAX;
    return request;
}

#define BAD_PUSH(change)                                                                                     \
    do {                                                                                                     \
        struct hold_request bad = push();                                                                    \
        change;                                                                                              \
        ck_assert_msg(read_it(&bad) == -1, "%s", #change);                                                   \
    } while (0)

#define GOOD_PUSH(change)                                                                                    \
    do {                                                                                                     \
        struct hold_request good_ = push();                                                                  \
        change;                                                                                              \
        ck_assert_msg(read_it(&good_) == 0, "%s", #change);                                                  \
    } while (0)

#define CLEAR(text)     memset(text, 0, sizeof text)
#define PUT(text, with) (CLEAR(text), strcpy(text, with))

START_TEST(of_a_push_the_record_tells_where_it_is)
{
    GOOD_PUSH((void)good_);
    GOOD_PUSH(CLEAR(good_.value));
    GOOD_PUSH(CLEAR(good_.path));
    GOOD_PUSH(CLEAR(good_.push.commit));
    GOOD_PUSH(CLEAR(good_.detector); PUT(good_.rule, "protect_paths"));
    GOOD_PUSH(CLEAR(good_.push.ref); CLEAR(good_.push.old_id); CLEAR(good_.push.new_id)); /* a push option */
    GOOD_PUSH(good_.push.allow_comment = 1);
    GOOD_PUSH(good_.push.finding = good_.push.findings = 1);
    GOOD_PUSH(PUT(good_.push.ref, "refs/heads/****"));
}
END_TEST

START_TEST(a_malformed_record_of_a_push_is_not_taken)
{
    struct hold_request request = push(), into;
    struct str bytes = hold_bytes(&request);

    ck_assert_int_eq(hold_read(bytes, &into), 0);
    ck_assert_mem_eq(&request, &into, sizeof into);
    ck_assert_int_eq(hold_read((struct str){bytes.ptr, bytes.len - 1}, &into), -1);
    ck_assert_int_eq(hold_read((struct str){bytes.ptr, offsetof(struct hold_request, push)}, &into), -1);
    BAD_PUSH(bad.port = 443);
    BAD_PUSH(bad.tls = 1);
    BAD_PUSH(bad.body = -1);
    BAD_PUSH(bad.query = 1);
    BAD_PUSH(bad.seconds = 0);
    BAD_PUSH(CLEAR(bad.event));
    BAD_PUSH(CLEAR(bad.rule));
    BAD_PUSH(CLEAR(bad.surface));
    BAD_PUSH(PUT(bad.method, "GET"));
    BAD_PUSH(PUT(bad.host, "a.example"));
    BAD_PUSH(PUT(bad.path, "a\nb"));
    BAD_PUSH(PUT(bad.path, "caf\xc3\xa9"));
    BAD_PUSH(PUT(bad.detector, "known_secrets")); /* nobody is asked about them */
    BAD_PUSH(PUT(bad.value, "not a hash"));
    BAD_PUSH(CLEAR(bad.push.repository));
    BAD_PUSH(PUT(bad.push.repository, ".."));
    BAD_PUSH(PUT(bad.push.repository, "-x"));
    BAD_PUSH(PUT(bad.push.repository, "a/b"));
    BAD_PUSH(memset(bad.push.repository, 'a', sizeof bad.push.repository - 1)); /* too long for a name */
    BAD_PUSH(memset(bad.push.repository, 'a', sizeof bad.push.repository));
    BAD_PUSH(PUT(bad.push.ref, "refs/heads/a b"));
    BAD_PUSH(PUT(bad.push.ref, "refs/heads/\033[2J"));
    BAD_PUSH(memset(bad.push.ref, 'a', sizeof bad.push.ref));
    BAD_PUSH(CLEAR(bad.push.ref));
    BAD_PUSH(CLEAR(bad.push.old_id));
    BAD_PUSH(CLEAR(bad.push.new_id));
    BAD_PUSH(bad.push.old_id[0] = 'A');
    BAD_PUSH(bad.push.old_id[39] = '\0');
    BAD_PUSH(PUT(bad.push.new_id, bad.push.commit)); /* two kinds of ids */
    BAD_PUSH(bad.push.commit[0] = 'g');
    BAD_PUSH(bad.push.commit[63] = '\0');
    BAD_PUSH(bad.push.commit[71] = 'x'); /* behind its end */
    BAD_PUSH(bad.push.line = UINT64_MAX);
    BAD_PUSH(bad.push.finding = 0);
    BAD_PUSH(bad.push.finding = 2; bad.push.findings = 1);
    BAD_PUSH(bad.push.findings = HOLD_FINDINGS_MAX + 1);
    BAD_PUSH(bad.push.allow_comment = 2);
    BAD_PUSH(bad.push.zero = 1);
    BAD_PUSH(bad.kind = HOLD_MATCH);
    BAD_PUSH(bad.kind = HOLD_DENIED_HOST);
}
END_TEST

START_TEST(so_many_at_once_and_so_many_a_second)
{
    struct hold_rate rate = {0};
    uint64_t now = 1000000;

    ck_assert_uint_eq(take_all(&rate, now), HOLD_RATE_AT_ONCE);
    ck_assert_uint_eq(take_all(&rate, now), 0);
    ck_assert_uint_eq(take_all(&rate, now - 5000), 0); /* a clock that goes back gives nothing */
    now += 5000;
    rate.at_ms = now - 5000;
    ck_assert_uint_eq(take_all(&rate, now), 5 * HOLD_RATE);
    ck_assert_uint_eq(take_all(&rate, now + 1000 / HOLD_RATE - 1), 0);
    ck_assert_uint_eq(take_all(&rate, now + 1000 / HOLD_RATE), 1);
    ck_assert_uint_eq(take_all(&rate, now + 3600000), HOLD_RATE_AT_ONCE); /* and no more than fits */
}
END_TEST

SUITE_MAIN("hold", a_record_is_taken_and_a_malformed_one_is_not,
           of_a_match_the_record_tells_what_was_found_by_its_hash, of_a_push_the_record_tells_where_it_is,
           a_malformed_record_of_a_push_is_not_taken, kinds_have_names, so_many_at_once_and_so_many_a_second)
