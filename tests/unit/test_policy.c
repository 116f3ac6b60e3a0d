/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_policy: what a policy is read as, what is refused with which words, and which route and address it
 * finds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"
#include "tests/unit/suite.h"

#define ROUTE(more) "{\"protocol\":1,\"routes\":[{\"host\":\"a\"," more "}]}"

static struct policy *parse(const char *json, bool internal)
{
    struct policy *policy = NULL;
    struct err err = {""};

    ck_assert_msg(policy_parse(str_of(json), internal, &policy, &err) == 0, "%s", err.text);
    return policy;
}

static const char good[] =
    "{\"protocol\":1,\"dns\":{\"upstreams\":[\"203.0.113.53\",\"10.0.0.53\"]},\"generation\":7,"
    "\"sidecar\":{\"agent_address\":\"10.9.0.1\",\"own\":[\"10.9.0.0/30\",\"203.0.113.9/32\"]},\"routes\":["
    "{\"host\":\"a.example\"},"
    "{\"host\":\"*.a.example\",\"tls\":{\"passthrough\":true,\"ech\":\"allow\"}},"
    "{\"host\":\"*.b.a.example\",\"allow_private\":[\"10.0.0.0/8\"]},"
    "{\"host\":\"c.b.a.example\",\"tls\":{\"passthrough\":false}}]}";

START_TEST(the_most_specific_route_is_found)
{
    struct policy *policy = parse(good, true);

    ck_assert_ptr_eq(policy_find(policy, "a.example"), &policy->routes[0]);
    ck_assert_ptr_eq(policy_find(policy, "x.a.example"), &policy->routes[1]);
    ck_assert_ptr_eq(policy_find(policy, "b.a.example"), &policy->routes[1]);
    ck_assert_ptr_eq(policy_find(policy, "y.x.a.example"), &policy->routes[1]);
    ck_assert_ptr_eq(policy_find(policy, "x.b.a.example"), &policy->routes[2]);
    ck_assert_ptr_eq(policy_find(policy, "c.b.a.example"), &policy->routes[3]);
    static const char *const others[] = {"example",        "xa.example", "b.example",
                                         "a.example.evil", "",           "*.a.example.x"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(policy_find(policy, others[i]) == NULL, "found: %s", others[i]);
    char name[HOST_MAX + 3];
    route_name(&policy->routes[1], name);
    ck_assert_str_eq(name, "*.a.example");
    ck_assert_uint_eq(policy->generation, 7);
    ck_assert_uint_eq(policy->dns_upstream_count, 2);
    ck_assert(policy->routes[1].tls_passthrough && policy->routes[1].tls_ech &&
              !policy->routes[3].tls_passthrough);
    ck_assert(policy->routes[1].dlp.outbound == (DLP_RULES_TOKENS | DLP_RULES_SECRETS)); /* of the names */
    ck_assert_uint_eq(policy->routes[1].dlp.inbound, 0);
    policy_unref(policy);
}
END_TEST

START_TEST(an_empty_list_allows_nothing)
{
    struct policy *policy = parse("{\"protocol\":1,\"routes\":[]}", false);

    ck_assert_ptr_null(policy_find(policy, "a.example"));
    policy_unref(policy);
}
END_TEST

START_TEST(private_addresses_need_their_route_and_own_ones_are_never_dialled)
{
    static const struct {
        size_t route;
        const char *ip;
        bool may;
    } table[] = {{0, "203.0.113.1", true}, {0, "10.1.2.3", false},        {2, "10.1.2.3", true},
                 {2, "10.9.0.2", false},   {2, "192.168.1.1", false},     {0, "203.0.113.9", false},
                 {2, "127.0.0.1", false},  {2, "169.254.169.254", false}, {2, "::ffff:10.1.2.3", false}};
    struct policy *policy = parse(good, true);

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ip ip;
        ck_assert_int_eq(ip_parse(str_of(table[i].ip), &ip), 0);
        ck_assert_msg(policy_may_dial(policy, &policy->routes[table[i].route], &ip) == table[i].may, "%s",
                      table[i].ip);
    }
    policy_unref(policy);
}
END_TEST

