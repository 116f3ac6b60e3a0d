/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_match: which requests an entry holds for, which of several reasons is said, and what it costs. */
#include "core/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/policy.h"
#include "tests/unit/suite.h"

#define POLICY(rules) "{\"protocol\":1,\"routes\":[{\"host\":\"a.test\"," rules "}]}"

static struct policy *parse(const char *json)
{
    struct policy *policy = NULL;
    struct err err = {""};

    ck_assert_msg(policy_parse(str_of(json), false, &policy, &err) == 0, "%s: %s", json, err.text);
    return policy;
}

/* "METHOD TARGET" and then "\nName: value" for each field. */
static struct match_request read_request(const char *text, struct match_field fields[16])
{
    struct match_request request = {.fields = fields};
    size_t line = strcspn(text, "\n"), method = strcspn(text, " ");
    struct str target = {text + method + 1, line - method - 1};
    const char *mark = memchr(target.ptr, '?', target.len);

    request.method = (struct str){text, method};
    request.path = (struct str){target.ptr, mark != NULL ? (size_t)(mark - target.ptr) : target.len};
    request.query = (struct str){target.ptr + request.path.len, target.len - request.path.len};
    for (text += line; *text == '\n'; text += line) {
        text++;
        line = strcspn(text, "\n");
        size_t name = strcspn(text, ":");
        fields[request.field_count++] =
            (struct match_field){{text, name}, str_trim((struct str){text + name + 1, line - name - 1})};
    }
    return request;
}

static void judge(const struct policy *policy, const char *text, enum denial wanted, const char *by)
{
    const struct match_rules *rules = &policy->routes[0].rules;
    const struct match_entry *entry;
    struct match_field fields[16];
    struct match_request request = read_request(text, fields);
    char name[MATCH_NAME_MAX] = "";

    enum denial denial = match_judge(rules, &request, &entry);
    if (entry != NULL)
        match_entry_name(rules, entry, name);
    ck_assert_msg(denial == wanted, "%s: %s, not %s", text, denial_name(denial), denial_name(wanted));
    ck_assert_msg(strcmp(name, by) == 0, "%s: by %s, not %s", text, name, by);
}

struct row {
    const char *request;
    enum denial denial;
    const char *entry;
};

static void judge_all(const char *json, const struct row *rows, size_t count)
{
    struct policy *policy = parse(json);

    for (size_t i = 0; i < count; i++)
        judge(policy, rows[i].request, rows[i].denial, rows[i].entry);
    policy_unref(policy);
}

#define JUDGE(json, ...)                                                                                     \
    do {                                                                                                     \
        static const struct row rows[] = {__VA_ARGS__};                                                      \
        judge_all(json, rows, sizeof rows / sizeof rows[0]);                                                 \
    } while (0)

START_TEST(without_rules_all_is_allowed)
{
    JUDGE("{\"protocol\":1,\"routes\":[{\"host\":\"a.test\"}]}", {"GET /", DENIAL_NONE, ""},
          {"POST /a/../b;c?_method=PUT", DENIAL_NONE, ""},
          {"POST /\nX-HTTP-Method-Override: DELETE", DENIAL_NONE, ""}, {"OPTIONS *", DENIAL_NONE, ""});
}
END_TEST

