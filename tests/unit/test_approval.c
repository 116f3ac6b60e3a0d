/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_approval: what of a policy a person decides: which requests may be asked about, and what an approval lets
 * through. */
#include "core/approval.h"

#include <string.h>

#include "core/judge.h"
#include "tests/unit/suite.h"

#define HEAD "{\"protocol\":1,\"routes\":[{\"host\":\"a.test\"},{\"host\":\"*.w.test\"}],"
#define HOLD                                                                                                 \
    HEAD "\"hold\":{\"denied\":true},\"ignore\":[\"t.test\",\"*.ads.test\"],\"generation\":3,\"base\":2,"
#define ONE                                                                                                  \
    "{\"id\":7,\"host\":\"n.test\",\"port\":443,\"tls\":true,\"method\":\"GET\",\"path\":\"/"                \
    "a%20b\",\"once\":"

static struct h1_head head;
static struct request request;
static struct judged judged;

static struct policy *parse(const char *text)
{
    struct policy *policy;
    struct err err;

    ck_assert_msg(policy_parse(str_of(text), true, &policy, &err) == 0, "%s", err.text);
    return policy;
}

static enum denial judge(const struct policy *policy, unsigned port, bool tls, const char *bytes,
                         uint64_t approved)
{
    ck_assert_int_eq(h1_head_parse(true, false, bytes, strlen(bytes), &head), H1_OK);
    ck_assert_int_eq(request_read(&head, tls, &request), DENIAL_NONE);
    request.approved = approved;
    return judge_request(policy, port, tls, &head, &request, &judged);
}

#define GET(path, host) "GET " path " HTTP/1.1\r\nHost: " host "\r\n"
#define END             "\r\n"

START_TEST(what_may_be_asked_about)
{
    static const struct {
        unsigned port;
        bool tls, held;
        const char *bytes;
    } table[] = {
        {443, true, true, GET("/", "n.test") END},
        {80, false, true, GET("/a?b", "n.test") END},
        {8080, false, true, GET("/", "n.test:8080") END},
        {443, true, true, GET("/", "ads.test") END}, /* not below itself */
        {443, true, false, GET("/", "t.test") END},
        {443, true, false, GET("/", "x.y.ads.test") END},
        {443, true, false, GET("/", "n.test:80") END},
        {443, true, false, GET("/", POLICY_HOST_SERVICE) END},
        {443, false, false, GET("/", "n.test") END},
        {80, true, false, GET("/", "n.test") END},
        {443, true, false, GET("/a/../b", "n.test") END},
        {443, true, false, GET("/a%2fb", "n.test") END},
        {443, true, false, "OPTIONS * HTTP/1.1\r\nHost: n.test\r\n\r\n"},
        {443, true, false, GET("/", "n.test") "X-HTTP-Method-Override: PUT\r\n" END},
        {443, true, false, GET("/?_method=PUT", "n.test") END},
        {443, true, false, GET("/", "n.test") "X-Original-URL: /b\r\n" END},
        {443, true, false, GET("/r/info/refs?service=git-upload-pack", "n.test") END},
        {443, true, false, "POST /r/git-receive-pack HTTP/1.1\r\nHost: n.test\r\n\r\n"},
    };
    struct policy *policy = parse(HOLD "\"approvals\":[]}"), *none = parse(HEAD "\"generation\":1}");

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        judge(policy, table[i].port, table[i].tls, table[i].bytes, 0);
        bool held = judge_holdable(policy, table[i].port, table[i].tls, &head, &request);
        ck_assert_msg(held == table[i].held, "%s", table[i].bytes);
        ck_assert(!judge_holdable(none, table[i].port, table[i].tls, &head, &request));
    }
    policy_unref(none);
    policy_unref(policy);
}
END_TEST

static void through(const struct policy *policy, bool goes, unsigned port, bool tls, const char *bytes,
                    uint64_t approved)
{
    enum denial denial = judge(policy, port, tls, bytes, approved);

    ck_assert_msg(denial == (goes ? DENIAL_NONE : DENIAL_HOST_NOT_ALLOWED), "%s: %s", bytes,
                  denial_name(denial));
    ck_assert_str_eq(judged.rule, goes ? "n.test approval 7" : "");
    ck_assert((judged.route != NULL) == goes);
}