START_TEST(a_route_that_says_nothing_of_dlp_has_all_of_it)
{
    static const struct {
        const char *members, *said; /* said: what is written again; NULL: nothing differs from the default */
        struct dlp_rules rules;
    } table[] = {
        {"\"ports\":[80]", NULL, {3, 8, DLP_RULES_BLOCK, DLP_RULES_BLOCK, false, 0}},
        {"\"dlp\":{}", NULL, {3, 8, DLP_RULES_BLOCK, DLP_RULES_BLOCK, false, 0}},
        {"\"dlp\":{\"outbound\":[]}",
         "{\"outbound\":[]}",
         {0, 8, DLP_RULES_BLOCK, DLP_RULES_BLOCK, false, 0}},
        {"\"dlp\":{\"outbound\":[\"entropy\",\"token_patterns\"],\"outbound_on_match\":\"redact\"}",
         "{\"outbound\":[\"token_patterns\",\"entropy\"],\"outbound_on_match\":\"redact\"}",
         {5, 8, DLP_RULES_REDACT, DLP_RULES_BLOCK, false, 0}},
        {"\"dlp\":{\"inbound\":[],\"inbound_on_match\":\"annotate\",\"transcript\":true}",
         "{\"inbound\":[],\"inbound_on_match\":\"annotate\",\"transcript\":true}",
         {3, 0, DLP_RULES_BLOCK, DLP_RULES_ANNOTATE, true, 0}},
        {"\"dlp\":{\"budget\":1099511627776}",
         "{\"budget\":1099511627776}",
         {3, 8, DLP_RULES_BLOCK, DLP_RULES_BLOCK, false, 1099511627776}},
        {"\"tls\":{\"passthrough\":true}", NULL, {0, 0, DLP_RULES_BLOCK, DLP_RULES_BLOCK, false, 0}},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char json[512];
        snprintf(json, sizeof json, "{\"protocol\":1,\"routes\":[{\"host\":\"a\",%s}]}", table[i].members);
        struct policy *policy = parse(json, false);
        const struct dlp_rules *rules = &policy->routes[0].dlp;
        ck_assert_msg(dlp_rules_same(rules, &table[i].rules), "%s", json);
        json_t *written = rules->outbound + rules->inbound > 0 ? dlp_rules_write(rules) : NULL;
        char *text = written != NULL ? json_dumps(written, JSON_COMPACT) : NULL;
        ck_assert_int_eq(text == NULL, table[i].said == NULL);
        if (text != NULL)
            ck_assert_str_eq(text, table[i].said);
        free(text);
        json_decref(written);
        policy_unref(policy);
    }
    struct dlp_rules provider = dlp_rules_default(true);
    ck_assert(provider.outbound == 3 && provider.inbound == 8 && provider.transcript);
    ck_assert(provider.outbound_on_match == DLP_RULES_REDACT && provider.inbound_on_match == DLP_RULES_LOG);
}
END_TEST

/* Whoever else resolves to it. */
START_TEST(the_hosts_address_is_its_own_routes_alone)
{
    static const char with[] =
        "{\"protocol\":1,\"generation\":1,\"sidecar\":{%s\"agent_address\":\"10.9.0.1\"},\"routes\":["
        "{\"host\":\"host.stopper.internal\",\"ports\":[11434]},"
        "{\"host\":\"*.stopper.internal\",\"allow_private\":[\"10.0.0.0/8\"]},"
        "{\"host\":\"a.example\",\"allow_private\":[\"10.0.0.0/8\"]}]}";
    static const char *const addresses[] = {"", "\"host\":\"127.0.0.1\",", "\"host\":\"10.1.2.3\",",
                                            "\"host\":\"203.0.113.7\","};
    static const char *const ips[] = {"0.0.0.0", "127.0.0.1", "10.1.2.3", "203.0.113.7", "10.1.2.4"};
    static const bool others[] = {false, false, true, true, true};

    for (size_t a = 0; a < 4; a++) {
        char json[512];
        snprintf(json, sizeof json, with, addresses[a]);
        struct policy *policy = parse(json, true);
        const struct route *host = policy_find(policy, "host.stopper.internal");
        ck_assert(host == &policy->routes[0] && host->host_service && !policy->routes[1].host_service);
        for (size_t i = 0; i < 5; i++) {
            struct ip ip;
            ck_assert_int_eq(ip_parse(str_of(ips[i]), &ip), 0);
            ck_assert_msg(policy_may_dial(policy, host, &ip) == (a > 0 && i == a), "%zu %s", a, ips[i]);
            for (size_t route = 1; route < 3; route++)
                ck_assert_msg(policy_may_dial(policy, &policy->routes[route], &ip) ==
                                  (others[i] && (a == 0 || i != a)),
                              "%zu %s", a, ips[i]);
        }
        policy_unref(policy);
    }
    struct policy *policy = parse("{\"protocol\":1,\"routes\":[{\"host\":\"*.stopper.internal\"}]}", false);
    ck_assert_ptr_null(policy_find(policy, "host.stopper.internal")); /* no wildcard stands for it */
    ck_assert_ptr_nonnull(policy_find(policy, "host2.stopper.internal"));
    policy_unref(policy);
}
END_TEST

