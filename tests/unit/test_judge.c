/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_judge: the order of what decides, the rule that it is called by, and what of a request's fields goes on. */
#include "core/judge.h"

#include <stdio.h>
#include <string.h>

#include "core/forward.h"
#include "tests/unit/suite.h"

#define POLICY                                                                                               \
    "{\"protocol\":1,\"routes\":["                                                                           \
    "{\"host\":\"a.test\",\"matches\":[{\"paths\":[{\"value\":\"/v1\"}]}],"                                  \
    "\"deny\":[{\"headers\":[{\"name\":\"X-Mode\",\"value\":\"admin\"}]}]},"                                 \
    "{\"host\":\"*.b.test\",\"auth\":{\"scheme\":\"Bearer\",\"secret\":\"T\"}}]}"

static struct h1_head head;
static struct request request;
static struct judged judged;

static enum denial judge(const struct policy *policy, unsigned port, bool tls, const char *bytes)
{
    ck_assert_int_eq(h1_head_parse(true, false, bytes, strlen(bytes), &head), H1_OK);
    ck_assert_int_eq(request_read(&head, tls, &request), DENIAL_NONE);
    return judge_request(policy, port, tls, &head, &request, &judged);
}

START_TEST(the_outermost_reason_is_told_with_its_rule)
{
    static const struct {
        unsigned port;
        bool tls;
        const char *bytes;
        enum denial denial;
        const char *rule;
    } table[] = {
        {443, true, "GET /v1/x HTTP/1.1\r\nHost: a.test\r\n\r\n", DENIAL_NONE, "a.test matches[0]"},
        {443, true, "GET /v2 HTTP/1.1\r\nHost: a.test\r\n\r\n", DENIAL_PATH_NOT_ALLOWED, "a.test"},
        {443, true, "GET /v1 HTTP/1.1\r\nHost: a.test\r\nX-Mode: admin\r\n\r\n", DENIAL_DENY_ENTRY,
         "a.test deny[0]"},
        /* a field that stays behind decides nothing */
        {443, true, "GET /v1 HTTP/1.1\r\nHost: a.test\r\nX-Mode: admin\r\nConnection: X-Mode\r\n\r\n",
         DENIAL_NONE, "a.test matches[0]"},
        {443, true, "POST /v2/git-receive-pack HTTP/1.1\r\nHost: a.test\r\n\r\n", DENIAL_GIT_PUSH, "a.test"},
        {8443, true, "POST /v2/git-receive-pack HTTP/1.1\r\nHost: a.test:8443\r\n\r\n",
         DENIAL_PORT_NOT_ALLOWED, "a.test"},
        {80, false, "POST /git-receive-pack HTTP/1.1\r\nHost: x.b.test\r\n\r\n", DENIAL_AUTH_NEEDS_TLS,
         "*.b.test"},
        {443, true, "GET / HTTP/1.1\r\nHost: x.b.test\r\n\r\n", DENIAL_NONE, "*.b.test"},
        {443, true, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", DENIAL_HOST_NOT_ALLOWED, ""},
    };
    struct policy *policy;
    struct err err;

    ck_assert_msg(policy_parse(str_of(POLICY), false, &policy, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum denial denial = judge(policy, table[i].port, table[i].tls, table[i].bytes);
        ck_assert_msg(denial == table[i].denial, "%s: %s", table[i].bytes, denial_name(denial));
        ck_assert_str_eq(judged.rule, table[i].rule);
        ck_assert((judged.route == NULL) == (table[i].rule[0] == '\0'));
        ck_assert((judged.entry != NULL) == (strchr(judged.rule, '[') != NULL));
        ck_assert(request.secure == table[i].tls);
    }
    policy_unref(policy);
    ck_assert_int_eq(judge(NULL, 443, true, table[0].bytes), DENIAL_NO_POLICY);
    ck_assert(judged.route == NULL && judged.rule[0] == '\0');
}
END_TEST

/* The host's own services are the manifest's to open, and no answer of the operator's opens them in passing. */
START_TEST(a_request_to_the_host_itself_never_waits_for_an_approval)
{
    static const char *const hosts[] = {"other.test", "host.stopper.internal"};
    struct policy *policy = NULL;
    char bytes[128];
    struct err err;

    ck_assert_msg(
        policy_parse(str_of("{\"protocol\":1,\"hold\":{\"denied\":true,\"seconds\":9},\"routes\":[]}"), false,
                     &policy, &err) == 0,
        "%s", err.text);
    for (size_t i = 0; i < 2; i++) {
        snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        ck_assert_int_eq(judge(policy, 80, false, bytes), DENIAL_HOST_NOT_ALLOWED);
        ck_assert_msg(judge_holdable(policy, 80, false, &head, &request) == (i == 0), "%s", hosts[i]);
    }
    policy_unref(policy);
}
END_TEST

START_TEST(what_belongs_to_the_connection_or_is_a_credential_stays_behind)
{
    static const char bytes[] =
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x-hop\r\nX-Hop: 1\r\nCookie: a=b\r\n"
        "X_Api_Key: k\r\nX-Other: 1\r\n\r\n";
    const struct route strict = {.host = "a.test"};
    const struct route loose = {.host = "a.test", .cookies = true, .auth.scheme = AUTH_PASSTHROUGH};
    static const bool goes_on[][2] = {{0, 0}, {0, 0}, {0, 0}, {0, 1}, {0, 1}, {1, 1}};

    ck_assert_int_eq(h1_head_parse(true, false, bytes, strlen(bytes), &head), H1_OK);
    ck_assert_uint_eq(head.field_count, sizeof goes_on / sizeof goes_on[0]);
    for (size_t i = 0; i < head.field_count; i++) {
        ck_assert_int_eq(forward_field(&head, &strict, &head.fields[i]), goes_on[i][0]);
        ck_assert_int_eq(forward_field(&head, &loose, &head.fields[i]), goes_on[i][1]);
    }
}
END_TEST

SUITE_MAIN("judge", the_outermost_reason_is_told_with_its_rule,
           a_request_to_the_host_itself_never_waits_for_an_approval,
           what_belongs_to_the_connection_or_is_a_credential_stays_behind)