START_TEST(an_approval_is_for_that_method_host_port_and_path)
{
    struct policy *policy = parse(HOLD "\"approvals\":[" ONE "false}]}");

    through(policy, true, 443, true, GET("/a%20b", "n.test") END, 0);
    through(policy, true, 443, true, GET("/%61%20b?q", "N.TEST") "X-A: b\r\n" END, 0);
    through(policy, false, 443, true, GET("/a%20b/", "n.test") END, 0);
    through(policy, false, 443, true, GET("/a", "n.test") END, 0);
    through(policy, false, 443, true, "HEAD /a%20b HTTP/1.1\r\nHost: n.test\r\n\r\n", 0);
    through(policy, false, 8443, true, GET("/a%20b", "n.test:8443") END, 0);
    through(policy, false, 443, false, GET("/a%20b", "n.test") END, 0);
    through(policy, false, 80, false, GET("/a%20b", "n.test") END, 0);
    through(policy, false, 443, true, GET("/a%20b", "m.test") END, 0);
    through(policy, false, 443, true, GET("/./a%20b", "n.test") END, 0);
    /* what it does not say, it does not allow */
    ck_assert_int_eq(
        judge(policy, 443, true, GET("/a%20b", "n.test") "X-HTTP-Method-Override: PUT\r\n" END, 0),
        DENIAL_METHOD_OVERRIDE);
    ck_assert_int_eq(judge(policy, 443, true, GET("/a%20b", "n.test") "X-Original-URL: /b\r\n" END, 0),
                     DENIAL_PATH_AMBIGUOUS);
    ck_assert_int_eq(judge(policy, 443, true, GET("/", "a.test") END, 0), DENIAL_NONE); /* all else stays */
    ck_assert_uint_eq(policy->approvals.base, 2);
    struct ip lan;
    ck_assert_int_eq(ip_parse(str_of("10.0.0.1"), &lan), 0);
    ck_assert(!policy_may_dial(policy, policy_find(policy, "n.test"), &lan));
    ck_assert(policy_has_port(policy, 443));
    policy_unref(policy);
}
END_TEST

START_TEST(one_for_once_is_for_the_request_that_has_it)
{
    struct policy *policy = parse(HOLD "\"approvals\":[" ONE "true}]}");

    through(policy, false, 443, true, GET("/a%20b", "n.test") END, 0);
    through(policy, false, 443, true, GET("/a%20b", "n.test") END, 8);
    through(policy, true, 443, true, GET("/a%20b", "n.test") END, 7);
    through(policy, false, 443, true, GET("/b", "n.test") END, 7);
    policy_unref(policy);
}
END_TEST

START_TEST(several_of_a_host_share_one_route)
{
    struct policy *policy =
        parse(HOLD "\"approvals\":[" ONE "false},{\"id\":8,\"host\":\"n.test\",\"port\":80,\"tls\":false,"
                   "\"method\":\"POST\",\"path\":\"/c\"},{\"host\":\"dns.test\"}]}");

    ck_assert_uint_eq(policy->route_count, 4);
    const struct route *route = policy_find(policy, "n.test");
    ck_assert(route->approved && route_has_port(route, 443) && route_has_port(route, 80));
    ck_assert_int_eq(judge(policy, 80, false, "POST /c HTTP/1.1\r\nHost: n.test\r\n\r\n", 0), DENIAL_NONE);
    ck_assert_str_eq(judged.rule, "n.test approval 8");
    ck_assert_int_eq(judge(policy, 443, true, "POST /c HTTP/1.1\r\nHost: n.test\r\n\r\n", 0),
                     DENIAL_HOST_NOT_ALLOWED);
    /* a host alone, as stopper-dns gets it, lets nothing through */
    ck_assert_ptr_nonnull(policy_find(policy, "dns.test"));
    ck_assert_int_eq(judge(policy, 80, false, GET("/", "dns.test") END, 0), DENIAL_HOST_NOT_ALLOWED);
    policy_unref(policy);
}
END_TEST

START_TEST(what_is_malformed_is_refused)
{
    static const struct {
        bool internal;
        const char *text, *error;
    } wrong[] = {
        {true, HOLD "\"approvals\":[{\"id\":1}]}", "policy: approvals: [0]: \"host\" is missing"},
        {true, HOLD "\"approvals\":[{\"id\":1,\"host\":\"n.test\"}]}",
         "policy: approvals: [0]: \"port\", \"method\" or \"path\" is missing"},
        {true, HOLD "\"approvals\":[{\"id\":0,\"host\":\"n.test\"}]}",
         "policy: approvals: [0]: id: expected a positive integer"},
        {true, HOLD "\"approvals\":[{\"host\":\"127.0.0.1\"}]}",
         "policy: approvals: [0]: host: not a host name"},
        {true, HOLD "\"approvals\":[{\"path\":\"/a/../b\"}]}",
         "policy: approvals: [0]: path: not a path with one reading"},
        {true, HOLD "\"approvals\":[{\"host\":\"a.test\"}]}",
         "policy: routes[2]: host \"a.test\" is already routes[0]"},
        {true, HOLD "\"approvals\":[{\"any\":1}]}", "policy: approvals: [0]: unknown member \"any\""},
        {false, HEAD "\"approvals\":[]}", "policy: unknown member \"approvals\""},
        {false, HEAD "\"base\":1}", "policy: unknown member \"base\""},
        {false, HEAD "\"hold\":true}", "policy: hold: expected an object, found true"},
        {false, HEAD "\"hold\":{\"seconds\":3601}}",
         "policy: hold: seconds: expected an integer from 1 to 3600"},
        {false, HEAD "\"hold\":{\"seconds\":0}}",
         "policy: hold: seconds: expected an integer from 1 to 3600"},
        {false, HEAD "\"hold\":{\"denied\":1}}",
         "policy: hold: denied: expected true or false, found an integer"},
        {false, HEAD "\"ignore\":[\"*\"]}", "policy: ignore: [0]: not a host name"},
    };
    struct policy *policy;
    struct err err;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(policy_parse(str_of(wrong[i].text), wrong[i].internal, &policy, &err) == -1, "%s",
                      wrong[i].text);
        ck_assert_str_eq(err.text, wrong[i].error);
    }
}
END_TEST