/* Policies that are wrong in one way each, and what is said of them. */
static const struct {
    const char *json, *error;
} refused[] = {
    {"", "policy:1:0: '[' or '{' expected near end of file"},
    {"[]", "policy: expected an object, found an array"},
    {"{\"routes\":[]}", "policy: \"protocol\" is missing"},
    {"{\"protocol\":1}", "policy: \"routes\" is missing"},
    {"{\"protocol\":2,\"routes\":[]}", "policy: protocol: version 2 is not understood, only 1"},
    {"{\"protocol\":1,\"routes\":[],\"dlp\":{}}", "policy: unknown member \"dlp\""},
    {"{\"protocol\":1,\"routes\":[],\"generation\":1}", "policy: unknown member \"generation\""},
    {"{\"protocol\":1,\"routes\":[],\"sidecar\":{}}", "policy: unknown member \"sidecar\""},
    {"{\"protocol\":1,\"routes\":[{}]}", "policy: routes: [0]: \"host\" is missing"},
    {"{\"protocol\":1,\"routes\":[{\"host\":\"a b\"}]}", "policy: routes: [0]: host: not a host name"},
    {"{\"protocol\":1,\"routes\":[{\"host\":\"*\"}]}", "policy: routes: [0]: host: not a host name"},
    {"{\"protocol\":1,\"routes\":[{\"host\":\"a\"},{\"host\":\"A\"}]}",
     "policy: routes[1]: host \"a\" is already routes[0]"},
    {"{\"protocol\":1,\"routes\":[{\"host\":\"a\",\"tls\":{\"passthrough\":1}}]}",
     "policy: routes: [0]: tls: passthrough: expected true or false, found an integer"},
    {"{\"protocol\":1,\"routes\":[{\"host\":\"a\",\"allow_private\":[\"8.8.8.0/24\"]}]}",
     "policy: routes: [0]: allow_private: [0]: not a private range"},
    {ROUTE("\"dlp\":[]"), "policy: routes: [0]: dlp: expected an object, found an array"},
    {ROUTE("\"dlp\":{\"outbound\":true}"),
     "policy: routes: [0]: dlp: outbound: expected an array, found true"},
    {ROUTE("\"dlp\":{\"outbound\":[\"naive_injection_detection\"]}"),
     "policy: routes: [0]: dlp: outbound: [0]: no detector of this direction"},
    {ROUTE("\"dlp\":{\"outbound\":[\"entropy\",\"entropy\"]}"),
     "policy: routes: [0]: dlp: outbound: [1]: given twice"},
    {ROUTE("\"dlp\":{\"inbound\":[\"entropy\"]}"),
     "policy: routes: [0]: dlp: inbound: [0]: no detector of this direction"},
    {ROUTE("\"dlp\":{\"outbound_on_match\":\"log\"}"),
     "policy: routes: [0]: dlp: outbound_on_match: expected \"block\", \"redact\" or \"supervise\""},
    {ROUTE("\"dlp\":{\"inbound_on_match\":\"redact\"}"),
     "policy: routes: [0]: dlp: inbound_on_match: expected \"block\", \"annotate\" or \"log\""},
    {ROUTE("\"tcp\":[5432],\"dlp\":{\"budget\":1024}"),
     "policy: routes: [0]: tcp: what goes over raw TCP is not counted, so no dlp.budget may be beside "
     "it"},
    {ROUTE("\"dlp\":{\"budget\":0}"), "policy: routes: [0]: dlp: budget: expected 1 to 1099511627776 bytes"},
    {ROUTE("\"dlp\":{\"budget\":1099511627777}"),
     "policy: routes: [0]: dlp: budget: expected 1 to 1099511627776 bytes"},
    {ROUTE("\"dlp\":{\"budget\":\"10m\"}"),
     "policy: routes: [0]: dlp: budget: expected 1 to 1099511627776 bytes"},
    {ROUTE("\"dlp\":{},\"tls\":{\"passthrough\":true}"),
     "policy: routes: [0]: tls.passthrough: nothing inside can be decided or changed, so no auth, "
     "cookies, insecure, git_fetch, matches, deny or dlp may be beside it"},
    {ROUTE("\"ports\":[]"), "policy: routes: [0]: ports: expected an array of 1 to 16 ports"},
    {ROUTE("\"ports\":[0]"), "policy: routes: [0]: ports: [0]: not a port"},
    {ROUTE("\"ports\":[80,65536]"), "policy: routes: [0]: ports: [1]: not a port"},
    {ROUTE("\"ports\":[\"80\"]"), "policy: routes: [0]: ports: [0]: not a port"},
    {ROUTE("\"ports\":[80,80]"), "policy: routes: [0]: ports: [1]: given twice"},
    {ROUTE("\"auth\":true"), "policy: routes: [0]: auth: expected an object, found true"},
    {ROUTE("\"auth\":\"pass\""), "policy: routes: [0]: auth: expected an object, found a string"},
    {ROUTE("\"auth\":{\"secret\":\"A\"}"), "policy: routes: [0]: auth: \"scheme\" is missing"},
    {ROUTE("\"auth\":{\"scheme\":\"raw\"}"), "policy: routes: [0]: auth: \"secret\" is missing"},
    {ROUTE("\"auth\":{\"scheme\":\"bearer\",\"secret\":\"A\"}"),
     "policy: routes: [0]: auth: scheme: expected \"Bearer\", \"token\", \"basic\" or \"raw\""},
    {ROUTE("\"auth\":{\"scheme\":\"raw\",\"secret\":\"A B\"}"),
     "policy: routes: [0]: auth: secret: not the name of a secret"},
    {ROUTE("\"auth\":{\"scheme\":\"raw\",\"secret\":\"A\",\"header\":\"Host\"}"),
     "policy: routes: [0]: auth: header: not a field that can carry a credential"},
    {ROUTE("\"auth\":{\"scheme\":\"raw\",\"secret\":\"A\",\"header\":\"X Y\"}"),
     "policy: routes: [0]: auth: header: not a field that can carry a credential"},
    {ROUTE("\"auth\":{\"scheme\":\"raw\",\"secret\":\"A\",\"placeholder\":\"seven77\"}"),
     "policy: routes: [0]: auth: placeholder: must be 8 to 512 visible ASCII characters"},
    {ROUTE("\"auth\":{\"scheme\":\"raw\",\"secret\":\"A\",\"in\":[\"query:key\"]}"),
     "policy: routes: [0]: auth: in: without a placeholder it has no meaning"},
    {ROUTE("\"auth\":{\"scheme\":\"raw\",\"secret\":\"A\",\"in\":[]}"),
     "policy: routes: [0]: auth: in: expected an array of 1 to 8 places"},
    {ROUTE("\"auth\":{\"scheme\":\"raw\",\"secret\":\"A\",\"in\":[\"header:Host\"]}"),
     "policy: routes: [0]: auth: in: [0]: not \"query:NAME\" or \"header:NAME\""},
    {"{\"protocol\":1,\"routes\":[{\"host\":\"host.stopper.internal\"}]}",
     "policy: routes: [0]: host.stopper.internal needs ports, and no allow_private"},
    {"{\"protocol\":1,\"routes\":[{\"host\":\"host.stopper.internal\",\"ports\":[1],\"allow_private\":"
     "[\"10.0.0.0/8\"]}]}",
     "policy: routes: [0]: host.stopper.internal needs ports, and no allow_private"},
    {ROUTE("\"cookies\":\"allow\""), "policy: routes: [0]: cookies: expected true or false, found a string"},
    {ROUTE("\"insecure\":true"), "policy: routes: [0]: insecure: without auth it has no meaning"},
    {ROUTE("\"git_fetch\":true,\"tls\":{\"passthrough\":true}"),
     "policy: routes: [0]: tls.passthrough: nothing inside can be decided or changed, so no auth, "
     "cookies, insecure, git_fetch, matches, deny or dlp may be beside it"},
    {"{\"protocol\":1,\"routes\":[],\"on_canary\":\"alarm\"}",
     "policy: on_canary: the only value is \"stop\""},
    {"{\"protocol\":1,\"routes\":[],\"on_canary\":true}", "policy: on_canary: the only value is \"stop\""},
    {"{\"protocol\":1,\"routes\":[],\"extra_ca\":\"\"}",
     "policy: extra_ca: expected certificates as PEM text of at most 1048576 bytes"},
    {"{\"protocol\":1,\"dns\":{\"denied\":\"sinkhole\"},\"routes\":[]}",
     "policy: dns: denied: expected \"refuse\""},
    {"{\"protocol\":1,\"dns\":{\"upstreams\":[\"127.0.0.1\"]},\"routes\":[]}",
     "policy: dns: upstreams: [0]: not the IPv4 address of a resolver"},
    {"{\"protocol\":1,\"routes\":[],\"routes\":[]}", "policy:1:34: duplicate object key near '\"routes\"'"},
};