START_TEST(a_prefix_ends_at_a_slash)
{
    JUDGE(POLICY("\"matches\":[{\"paths\":[{\"value\":\"/a/b\"},{\"type\":\"prefix\",\"value\":\"/c/\"}]}]"),
          {"GET /a/b", DENIAL_NONE, "matches[0]"}, {"GET /a/b/", DENIAL_NONE, "matches[0]"},
          {"GET /a/b/c?x=/y/..", DENIAL_NONE, "matches[0]"}, {"GET /a/bc", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /a/b.git", DENIAL_PATH_NOT_ALLOWED, ""}, {"GET /a", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /A/b", DENIAL_PATH_NOT_ALLOWED, ""}, {"GET /", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /c/", DENIAL_NONE, "matches[0]"}, {"GET /c/d", DENIAL_NONE, "matches[0]"},
          {"GET /c", DENIAL_PATH_NOT_ALLOWED, ""}, {"GET /x/a/b", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /%61/%62/c", DENIAL_NONE, "matches[0]"}, {"OPTIONS *", DENIAL_PATH_NOT_ALLOWED, ""});
    JUDGE(POLICY("\"matches\":[{\"paths\":[{\"value\":\"/\"}]}]"), {"GET /", DENIAL_NONE, "matches[0]"},
          {"GET /x", DENIAL_NONE, "matches[0]"}, {"OPTIONS *", DENIAL_PATH_NOT_ALLOWED, ""});
    JUDGE(POLICY("\"matches\":[{\"paths\":[{\"value\":\"/a%20b/%C3%A9\"}]}]"),
          {"GET /a%20b/%c3%a9/x", DENIAL_NONE, "matches[0]"},
          {"GET /a+b/%C3%A9", DENIAL_PATH_NOT_ALLOWED, ""});
}
END_TEST

START_TEST(exact_is_the_whole_path_without_its_query)
{
    JUDGE(POLICY("\"matches\":[{\"paths\":[{\"type\":\"exact\",\"value\":\"/a/b\"}]}]"),
          {"GET /a/b", DENIAL_NONE, "matches[0]"}, {"GET /a/b?x", DENIAL_NONE, "matches[0]"},
          {"GET /a/%62?", DENIAL_NONE, "matches[0]"}, {"GET /a/b/", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /a/b/c", DENIAL_PATH_NOT_ALLOWED, ""}, {"GET /a/B", DENIAL_PATH_NOT_ALLOWED, ""});
}
END_TEST

START_TEST(a_regex_holds_for_the_whole_value_and_cannot_be_left)
{
    JUDGE(POLICY(
              "\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/repos/[^/]+/(?:issues|pulls)\"}]}]"),
          {"GET /repos/x/issues", DENIAL_NONE, "matches[0]"},
          {"GET /repos/x/pulls?a", DENIAL_NONE, "matches[0]"},
          {"GET /repos/x/issues/1", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /y/repos/x/issues", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /repos/x/issues/", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /repos/x/Issues", DENIAL_PATH_NOT_ALLOWED, ""});
    JUDGE(POLICY("\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/a|/b\"}]}]"),
          {"GET /a", DENIAL_NONE, "matches[0]"}, {"GET /b", DENIAL_NONE, "matches[0]"},
          {"GET /ax", DENIAL_PATH_NOT_ALLOWED, ""}, {"GET /x/b", DENIAL_PATH_NOT_ALLOWED, ""});
    JUDGE(POLICY("\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/a(*ACCEPT)x|/b$\"}]}]"),
          {"GET /a", DENIAL_NONE, "matches[0]"}, {"GET /ab", DENIAL_PATH_NOT_ALLOWED, ""},
          {"GET /b", DENIAL_NONE, "matches[0]"});
    /* bytes, not characters */
    JUDGE(POLICY("\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/..\"}]}]"),
          {"GET /%C3%A9", DENIAL_NONE, "matches[0]"}, {"GET /a", DENIAL_PATH_NOT_ALLOWED, ""});
}
END_TEST

START_TEST(within_an_entry_every_kind_has_to_hold_and_one_entry_is_enough)
{
    JUDGE(
        POLICY("\"matches\":[{\"paths\":[{\"value\":\"/v1\"}],\"methods\":[\"GET\",\"HEAD\"]},"
               "{\"paths\":[{\"value\":\"/v1/messages\"}],\"methods\":[\"POST\"],"
               "\"headers\":[{\"name\":\"X-Version\",\"value\":\"1\"},"
               "{\"name\":\"Accept\",\"type\":\"regex\",\"value\":\"text/[a-z]+\"}]}]"),
        {"GET /v1/x", DENIAL_NONE, "matches[0]"}, {"HEAD /v1", DENIAL_NONE, "matches[0]"},
        {"GET /v2", DENIAL_PATH_NOT_ALLOWED, ""}, {"DELETE /v2", DENIAL_PATH_NOT_ALLOWED, ""},
        {"POST /v1", DENIAL_METHOD_NOT_ALLOWED, ""}, {"PUT /v1/messages", DENIAL_METHOD_NOT_ALLOWED, ""},
        {"POST /v1/messages", DENIAL_HEADER_NOT_ALLOWED, ""},
        {"POST /v1/messages\nX-Version: 1", DENIAL_HEADER_NOT_ALLOWED, ""},
        {"POST /v1/messages\nx-version: 1\nACCEPT: text/plain", DENIAL_NONE, "matches[1]"},
        {"POST /v1/messages\nX-Version: 1\nAccept: text/plain, x/y", DENIAL_HEADER_NOT_ALLOWED, ""},
        {"POST /v1/messages\nX-Version: 1\nX-Version: 2\nAccept: text/plain", DENIAL_HEADER_NOT_ALLOWED, ""},
        {"POST /v1/messages\nX-Version: 1\nX_Version: 2\nAccept: text/plain", DENIAL_HEADER_NOT_ALLOWED, ""},
        {"POST /v1/messages\nX_Version: 1\nAccept: text/plain", DENIAL_HEADER_NOT_ALLOWED, ""},
        {"POST /v1/messages\nX-Version: 1\nAccept: TEXT/plain", DENIAL_HEADER_NOT_ALLOWED, ""});
}
END_TEST

START_TEST(deny_wins_and_is_lenient_where_servers_are)
{
    JUDGE(
        POLICY("\"matches\":[{\"paths\":[{\"value\":\"/a\"}]}],"
               "\"deny\":[{\"paths\":[{\"type\":\"exact\",\"value\":\"/a/x\"}]},"
               "{\"name\":\"deny[1] p/q\",\"paths\":[{\"value\":\"/a/Y/\"}],\"methods\":[\"PUT\",\"POST\"]},"
               "{\"paths\":[{\"type\":\"regex\",\"value\":\"/a/[0-9]+/hooks\"}]},"
               "{\"headers\":[{\"name\":\"X-Mode\",\"value\":\"admin\"}]}]"),
        {"GET /a", DENIAL_NONE, "matches[0]"}, {"GET /b", DENIAL_PATH_NOT_ALLOWED, ""},
        {"GET /a/x", DENIAL_DENY_ENTRY, "deny[0]"}, {"GET /a/x/", DENIAL_DENY_ENTRY, "deny[0]"},
        {"GET /A/X", DENIAL_DENY_ENTRY, "deny[0]"}, {"GET /%61/%58", DENIAL_DENY_ENTRY, "deny[0]"},
        {"GET /a/x/y", DENIAL_NONE, "matches[0]"}, {"GET /a/xy", DENIAL_NONE, "matches[0]"},
        {"PUT /a/y", DENIAL_DENY_ENTRY, "deny[1] p/q"}, {"POST /a/Y/z", DENIAL_DENY_ENTRY, "deny[1] p/q"},
        {"GET /a/y", DENIAL_NONE, "matches[0]"}, {"PUT /a/yz", DENIAL_NONE, "matches[0]"},
        {"GET /a/12/hooks", DENIAL_DENY_ENTRY, "deny[2]"}, {"GET /a/12/HOOKS/", DENIAL_DENY_ENTRY, "deny[2]"},
        {"GET /a/12/hooks/x", DENIAL_NONE, "matches[0]"},
        {"GET /a\nx-mode: admin", DENIAL_DENY_ENTRY, "deny[3]"},
        {"GET /a\nX_Mode: ADMIN", DENIAL_DENY_ENTRY, "deny[3]"},
        {"GET /a\nX-Mode: user\nX-Mode: admin", DENIAL_DENY_ENTRY, "deny[3]"},
        {"GET /a\nX-Mode: user, admin ,x", DENIAL_DENY_ENTRY, "deny[3]"},
        {"GET /a\nX-Mode: administrator", DENIAL_NONE, "matches[0]"});
    JUDGE(POLICY("\"deny\":[{\"methods\":[\"DELETE\"]}]"), {"GET /a//b", DENIAL_NONE, ""},
          {"DELETE /a//b", DENIAL_DENY_ENTRY, "deny[0]"});
}
END_TEST

START_TEST(what_has_two_readings_is_refused_where_it_decides)
{
    static const char *const paths[] = {
        "/a/../b",   "/a/./b",         "/a//b",       "//a",    "/a/..",       "/a%2Fb",    "/a%2fb",
        "/a%5Cb",    "/a\\b",          "/a;x/b",      "/a%3Bx", "/a/%2e%2e/b", "/a/%2E./b", "/a%252Fb",
        "/a%25",     "/a%3Fb",         "/a%23b",      "/a%0Ab", "/a%09",       "/a%7F",     "/a%C0%AE",
        "/a%C0%AFb", "/a%E9",          "/a%ED%A0%80", "/a%",    "/a%2",        "/a%zz",     "/a%00",
        "/\xc3\xa9", "/a%F5%80%80%80", "/a%E0%80%AF", "/a%C3"};
    struct policy *by_path =
        parse(POLICY("\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\".*\"}]}]"));
    struct policy *by_method = parse(POLICY("\"matches\":[{\"methods\":[\"GET\"]}]"));
    struct policy *deny = parse(POLICY("\"deny\":[{\"paths\":[{\"value\":\"/x\"}]}]"));
    char text[64];

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(text, sizeof text, "GET %s", paths[i]);
        judge(by_path, text, DENIAL_PATH_AMBIGUOUS, "");
        judge(deny, text, DENIAL_PATH_AMBIGUOUS, "");
        judge(by_method, text, DENIAL_NONE, "matches[0]"); /* the path decides nothing there */
    }
    judge(by_path, "GET /a/...?x=/../%2f;", DENIAL_NONE, "matches[0]"); /* the control */
    judge(by_path, "GET /a\nX-Original-URL: /b", DENIAL_PATH_AMBIGUOUS, "");
    judge(by_path, "GET /a\nx_rewrite_url: /b", DENIAL_PATH_AMBIGUOUS, "");
    judge(by_method, "GET /a\nX-Original-URL: /b", DENIAL_NONE, "matches[0]");
    policy_unref(by_path);
    policy_unref(by_method);
    policy_unref(deny);
}
END_TEST

START_TEST(another_method_in_a_field_or_the_query_is_refused_where_methods_decide)
{
    static const char *const requests[] = {"GET /\nX-HTTP-Method-Override: DELETE",
                                           "GET /\nx-http-method-override: GET",
                                           "GET /\nX_HTTP_Method_Override: PUT",
                                           "GET /\nX-Method-Override: PUT",
                                           "GET /\nX-HTTP-Method: MERGE",
                                           "GET /?_method=DELETE",
                                           "GET /?a=b&_METHOD=DELETE",
                                           "GET /?a;_method=put",
                                           "GET /?%5fmethod=DELETE",
                                           "GET /?%255Fmethod=DELETE",
                                           "GET /?a=b%26_method=DELETE",
                                           "GET /?_HttpMethod=PATCH",
                                           "GET /?$httpMethod=DELETE",
                                           "GET /?x-http-method-override=PUT",
                                           "GET /?_method",
                                           "GET /?%25%32%35%35%46method=x"};
    struct policy *by_method = parse(POLICY("\"matches\":[{\"methods\":[\"GET\"]}]"));
    struct policy *by_path = parse(POLICY("\"matches\":[{\"paths\":[{\"value\":\"/\"}]}]"));

    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        judge(by_method, requests[i], DENIAL_METHOD_OVERRIDE, "");
        judge(by_path, requests[i], DENIAL_NONE, "matches[0]");
    }
    judge(by_method, "GET /?method=DELETE&my_method=x&q=_method\nX-Method: PUT", DENIAL_NONE, "matches[0]");
    policy_unref(by_method);
    policy_unref(by_path);
}
END_TEST

START_TEST(a_limit_that_is_hit_is_a_denial)
{
    static char text[40000];
    struct policy *matches = parse(POLICY(
        "\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/(a+)+[bc]\"},{\"value\":\"/\"}]}]"));
    struct policy *deny =
        parse(POLICY("\"deny\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/(a|aa)+[bd]\"}]}]"));
    struct policy *heap =
        parse(POLICY("\"deny\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/(?:(a)|(b))*[cd]\"}]}]"));

    strcpy(text, "GET /");
    memset(text + 5, 'a', 40);
    judge(matches, text, DENIAL_MATCH_LIMIT, "matches[0]");
    judge(deny, text, DENIAL_MATCH_LIMIT, "deny[0]");
    judge(matches, "GET /aab", DENIAL_NONE, "matches[0]");
    judge(deny, "GET /aab", DENIAL_DENY_ENTRY, "deny[0]");
    judge(deny, "GET /aac", DENIAL_NONE, "");
    memset(text + 5, 'a', sizeof text - 6);
    judge(heap, text, DENIAL_MATCH_LIMIT, "deny[0]");
    policy_unref(matches);
    policy_unref(deny);
    policy_unref(heap);
}
END_TEST

START_TEST(one_wildcard_over_the_longest_path_needs_fewer_steps_than_there_are)
{
    static char path[60000];
    struct policy *policy =
        parse(POLICY("\"matches\":[{\"paths\":[{\"type\":\"regex\",\"value\":\"/a/.*/z\"}]}]"));
    const struct match_entry *entry;

    memcpy(path, "/a/", 3);
    memset(path + 3, 'b', sizeof path - 3);
    struct match_request request = {.method = str_of("GET"), .path = {path, sizeof path}};
    ck_assert_int_eq(match_judge(&policy->routes[0].rules, &request, &entry), DENIAL_PATH_NOT_ALLOWED);
    memcpy(path + sizeof path - 2, "/z", 2);
    ck_assert_int_eq(match_judge(&policy->routes[0].rules, &request, &entry), DENIAL_NONE);
    policy_unref(policy);
}
END_TEST

START_TEST(a_policy_with_bad_rules_is_refused_with_their_place)
{
#define LONG_NAME "1234567890123456789012345678901234567890123456789012345678901234"
    static const struct {
        const char *rules, *error;
    } table[] = {
        {"\"matches\":[]", "matches: expected an array of 1 to 256 entries"},
        {"\"deny\":[]", "deny: expected an array of 1 to 256 entries"},
        {"\"deny\":\"github\"", "deny: expected an array of 1 to 256 entries"},
        {"\"deny\":[\"github\"]", "deny: [0]: expected an object, found a string"},
        {"\"matches\":[{}]", "matches: [0]: none of \"paths\", \"methods\" and \"headers\" is there"},
        {"\"matches\":[{\"name\":\"x\"}]",
         "matches: [0]: none of \"paths\", \"methods\" and \"headers\" is there"},
        {"\"matches\":[{\"name\":\"" LONG_NAME "\"}]",
         "matches: [0]: name: expected a name of 1 to 63 bytes"},
        {"\"matches\":[{\"name\":\"a\\u0007\"}]", "matches: [0]: name: expected printable ASCII"},
        {"\"matches\":[{\"path\":[]}]", "matches: [0]: unknown member \"path\""},
        {"\"matches\":[{\"paths\":[]}]", "matches: [0]: paths: expected an array of 1 to 256"},
        {"\"matches\":[{\"methods\":[]}]", "matches: [0]: methods: expected an array of 1 to 32"},
        {"\"matches\":[{\"headers\":{}}]", "matches: [0]: headers: expected an array of 1 to 32"},
        {"\"matches\":[{\"paths\":[\"/\"]}]", "matches: [0]: paths: [0]: expected an object, found a string"},
        {"\"matches\":[{\"paths\":[{\"type\":\"exact\"}]}]",
         "matches: [0]: paths: [0]: \"value\" is missing"},
        {"\"matches\":[{\"paths\":[{\"value\":\"/\",\"type\":\"glob\"}]}]",
         "matches: [0]: paths: [0]: type: expected \"prefix\", \"exact\" or \"regex\""},
        {"\"matches\":[{\"paths\":[{\"value\":\"a\"}]}]",
         "matches: [0]: paths: [0]: value: must begin with \"/\""},
        {"\"matches\":[{\"paths\":[{\"value\":7}]}]",
         "matches: [0]: paths: [0]: value: expected a string, found an integer"},
        {"\"matches\":[{\"methods\":[\"GET\",\"POST\",\"GET\"]}]",
         "matches: [0]: methods: [2]: is there already"},
        {"\"matches\":[{\"methods\":[1]}]",
         "matches: [0]: methods: [0]: expected a string, found an integer"},
        {"\"matches\":[{\"headers\":[{\"name\":\"A\"}]}]",
         "matches: [0]: headers: [0]: \"value\" is missing"},
        {"\"matches\":[{\"headers\":[{\"value\":\"A\"}]}]",
         "matches: [0]: headers: [0]: \"name\" is missing"},
        {"\"matches\":[{\"headers\":[{\"name\":\"A B\",\"value\":\"A\"}]}]",
         "matches: [0]: headers: [0]: is no field name"},
        {"\"matches\":[{\"headers\":[{\"name\":\"A\",\"value\":\"A\",\"type\":\"prefix\"}]}]",
         "matches: [0]: headers: [0]: must be of type exact or regex"},
        {"\"deny\":[{\"paths\":[{\"value\":\"/\"}]}],\"tls\":{\"passthrough\":true}",
         "tls.passthrough: nothing inside can be decided or changed, so no auth, cookies, insecure, "
         "git_fetch, "
         "matches, deny or dlp may be beside it"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char json[1024], error[1024];
        struct policy *policy = NULL;
        struct err err = {""};
        snprintf(json, sizeof json, "{\"protocol\":1,\"routes\":[{\"host\":\"a\",%s}]}", table[i].rules);
        snprintf(error, sizeof error, "policy: routes: [0]: %s", table[i].error);
        ck_assert_msg(policy_parse(str_of(json), false, &policy, &err) == -1, "accepted: %s", json);
        ck_assert_str_eq(err.text, error);
    }
}
END_TEST

START_TEST(values_that_could_never_hold_or_do_not_compile_are_named)
{
    static const struct {
        enum match_type type;
        const char *text, *error;
    } paths[] = {
        {MATCH_PREFIX, "", "must begin with \"/\""},
        {MATCH_EXACT, "a/b", "must begin with \"/\""},
        {MATCH_PREFIX, "/a?b", "holds a \"?\": the query is no part of the path and decides nothing"},
        {MATCH_PREFIX, "/a b",
         "is no path as in a URL: spaces, \"%\" and what is not ASCII are percent-encoded"},
        {MATCH_PREFIX, "/a%",
         "is no path as in a URL: spaces, \"%\" and what is not ASCII are percent-encoded"},
        {MATCH_PREFIX, "/a//b", "has no single reading: "},
        {MATCH_EXACT, "/a/../b", "has no single reading: "},
        {MATCH_EXACT, "/a%2Fb", "has no single reading: "},
        {MATCH_EXACT, "/a;b", "has no single reading: "},
        {MATCH_REGEX, "/a(b", "does not compile: at offset 4: missing closing parenthesis"},
        {MATCH_REGEX, "/[z-a]", "does not compile: at offset 4: range out of order in character class"},
        {MATCH_REGEX, "/a)|(?:/b", "does not compile: at offset 2: unmatched closing parenthesis"},
        {MATCH_REGEX, "(*UTF)/a", "does not compile: at offset 6: using UTF is disabled by the application"},
        {MATCH_REGEX, "(*UCP)/a", "does not compile: at offset 6: using UCP is disabled by the application"},
        {MATCH_REGEX, "((((a{999}){999}){999}){999})", "does not compile: at offset "},
    };

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct match_rules rules = {.by_path = false};
        struct err err = {""};
        ck_assert_int_eq(match_list_new(&rules.matches, 1, false), 0);
        ck_assert_int_eq(match_entry_new(&rules.matches.entries[0], 1, 0, 0), 0);
        ck_assert_msg(match_add_path(&rules.matches.entries[0], false, paths[i].type, str_of(paths[i].text),
                                     &err) == -1,
                      "accepted: %s", paths[i].text);
        ck_assert_msg(strncmp(err.text, paths[i].error, strlen(paths[i].error)) == 0, "%s: %s", paths[i].text,
                      err.text);
        ck_assert_uint_eq(rules.matches.entries[0].path_count, 0);
        match_fini(&rules);
    }
}
END_TEST

/* What things cost, for whoever reads the output: no figure decides. */

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct policy *many_routes(int count)
{
    char *json = malloc((size_t)count * 160 + 100);
    size_t len = (size_t)sprintf(json, "{\"protocol\":1,\"routes\":[");

    for (int i = 0; i < count; i++)
        len += (size_t)sprintf(
            json + len, "%s{\"host\":\"%sh%d.example\",\"matches\":[{\"paths\":[{\"value\":\"/v1\"}]}]}",
            i > 0 ? "," : "", i % 2 ? "*." : "", i);
    sprintf(json + len, "]}");
    struct policy *policy = parse(json);
    free(json);
    return policy;
}

START_TEST(the_cost_of_a_lookup_does_not_depend_on_the_number_of_routes)
{
    enum { rounds = 200000 };

    for (int count = 10; count <= 10000; count *= count == 10 ? 100 : 10) {
        struct policy *policy = many_routes(count);
        struct match_request request = {.method = str_of("GET"), .path = str_of("/v1/messages")};
        char names[10][32];
        const struct match_entry *entry;
        size_t allowed = 0;
        for (int i = 0; i < 10; i++) /* spread over the table */
            snprintf(names[i], sizeof names[i], "%sh%d.example", (count / 10 * i) % 2 ? "a.b." : "",
                     count / 10 * i);
        double begin = now_ns();
        for (int i = 0; i < rounds; i++) {
            const struct route *route = policy_find(policy, names[i % 10]);
            allowed += route != NULL && match_judge(&route->rules, &request, &entry) == DENIAL_NONE;
        }
        double each = (now_ns() - begin) / rounds;
        ck_assert_uint_eq(allowed, rounds);
        printf("match: %5d routes: %4.0f ns to find one and judge a request by one prefix\n", count, each);
        policy_unref(policy);
    }
}
END_TEST

START_TEST(the_cost_of_fifty_entries)
{
    static const char *const types[] = {"prefix", "exact", "regex"};
    enum { entries = 50, rounds = 20000 };

    for (size_t type = 0; type < 3; type++) {
        char *json = malloc(16384);
        size_t len = (size_t)sprintf(json, "{\"protocol\":1,\"routes\":[{\"host\":\"a.test\",\"matches\":[");
        for (int i = 0; i < entries; i++)
            len += (size_t)sprintf(
                json + len,
                "%s{\"paths\":[{\"type\":\"%s\",\"value\":\"/repos/o%d/%s\"}],\"methods\":[\"GET\"]}",
                i > 0 ? "," : "", types[type], i, type == 2 ? "[^/]+/issues" : "r/issues");
        sprintf(json + len, "]}]}");
        struct policy *policy = parse(json);
        struct match_request request = {.method = str_of("GET"), .path = str_of("/repos/o49/r/issues")};
        const struct match_entry *entry;
        size_t allowed = 0;
        double begin = now_ns();
        for (int i = 0; i < rounds; i++)
            allowed += match_judge(&policy->routes[0].rules, &request, &entry) == DENIAL_NONE;
        double each = (now_ns() - begin) / rounds;
        ck_assert_uint_eq(allowed, rounds);
        printf("match: 50 entries of type %s, the last one holds: %5.0f ns a request\n", types[type], each);
        policy_unref(policy);
        free(json);
    }
}
END_TEST

SUITE_MAIN("match", without_rules_all_is_allowed, a_prefix_ends_at_a_slash,
           exact_is_the_whole_path_without_its_query, a_regex_holds_for_the_whole_value_and_cannot_be_left,
           within_an_entry_every_kind_has_to_hold_and_one_entry_is_enough,
           deny_wins_and_is_lenient_where_servers_are, what_has_two_readings_is_refused_where_it_decides,
           another_method_in_a_field_or_the_query_is_refused_where_methods_decide,
           a_limit_that_is_hit_is_a_denial,
           one_wildcard_over_the_longest_path_needs_fewer_steps_than_there_are,
           a_policy_with_bad_rules_is_refused_with_their_place,
           values_that_could_never_hold_or_do_not_compile_are_named,
           the_cost_of_a_lookup_does_not_depend_on_the_number_of_routes, the_cost_of_fifty_entries)