#define HASH "00112233445566778899aabbccddeeff"
#define OF(more)                                                                                             \
    HOLD "\"approvals\":[{\"id\":8,\"host\":\"a.test\",\"port\":443,\"tls\":true,\"value\":\"" HASH          \
         "\"" more "}]}"

START_TEST(of_a_value_it_is_for_that_host_surface_and_value_and_opens_nothing)
{
    struct policy *ttl = parse(OF(",\"surface\":\"body\",\"once\":false")),
                  *once = parse(OF(",\"surface\":\"body\",\"once\":true"));
    const struct approvals *list = &ttl->approvals;

    ck_assert_uint_eq(ttl->route_count, 2); /* its host has its own */
    ck_assert_ptr_nonnull(approvals_find_value(list, "a.test", 443, true, "body", HASH, 0));
    ck_assert_ptr_null(approvals_find_value(list, "b.test", 443, true, "body", HASH, 8));
    ck_assert_ptr_null(approvals_find_value(list, "a.test", 8443, true, "body", HASH, 8));
    ck_assert_ptr_null(approvals_find_value(list, "a.test", 443, false, "body", HASH, 8));
    ck_assert_ptr_null(approvals_find_value(list, "a.test", 443, true, "query", HASH, 8));
    ck_assert_ptr_null(approvals_find_value(list, "a.test", 443, true, "body", "0" HASH, 8));
    ck_assert_ptr_null(approvals_find_value(list, "a.test", 443, true, "body", "", 8));
    ck_assert_ptr_null(approvals_find_value(&once->approvals, "a.test", 443, true, "body", HASH, 0));
    ck_assert_ptr_null(approvals_find_value(&once->approvals, "a.test", 443, true, "body", HASH, 7));
    ck_assert_ptr_nonnull(approvals_find_value(&once->approvals, "a.test", 443, true, "body", HASH, 8));
    policy_unref(once);
    policy_unref(ttl);
    struct policy *host = parse(HOLD "\"approvals\":[" ONE "false}]}");
    ck_assert_ptr_null(approvals_find_value(&host->approvals, "n.test", 443, true, "", "", 7));
    policy_unref(host);
}
END_TEST

START_TEST(of_a_value_what_is_malformed_is_refused)
{
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {OF(""), "policy: approvals: [0]: \"value\", \"surface\", \"id\" and \"port\" belong together"},
        {HOLD "\"approvals\":[{\"host\":\"a.test\",\"surface\":\"body\"}]}",
         "policy: approvals: [0]: \"value\", \"surface\", \"id\" and \"port\" belong together"},
        {HOLD "\"approvals\":[{\"value\":\"0" HASH "\"}]}",
         "policy: approvals: [0]: value: not a value's hash"},
        {HOLD "\"approvals\":[{\"value\":\"\"}]}", "policy: approvals: [0]: value: not a value's hash"},
        {HOLD "\"approvals\":[{\"surface\":\"\"}]}", "policy: approvals: [0]: surface: not a surface"},
        {HOLD "\"value_key\":\"" HASH "\"}", "policy: value_key: not a key"},
        {HOLD "\"value_key\":\"" HASH HASH HASH "\"}", "policy: value_key: not a key"},
        {HOLD "\"value_key\":\"" HASH "00112233445566778899AABBCCDDEEFF\"}", "policy: value_key: not a key"},
        {HOLD "\"value_key\":7}", "policy: value_key: not a key"},
    };
    struct policy *policy;
    struct err err;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(policy_parse(str_of(wrong[i].text), true, &policy, &err) == -1, "%s", wrong[i].text);
        ck_assert_str_eq(err.text, wrong[i].error);
    }
    policy = parse(HOLD "\"value_key\":\"" HASH HASH "\"}");
    ck_assert(policy->approvals.has_key && policy->approvals.key[1] == 0x11 &&
              policy->approvals.key[31] == 0xff);
    policy_unref(policy);
}
END_TEST

SUITE_MAIN("approval", of_a_value_it_is_for_that_host_surface_and_value_and_opens_nothing,
           of_a_value_what_is_malformed_is_refused, what_may_be_asked_about,
           an_approval_is_for_that_method_host_port_and_path, one_for_once_is_for_the_request_that_has_it,
           several_of_a_host_share_one_route, what_is_malformed_is_refused)