START_TEST(what_is_not_understood_is_refused_with_its_place)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct policy *policy = NULL;
        struct err err = {""};
        ck_assert_msg(policy_parse(str_of(refused[i].json), false, &policy, &err) == -1, "accepted: %s",
                      refused[i].json);
        ck_assert_str_eq(err.text, refused[i].error);
    }
}
END_TEST

START_TEST(ports_are_80_and_443_or_the_ones_named)
{
    struct policy *policy =
        parse("{\"protocol\":1,\"routes\":[{\"host\":\"a\"},{\"host\":\"b\",\"ports\":[8443,3000]}]}", false);

    ck_assert(route_has_port(&policy->routes[0], 80) && route_has_port(&policy->routes[0], 443));
    ck_assert(!route_has_port(&policy->routes[0], 8443) && !route_has_port(&policy->routes[1], 443));
    ck_assert(route_has_port(&policy->routes[1], 8443) && route_has_port(&policy->routes[1], 3000));
    ck_assert(policy_has_port(policy, 80) && policy_has_port(policy, 3000) && !policy_has_port(policy, 3001));
    ck_assert(!policy_has_port(policy, 65535) && !policy_has_port(policy, 65536));
    policy_unref(policy);
}
END_TEST

START_TEST(a_route_with_auth_needs_its_secret)
{
    static const char json[] =
        "{\"protocol\":1,\"extra_ca\":\"PEM\",\"routes\":[{\"host\":\"a\",\"auth\":\"passthrough\"},"
        "{\"host\":\"b\",\"insecure\":true,\"cookies\":true,\"git_fetch\":true,"
        "\"auth\":{\"scheme\":\"Bearer\",\"secret\":\"B_TOKEN\"}},"
        "{\"host\":\"c\",\"auth\":{\"scheme\":\"basic\",\"secret\":\"B_TOKEN\",\"header\":\"X-Key\"}}]}";
    struct policy *policy = parse(json, false);
    struct secrets *secrets;
    struct err err;

    ck_assert_int_eq(
        secrets_parse(str_of("{\"B_TOKEN\":\"value-of-b\",\"OTHER\":\"value-of-o\"}"), &secrets, &err), 0);
    ck_assert_int_eq(policy_take_secrets(policy, secrets, &err), 0);
    const struct route *a = &policy->routes[0], *b = &policy->routes[1], *c = &policy->routes[2];
    ck_assert(a->auth.scheme == AUTH_PASSTHROUGH && !route_injects(a) && !a->insecure && !a->cookies &&
              !a->git_fetch);
    ck_assert(b->auth.scheme == AUTH_BEARER && route_injects(b) && b->insecure && b->cookies && b->git_fetch);
    ck_assert_str_eq(b->auth.header, "Authorization");
    ck_assert(c->auth.scheme == AUTH_BASIC);
    ck_assert_str_eq(c->auth.header, "X-Key");
    ck_assert(str_equal(secret_expose(c->auth.secret->value), str_of("value-of-b")));
    ck_assert(str_equal(policy->extra_ca, str_of("PEM")));
    policy_unref(policy);

    policy = parse(json, false);
    ck_assert_int_eq(secrets_parse(str_of("{\"OTHER\":\"value-of-o\"}"), &secrets, &err), 0);
    ck_assert_int_eq(policy_take_secrets(policy, secrets, &err), -1);
    ck_assert_str_eq(err.text, "policy: routes[1]: auth: the secret B_TOKEN is missing");
    policy_unref(policy);
}
END_TEST

START_TEST(ten_thousand_routes_are_all_found)
{
    char *json = malloc(1u << 20), name[64];
    size_t len = (size_t)sprintf(json, "{\"protocol\":1,\"routes\":[");

    ck_assert_ptr_nonnull(json);
    for (int i = 0; i < 10000; i++)
        len += (size_t)sprintf(json + len, "%s{\"host\":\"%sh%d.example\"}", i > 0 ? "," : "",
                               i % 2 ? "*." : "", i);
    sprintf(json + len, "]}");
    struct policy *policy = parse(json, false);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "%sh%d.example", i % 2 ? "www." : "", i);
        ck_assert_ptr_eq(policy_find(policy, name), &policy->routes[i]);
    }
    policy_unref(policy);
    free(json);
}
END_TEST

SUITE_MAIN("policy", the_most_specific_route_is_found, an_empty_list_allows_nothing,
           private_addresses_need_their_route_and_own_ones_are_never_dialled,
           a_route_that_says_nothing_of_dlp_has_all_of_it, the_hosts_address_is_its_own_routes_alone,
           what_is_not_understood_is_refused_with_its_place, ports_are_80_and_443_or_the_ones_named,
           a_route_with_auth_needs_its_secret, ten_thousand_routes_are_all_found)
