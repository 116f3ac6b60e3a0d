/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_gate: which names, URLs and host keys of repositories are taken, as what, and what a policy's "gate" is read as. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"
#include "tests/unit/suite.h"

#define KEY        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi"
#define REPO       "\"name\":\"app\",\"url\":\"ssh://git@h.example/app.git\",\"host_key\":\"" KEY "\""
#define SIXTY_FOUR "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

START_TEST(a_name_is_a_file_name_that_is_no_option)
{
    static const char *const good[] = {"a", "A.b_c-9", ".x", "...", "app.git", SIXTY_FOUR};
    static const char *const bad[] = {"",    ".",   "..",       "-a",  "a/b",
                                      "a b", "a\n", "\xc3\xa4", "a:b", SIXTY_FOUR "a"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(gate_is_name(str_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!gate_is_name(str_of(bad[i])), "%s", bad[i]);
    ck_assert(!gate_is_name((struct str){"a\0b", 3}));
}
END_TEST

START_TEST(a_url_is_taken_apart)
{
    static const struct {
        const char *text, *user, *host, *path;
        unsigned port, family;
    } table[] = {
        {"ssh://git@H.Example/org/app.git", "git", "h.example", "/org/app.git", 22, 0},
        {"ssh://git@h.example:22/app", "git", "h.example", "/app", 22, 0},
        {"ssh://a.B_c-9@h:65535/~me/x", "a.B_c-9", "h", "/~me/x", 65535, 0},
        {"ssh://git@10.1.2.3:2222/a", "git", "10.1.2.3", "/a", 2222, 4},
        {"ssh://git@[2001:DB8::1]:1/a", "git", "2001:db8::1", "/a", 1, 6},
        {"ssh://git@[2001:db8::1]/a@b:c", "git", "2001:db8::1", "/a@b:c", 22, 6},
        {"ssh://git@h//-x", "git", "h", "//-x", 22, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct gate_url url;
        const char *problem = gate_url_take(str_of(table[i].text), &url);
        ck_assert_msg(problem == NULL, "%s %s", table[i].text, problem);
        ck_assert_str_eq(url.user, table[i].user);
        ck_assert_str_eq(url.host, table[i].host);
        ck_assert_str_eq(url.path, table[i].path);
        ck_assert_uint_eq(url.port, table[i].port);
        ck_assert_uint_eq(url.address.family, table[i].family);
    }
}
END_TEST

#define NO_HOST "has no host that is a name or an address"
#define NO_USER "has a user that is not letters, digits, \".\", \"_\" and \"-\""
#define NO_PATH "has a character in its path that is not taken"

START_TEST(a_url_of_two_readings_is_refused)
{
    static const struct {
        const char *text, *problem;
    } table[] = {
        {"", "is no ssh:// URL"},
        {"/srv/r.git", "is no ssh:// URL"},
        {"https://git@h/r", "is no ssh:// URL"},
        {"SSH://git@h/r", "is no ssh:// URL"},
        {"ext::sh -c x", "is the scp form"},
        {"git@h:r.git", "is the scp form"},
        {"ssh://git@h", "has no path"},
        {"ssh://git@h/", "has no path"},
        {"ssh://h/r", "has no user"},
        {"ssh://@h/r", "has no user"},
        {"ssh://h/r@x", "has no user"},
        {"ssh://git:pw@h/r", NO_USER},
        {"ssh://-oX@h/r", NO_USER},
        {"ssh://a@b@h/r", NO_HOST},
        {"ssh://git@/r", NO_HOST},
        {"ssh://git@-oProxyCommand/r", NO_HOST},
        {"ssh://git@h..x/r", NO_HOST},
        {"ssh://git@h./r", NO_HOST},
        {"ssh://git@2001:db8::1/r", NO_HOST},
        {"ssh://git@[10.0.0.1]/r", NO_HOST},
        {"ssh://git@[2001:db8::1/r", NO_HOST},
        {"ssh://git@0x7f000001/r", NO_HOST},
        {"ssh://git@127.0.0.1/r", "has an address that nothing is led to"},
        {"ssh://git@169.254.169.254/r", "has an address that nothing is led to"},
        {"ssh://git@[::1]/r", "has an address that nothing is led to"},
        {"ssh://git@h:/r", "has a bad port: 1 to 65535"},
        {"ssh://git@h:0/r", "has a bad port: 1 to 65535"},
        {"ssh://git@h:022/r", "has a bad port: 1 to 65535"},
        {"ssh://git@h:65536/r", "has a bad port: 1 to 65535"},
        {"ssh://git@h:22x/r", "has a bad port: 1 to 65535"},
        {"ssh://git@h/r x", NO_PATH},
        {"ssh://git@h/r'x", NO_PATH},
        {"ssh://git@h/r\nx", NO_PATH},
        {"ssh://git@h/r?x", NO_PATH},
        {"ssh://git@h/r*", NO_PATH},
        {"ssh://git@h/r%2e", NO_PATH}, /* git takes it for "/r." */
        {"ssh://" SIXTY_FOUR "a@h/r", "has a user of more than 64 bytes"},
    };
    struct gate_url url;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *problem = gate_url_take(str_of(table[i].text), &url);
        ck_assert_msg(problem != NULL, "taken: %s", table[i].text);
        ck_assert_str_eq(problem, table[i].problem);
    }
    ck_assert_str_eq(gate_url_take((struct str){"ssh://git@h/r\0x", 15}, &url), "holds a NUL character");
    char longest[GATE_URL_MAX + 2] = "ssh://git@h/";
    memset(longest + 12, 'a', GATE_URL_MAX - 12);
    ck_assert_ptr_null(gate_url_take(str_of(longest), &url));
    longest[GATE_URL_MAX] = 'a';
    ck_assert_str_eq(gate_url_take(str_of(longest), &url), "has more than 1024 bytes");
}
END_TEST

START_TEST(a_host_key_is_a_type_and_base64)
{
    static const char *const bad[] = {"",
                                      "ssh-ed25519",
                                      "ssh-ed25519 ",
                                      "ssh-dss" KEY,
                                      KEY "=",
                                      KEY " comment",
                                      "h.example " KEY,
                                      "ssh-ed25519  AAAA",
                                      KEY "\nx " KEY,
                                      "ssh-ed25519 AAAA==",
                                      " " KEY};

    ck_assert(gate_is_host_key(str_of(KEY)));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!gate_is_host_key(str_of(bad[i])), "%s", bad[i]);
}
END_TEST

#define POLICY(gate) "{\"protocol\":1,\"routes\":[],\"gate\":" gate "}"

static struct policy *parse(const char *json)
{
    struct policy *policy = NULL;
    struct err err = {""};

    ck_assert_msg(policy_parse(str_of(json), false, &policy, &err) == 0, "%s", err.text);
    return policy;
}

START_TEST(a_gate_is_read_whole)
{
    struct policy *policy = parse(POLICY(
        "{\"repos\":[{" REPO "},{\"name\":\"b\",\"url\":\"ssh://git@10.0.0.9:2222/b\",\"host_key\":\"" KEY
        "\",\"push\":{\"allow\":[\"refs/heads/x/*\",\"refs/tags/**\"],\"deny\":[\"refs/heads/x/y\"],"
        "\"force\":false,\"delete\":false,\"protect_paths\":[\".github/**\"],\"max_pack_mb\":7}}],"
        "\"on_finding\":\"supervise\",\"scanner\":\"/usr/bin/"
        "gitleaks\",\"prefetch\":false,\"storage_mb\":7}"));
    const struct gate *gate = policy->gate;

    ck_assert_uint_eq(gate->repo_count, 2);
    ck_assert(gate->supervise);
    ck_assert_str_eq(gate->scanner, "/usr/bin/gitleaks");
    ck_assert(gate->no_prefetch);
    ck_assert_uint_eq(gate->storage_mb, 7);
    const struct gate_repo *app = gate_find(gate, str_of("app")), *b = gate_find(gate, str_of("b"));
    ck_assert(app == &gate->repos[0] && b == &gate->repos[1]);
    ck_assert_ptr_null(gate_find(gate, str_of("ap")));
    ck_assert_ptr_null(gate_find(gate, str_of("App")));
    ck_assert_ptr_null(gate_find(NULL, str_of("app")));
    ck_assert_str_eq(app->url, "ssh://git@h.example/app.git");
    ck_assert_str_eq(app->from.path, "/app.git");
    ck_assert_str_eq(app->host_key, KEY);
    ck_assert(app->push.allow.count == 0 && app->push.deny.count == 0 && app->push.protect_paths.count == 0);
    ck_assert(!app->push.no_force && !app->push.no_delete);
    ck_assert_uint_eq(app->push.max_pack_mb, 2048);
    ck_assert_uint_eq(b->from.port, 2222);
    ck_assert_uint_eq(b->push.allow.count, 2);
    ck_assert_str_eq(b->push.allow.list[1], "refs/tags/**");
    ck_assert_str_eq(b->push.deny.list[0], "refs/heads/x/y");
    ck_assert_str_eq(b->push.protect_paths.list[0], ".github/**");
    ck_assert(b->push.no_force && b->push.no_delete);
    ck_assert_uint_eq(b->push.max_pack_mb, 7);
    ck_assert(gate_at(gate, "h.example") == app);
    ck_assert(gate_at(gate, "10.0.0.9") == NULL && gate_at(gate, "x.h.example") == NULL);
    ck_assert_ptr_null(gate_at(NULL, "h.example"));
    policy_unref(policy);
    policy = parse(POLICY("{\"repos\":[{" REPO "}]}"));
    ck_assert(!policy->gate->supervise && policy->gate->scanner == NULL && !policy->gate->no_prefetch);
    ck_assert_uint_eq(policy->gate->storage_mb, 20480);
    policy_unref(policy);
    policy = parse("{\"protocol\":1,\"routes\":[]}");
    ck_assert_ptr_null(policy->gate);
    policy_unref(policy);
}
END_TEST

#define IN_PUSH(push) "{\"repos\":[{" REPO ",\"push\":" push "}]}"

START_TEST(what_is_not_understood_is_an_error)
{
    static const struct {
        const char *gate, *problem;
    } table[] = {
        {"null", "policy: gate: expected an object, found null"},
        {"{}", "policy: gate: \"repos\" is missing"},
        {"{\"repos\":[]}", "policy: gate: repos: expected an array of 1 to 1000 repositories"},
        {"{\"repos\":[{" REPO "}],\"keys\":{}}", "policy: gate: unknown member \"keys\""},
        {"{\"repos\":[{" REPO ",\"key\":\"x\"}]}", "policy: gate: repos: [0]: unknown member \"key\""},
        {"{\"repos\":[{" REPO "},{" REPO "}]}", "policy: gate: repos: [1]: \"app\" is already repos[0]"},
        {"{\"repos\":[{\"name\":\"a\"}]}",
         "policy: gate: repos: [0]: \"name\", \"url\" or \"host_key\" is missing"},
        {"{\"repos\":[{\"name\":\"..\"}]}", "policy: gate: repos: [0]: name: not the name of a repository"},
        {"{\"repos\":[{\"name\":7}]}", "policy: gate: repos: [0]: name: not the name of a repository"},
        {"{\"repos\":[{\"url\":\"git@h:x\"}]}", "policy: gate: repos: [0]: url: is the scp form"},
        {"{\"repos\":[{\"url\":7}]}", "policy: gate: repos: [0]: url: is no string"},
        {"{\"repos\":[{\"host_key\":\"x\"}]}",
         "policy: gate: repos: [0]: host_key: not \"TYPE BASE64\" of the types " GATE_HOST_KEY_TYPES},
        {"{\"repos\":[{" REPO "}],\"on_finding\":\"log\"}",
         "policy: gate: on_finding: the values are \"block\" and \"supervise\""},
        {"{\"repos\":[{" REPO "}],\"scanner\":\"gitleaks\"}", "policy: gate: scanner: not an absolute path"},
        {"{\"repos\":[{" REPO "}],\"storage_mb\":0}",
         "policy: gate: storage_mb: expected an integer from 1 to 16777216"},
        {"{\"repos\":[{" REPO "}],\"storage_mb\":\"7\"}",
         "policy: gate: storage_mb: expected an integer from 1 to 16777216"},
        {"{\"repos\":[{" REPO "}],\"prefetch\":1}",
         "policy: gate: prefetch: expected true or false, found an integer"},
        {"{\"repos\":[{" REPO "}],\"scanner\":\"/a b\"}",
         "policy: gate: scanner: a space or a control character"},
        {IN_PUSH("[]"), "policy: gate: repos: [0]: push: expected an object, found an array"},
        {IN_PUSH("{\"allow\":[]}"),
         "policy: gate: repos: [0]: push: allow: expected an array of 1 to 256 patterns"},
        {IN_PUSH("{\"deny\":[\"\"]}"), "policy: gate: repos: [0]: push: deny: [0]: not 1 to 512 bytes"},
        {IN_PUSH("{\"deny\":[\"a\",7]}"),
         "policy: gate: repos: [0]: push: deny: [1]: expected a string, found an integer"},
        {IN_PUSH("{\"protect_paths\":[\"a\\n\"]}"),
         "policy: gate: repos: [0]: push: protect_paths: [0]: a space or a control character"},
        {IN_PUSH("{\"force\":1}"),
         "policy: gate: repos: [0]: push: force: expected true or false, found an integer"},
        {IN_PUSH("{\"max_pack_mb\":0}"),
         "policy: gate: repos: [0]: push: max_pack_mb: expected an integer from 1 to 2048"},
        {IN_PUSH("{\"max_pack_mb\":2049}"),
         "policy: gate: repos: [0]: push: max_pack_mb: expected an integer from 1 to 2048"},
        {IN_PUSH("{\"forbid\":true}"), "policy: gate: repos: [0]: push: unknown member \"forbid\""},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct policy *policy = NULL;
        struct err err = {""};
        char json[2048];
        snprintf(json, sizeof json, POLICY("%s"), table[i].gate);
        ck_assert_msg(policy_parse(str_of(json), false, &policy, &err) == -1, "taken: %s", json);
        ck_assert_str_eq(err.text, table[i].problem);
    }
}
END_TEST

START_TEST(the_leg_leads_to_private_addresses_and_never_to_the_sidecar)
{
    static const char json[] =
        "{\"protocol\":1,\"generation\":1,\"routes\":[],\"sidecar\":{\"agent_address\":\"10.9.0.1\","
        "\"own\":[\"10.9.0.0/30\"],\"host\":\"10.1.2.3\"},\"gate\":{\"repos\":[{" REPO
        "},{\"name\":\"host\",\"url\":\"ssh://git@host.stopper.internal/x\",\"host_key\":\"" KEY "\"}]}}";
    static const struct {
        const char *ip;
        bool app, host;
    } table[] = {
        {"203.0.113.1", true, false}, {"10.1.2.4", true, false},   {"10.1.2.3", false, true},
        {"10.9.0.2", false, false},   {"127.0.0.1", false, false}, {"169.254.169.254", false, false},
        {"fd00::1", true, false},     {"fe80::1", false, false},   {"::ffff:10.1.2.4", false, false}};
    struct policy *policy = NULL;
    struct err err = {""};

    ck_assert_msg(policy_parse(str_of(json), true, &policy, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ip ip;
        ck_assert_int_eq(ip_parse(str_of(table[i].ip), &ip), 0);
        ck_assert_msg(policy_may_push(policy, &policy->gate->repos[0], &ip) == table[i].app, "app %s",
                      table[i].ip);
        ck_assert_msg(policy_may_push(policy, &policy->gate->repos[1], &ip) == table[i].host, "host %s",
                      table[i].ip);
    }
    policy_unref(policy);
}
END_TEST

SUITE_MAIN("gate", a_name_is_a_file_name_that_is_no_option, a_url_is_taken_apart,
           a_url_of_two_readings_is_refused, a_host_key_is_a_type_and_base64, a_gate_is_read_whole,
           what_is_not_understood_is_an_error, the_leg_leads_to_private_addresses_and_never_to_the_sidecar)
