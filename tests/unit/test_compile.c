/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compile: manifests to the golden policy text, from memory and from the examples. */
#include "hostctl/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static struct ip host_resolvers[2];

static void set_up(void)
{
    ck_assert_int_eq(ip_parse(str_of("203.0.113.1"), &host_resolvers[0]), 0);
    ck_assert_int_eq(ip_parse(str_of("203.0.113.2"), &host_resolvers[1]), 0);
}

/* The policy, or the error; compared and freed. */
static void expect(struct manifest *manifest, size_t upstreams, const char *wanted)
{
    struct err err = {""};

    ck_assert_ptr_nonnull(manifest);
    char *text = compile_policy(manifest, host_resolvers, upstreams, NULL, true, &err);
    ck_assert_str_eq(text != NULL ? text : err.text, wanted);
    free(text);
    manifest_free(manifest);
}

static struct manifest *read_yaml(const char *yaml)
{
    struct report report;

    report_init(&report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, &report);
    ck_assert_ptr_nonnull(root);
    struct manifest *manifest = manifest_read(root, &report);
    node_free(root);
    report_fini(&report);
    return manifest;
}

#define HOST_DNS "\"dns\":{\"upstreams\":[\"203.0.113.1\",\"203.0.113.2\"]}"

/* Manifests, and the policies that become of them. */
static const struct {
    const char *yaml, *policy;
} golden[] = {
    {"egress:\n  dns: [192.0.2.53]\n  routes:\n    - host: a.example\n      ports: [443, 8443]\n"
     "      auth: {scheme: basic, token_ref: A_TOKEN, header: X-Key}\n      cookies: allow\n      "
     "insecure: true\n"
     "      git: {fetch: true}\n"
     "    - host: b.example\n      auth: passthrough\n      git: {fetch: false}\n"
     "    - host: c.example\n      auth: {scheme: Bearer, token_ref: _T2}\n      insecure: false\n",
     "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":["
     "{\"host\":\"a.example\",\"ports\":[443,8443],\"auth\":{\"scheme\":\"basic\",\"secret\":\"A_TOKEN\","
     "\"header\":\"X-Key\"},"
     "\"cookies\":true,\"insecure\":true,\"git_fetch\":true},"
     "{\"host\":\"b.example\",\"auth\":\"passthrough\"},"
     "{\"host\":\"c.example\",\"auth\":{\"scheme\":\"Bearer\",\"secret\":\"_T2\"}}]}"},
    {"egress:\n  dns: [192.0.2.53]\n  routes:\n    - host: a.example\n"
     "      auth: {scheme: raw, token_ref: T, placeholder: held-by-the-agent, in: [query:key, "
     "header:X-K]}\n",
     "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":["
     "{\"host\":\"a.example\",\"auth\":{\"scheme\":\"raw\",\"secret\":\"T\",\"placeholder\":"
     "\"held-by-the-agent\",\"in\":[\"query:key\",\"header:X-K\"]}}]}"},
    {"egress: {dns: {denied: refuse}}\n", "{\"protocol\":1,\"dns\":{\"upstreams\":[\"203.0.113.1\",\"203."
                                          "0.113.2\"],\"denied\":\"refuse\"},\"routes\":[]}"},
    {"egress: {dns: {upstreams: [192.0.2.53], denied: sinkhole}}\n",
     "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[]}"},
    {"egress:\n  dns: [192.0.2.53]\n  routes:\n    - host: \"*.github.io\"\n      multi_tenant: true\n"
     "      matches:\n        - paths: [{value: /a%20b}, {value: '/[a-z]+\"', type: regex}]\n"
     "          methods: [GET, HEAD]\n        - headers: [{name: X-A, value: b}]\n"
     "      deny: [{paths: [{value: /a/b, type: exact}]}]\n",
     "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"*.github.io\","
     "\"matches\":[{\"paths\":[{\"type\":\"prefix\",\"value\":\"/a%20b\"},{\"type\":\"regex\",\"value\":"
     "\"/[a-z]+\\\"\"}],\"methods\":[\"GET\",\"HEAD\"]},"
     "{\"headers\":[{\"name\":\"X-A\",\"type\":\"exact\",\"value\":\"b\"}]}],"
     "\"deny\":[{\"paths\":[{\"type\":\"exact\",\"value\":\"/a/b\"}]}]}]}"},
    {"egress:\n  routes:\n    - {host: a.example, dlp: {outbound_detectors: false, inbound_on_match: "
     "log}}\n"
     "    - {host: b.example, dlp: {outbound_detectors: [entropy, known_secrets], outbound_on_match: "
     "redact}}\n"
     "    - {host: c.example, dlp: {inbound_detectors: false, outbound_on_match: block, budget: "
     "10m/minute}}\n"
     "    - {host: api.openai.com, role: openai_api_key, dlp: {inbound_on_match: block}}\n"
     "    - {host: api.anthropic.com, role: anthropic_api_key, dlp: {outbound_on_match: block}}\n",
     "{\"protocol\":1," HOST_DNS ",\"routes\":["
     "{\"host\":\"a.example\",\"dlp\":{\"outbound\":[],\"inbound_on_match\":\"log\"}},"
     "{\"host\":\"b.example\",\"dlp\":{\"outbound\":[\"known_secrets\",\"entropy\"],"
     "\"outbound_on_match\":\"redact\"}},"
     "{\"host\":\"c.example\",\"dlp\":{\"inbound\":[],\"budget\":10485760}},"
     "{\"host\":\"api.openai.com\",\"dlp\":{\"outbound_on_match\":\"redact\",\"transcript\":true}},"
     "{\"host\":\"api.anthropic.com\",\"dlp\":{\"inbound_on_match\":\"log\",\"transcript\":true}}]}"},
    {"{}", "{\"protocol\":1," HOST_DNS ",\"routes\":[]}"},
    {"egress: {on_denied: supervise, hold_seconds: 60, ignore: [t.example, '*.t.example']}",
     "{\"protocol\":1," HOST_DNS ",\"routes\":[],\"hold\":{\"denied\":true,\"seconds\":60},"
     "\"ignore\":[\"t.example\",\"*.t.example\"]}"},
    {"egress: {on_denied: supervise}",
     "{\"protocol\":1," HOST_DNS ",\"routes\":[],\"hold\":{\"denied\":true}}"},
    {"supervise: true", "{\"protocol\":1," HOST_DNS ",\"routes\":[],\"hold\":{\"denied\":true}}"},
    {"supervise: true\negress: {on_denied: block, ignore: [t.example]}",
     "{\"protocol\":1," HOST_DNS ",\"routes\":[]}"},
    {"supervise: true\negress: {dns: {upstreams: [192.0.2.53], denied: refuse}}",
     "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"],\"denied\":\"refuse\"},\"routes\":[]}"},
    {"egress: {on_canary: stop}", "{\"protocol\":1," HOST_DNS ",\"routes\":[],\"on_canary\":\"stop\"}"},
    {"egress: {on_canary: alarm}", "{\"protocol\":1," HOST_DNS ",\"routes\":[]}"},
    {"egress: {hold_seconds: 60, routes: [{host: a.example, dlp: {outbound_on_match: supervise}}]}",
     "{\"protocol\":1," HOST_DNS
     ",\"routes\":[{\"host\":\"a.example\",\"dlp\":{\"outbound_on_match\":\"supervise\"}}],"
     "\"hold\":{\"denied\":false,\"seconds\":60}}"},
    {"supervise: true\negress:\n  on_denied: block\n  ignore: [t.example]\n  routes:\n    - {host: "
     "a.example}\n"
     "    - {host: b.example, dlp: {outbound_on_match: block}}\n    - {host: c.example, tls: "
     "{passthrough: true}}\n"
     "    - {host: api.openai.com, role: openai_api_key}\n",
     "{\"protocol\":1," HOST_DNS
     ",\"routes\":[{\"host\":\"a.example\",\"dlp\":{\"outbound_on_match\":\"supervise\"}},"
     "{\"host\":\"b.example\"},{\"host\":\"c.example\",\"tls\":{\"passthrough\":true}},"
     "{\"host\":\"api.openai.com\",\"dlp\":{\"outbound_on_match\":\"redact\",\"inbound_on_match\":"
     "\"log\","
     "\"transcript\":true}}],\"hold\":{\"denied\":false}}"},
    {"supervise: true\negress: {on_denied: block, routes: [{host: a.example, dlp: {outbound_detectors: "
     "false}}]}",
     "{\"protocol\":1," HOST_DNS ",\"routes\":[{\"host\":\"a.example\",\"dlp\":{\"outbound\":[],"
     "\"outbound_on_match\":\"supervise\"}}]}"},
    {"egress: {routes: []}", "{\"protocol\":1," HOST_DNS ",\"routes\":[]}"},
    {"egress:\n  routes:\n    - {host: db.example, tcp: [{port: 5432}, {port: 6379}]}\n"
     "    - {host: host.stopper.internal, tcp: [{port: 5432}]}\n"
     "    - {host: own.example, ports: [80], tcp: [{port: 443}], tls: {passthrough: true}}\n",
     "{\"protocol\":1," HOST_DNS ",\"routes\":[{\"host\":\"db.example\",\"tcp\":[5432,6379]},"
     "{\"host\":\"host.stopper.internal\",\"tcp\":[5432]},"
     "{\"host\":\"own.example\",\"tls\":{\"passthrough\":true},\"ports\":[80],\"tcp\":[443]}]}"},
    {"egress: {dns: [192.0.2.53], routes: [{host: A.example}]}\nenv: {SECRET: word}",
     "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"a.example\"}]}"},
    {"egress:\n  routes:\n    - host: '*.a.example'\n      allow_private: [10.0.0.0/8, 192.168.1.7, "
     "'fd00:0::/8']\n"
     "    - host: b.example\n      tls: {passthrough: true}\n"
     "    - host: c.example\n      tls: {passthrough: true, ech: allow}\n"
     "    - host: d.example\n      tls: {passthrough: false}\n",
     "{\"protocol\":1," HOST_DNS ",\"routes\":[{\"host\":\"*.a.example\",\"allow_private\":[\"10.0.0.0/8\","
     "\"192.168.1.7/32\",\"fd00::/8\"]},{\"host\":\"b.example\",\"tls\":{\"passthrough\":true}},"
     "{\"host\":\"c.example\",\"tls\":{\"passthrough\":true,\"ech\":\"allow\"}},{\"host\":\"d.example\"}]"
     "}"},
};

START_TEST(manifests_become_their_golden_policy)
{
    set_up();
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
        expect(read_yaml(golden[i].yaml), 2, golden[i].policy);
}
END_TEST

#define KEY   "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaKPI"
#define REPO  "key: {provider: static, path: /k}, host_key: " KEY
#define GATED "{\"protocol\":1," HOST_DNS ",\"routes\":[],\"gate\":{\"repos\":["
#define HELD  "\"hold\":{\"denied\":true}"
#define ORDERS                                                                                               \
    "\".github/workflows/**\",\".gitea/workflows/**\",\".forgejo/workflows/"                                 \
    "**\",\".gitlab-ci.yml\",\".gitmodules\""

START_TEST(repositories_become_the_gate)
{
    static const struct {
        const char *yaml, *policy;
    } cases[] = {
        {"git-gate:\n  user: {name: A}\n  repos:\n    a: {url: ssh://git@h.example/org/a.git, " REPO "}\n"
         "    b:\n      url: ssh://git@10.1.2.3:2222/b\n      host_key: " KEY "\n"
         "      key: {provider: gitea, forge_token_env: T}\n"
         "      push: {allow: [refs/heads/agent/*, refs/tags/*], deny: [refs/heads/agent/x], force: false, "
         "delete: "
         "false, protect_paths: ['a/**'], max_pack_mb: 100}\n  scanner: /usr/bin/gitleaks\n  prefetch: "
         "false\n  storage_mb: 100\n",
         GATED "{\"name\":\"a\",\"url\":\"ssh://git@h.example/org/a.git\",\"host_key\":\"" KEY "\"},"
               "{\"name\":\"b\",\"url\":\"ssh://git@10.1.2.3:2222/b\",\"host_key\":\"" KEY "\",\"push\":{"
               "\"allow\":[\"refs/heads/agent/*\",\"refs/tags/*\"],\"deny\":[\"refs/heads/agent/x\"],"
               "\"force\":false,\"delete\":false,\"protect_paths\":[\"a/**\"],\"max_pack_mb\":100}}],"
               "\"scanner\":\"/usr/bin/gitleaks\",\"prefetch\":false,\"storage_mb\":100}}"},
        {"git-gate:\n  repos:\n    a: {url: ssh://git@h/a, " REPO
         ", push: {force: true, delete: true, protect_paths: []}}\n  on_finding: block\n  prefetch: true\n",
         GATED "{\"name\":\"a\",\"url\":\"ssh://git@h/a\",\"host_key\":\"" KEY "\"}]}}"},
        /* on_finding: supervise has the bottle ask, and nothing else */
        {"git-gate:\n  repos:\n    a: {url: ssh://git@h/a, " REPO "}\n  on_finding: supervise\n",
         GATED "{\"name\":\"a\",\"url\":\"ssh://git@h/a\",\"host_key\":\"" KEY
               "\"}],\"on_finding\":\"supervise\"},\"hold\":{\"denied\":false}}"},
        /* a supervised bottle asks, and has paths to ask about */
        {"supervise: true\ngit-gate:\n  repos:\n    a: {url: ssh://git@h/a, " REPO "}\n"
         "    b: {url: ssh://git@h/b, " REPO ", push: {protect_paths: []}}\n",
         GATED "{\"name\":\"a\",\"url\":\"ssh://git@h/a\",\"host_key\":\"" KEY
               "\",\"push\":{\"protect_paths\":[" ORDERS "]}},"
               "{\"name\":\"b\",\"url\":\"ssh://git@h/b\",\"host_key\":\"" KEY
               "\"}],\"on_finding\":\"supervise\"}," HELD "}"},
        {"supervise: true\negress: {on_denied: block}\ngit-gate:\n  on_finding: block\n  repos:\n    a: "
         "{url: "
         "ssh://git@h/a, " REPO ", push: {protect_paths: [x]}}\n",
         GATED "{\"name\":\"a\",\"url\":\"ssh://git@h/a\",\"host_key\":\"" KEY
               "\",\"push\":{\"protect_paths\":[\"x\"]}}]},\"hold\":{\"denied\":false}}"},
        /* without repositories there is no gate, and nobody to ask about it */
        {"git-gate: {on_finding: supervise, scanner: /usr/bin/gitleaks}",
         "{\"protocol\":1," HOST_DNS ",\"routes\":[]}"},
        {"git-gate:\n  repos:\n    a: {url: ssh://git@h/a, key: {provider: static, path: /k}}\n",
         "compile: policy: gate: repos: [0]: \"name\", \"url\" or \"host_key\" is missing"},
    };

    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(read_yaml(cases[i].yaml), 2, cases[i].policy);
}
END_TEST

START_TEST(for_judging_requests_the_gate_is_left_out)
{
    struct manifest *manifest =
        read_yaml("git-gate:\n  on_finding: supervise\n  repos:\n    a: {url: ssh://git@h/a, key: {provider: "
                  "static, path: /k}}\n");
    struct err err;
    char *text = compile_policy(manifest, NULL, 0, NULL, false, &err);

    ck_assert_str_eq(text, "{\"protocol\":1,\"routes\":[]}");
    free(text);
    manifest_free(manifest);
}
END_TEST

START_TEST(without_routes_no_resolver_is_needed)
{
    expect(read_yaml("egress: {routes: []}"), 0, "{\"protocol\":1,\"routes\":[]}");
}
END_TEST

START_TEST(a_policy_that_the_sidecar_would_refuse_is_an_error)
{
    struct manifest *manifest = read_yaml("egress: {routes: [{host: a.example}, {host: b.example}]}");

    strcpy(manifest->routes[1].host, "a.example");
    expect(manifest, 0, "compile: policy: routes[1]: host \"a.example\" is already routes[0]");
}
END_TEST

START_TEST(examples_compile)
{
    static const struct {
        const char *file, *policy;
    } cases[] = {
        {"examples/plain.yaml", "{\"protocol\":1," HOST_DNS
                                ",\"routes\":[{\"host\":\"example.com\",\"tls\":{\"passthrough\":true}}]}"},
        {"examples/forge.yaml",
         "{\"protocol\":1," HOST_DNS
         ",\"routes\":[{\"host\":\"api.example.com\",\"auth\":{\"scheme\":\"Bearer\",\"secret\":"
         "\"FORGE_TOKEN\"},\"matches\":[{\"paths\":[{\"type\":\"prefix\",\"value\":\"/api/v1/repos\"}],"
         "\"methods\":[\"GET\"]},{\"paths\":[{\"type\":\"regex\",\"value\":\"/api/v1/repos/[^/]+/[^/]+/"
         "issues(/.*)?\"}],"
         "\"methods\":[\"POST\",\"PATCH\"]}]},{\"host\":\"git.example.com\",\"auth\":{\"scheme\":\"basic\","
         "\"secret\":\"FORGE_"
         "TOKEN\"},"
         "\"git_fetch\":true},{\"host\":\"registry.example.com\",\"ports\":[443,8443]}]}"},
        {"examples/closed.yaml", "{\"protocol\":1," HOST_DNS ",\"routes\":[]}"},
        {"examples/office.yaml", "{\"protocol\":1,\"dns\":{\"upstreams\":[\"10.20.0.53\"]},\"routes\":[{"
                                 "\"host\":\"*.build.example.com\","
                                 "\"allow_private\":[\"10.20.0.0/"
                                 "16\"]},{\"host\":\"wiki.example.com\",\"allow_private\":[\"10.20.4.0/24\"],"
                                 "\"tls\":{\"passthrough\":true,\"ech\":\"allow\"}}]}"},
    };

    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct report report;
        report_init(&report, cases[i].file);
        expect(manifest_load(&report), 2, cases[i].policy);
        report_fini(&report);
    }
}
END_TEST

SUITE_MAIN("compile", manifests_become_their_golden_policy, repositories_become_the_gate,
           for_judging_requests_the_gate_is_left_out, without_routes_no_resolver_is_needed,
           a_policy_that_the_sidecar_would_refuse_is_an_error, examples_compile)
