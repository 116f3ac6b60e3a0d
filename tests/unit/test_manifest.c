/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest: bad manifests with the exact list of their errors; what good ones give; and that
 * stopper-manifest(5) names the keys of the table, no more and no fewer. */
#include "hostctl/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

/* All errors, one a line, as the user sees them; the empty text for a good manifest. */
static const char *errors_of(const char *yaml)
{
    static char out[1 << 18];
    struct report report;
    struct node *root;

    report_init(&report, "m.yaml");
    root = node_parse(str_of(yaml), 1, &report);
    struct manifest *manifest = root != NULL ? manifest_read(root, &report) : NULL;
    ck_assert((manifest == NULL) == (report.count > 0));
    FILE *file = fmemopen(out, sizeof out, "w");
    report_print(&report, file);
    fclose(file);
    manifest_free(manifest);
    node_free(root);
    report_fini(&report);
    return out;
}

#define ROUTE(text) "egress: {routes: [" text "]}\n"
#define HOST(text)  ROUTE("{host: " text "}")
#define ONE_READING                                                                                          \
    "has no single reading: no dot segments, empty segments, \";\", backslashes and encoded \"/\", \"\\\", " \
    "\"%\", "                                                                                                \
    "\";\", \"?\", \"#\" and control characters; such requests are refused\n"
#define PRIVATE                                                                                              \
    "lies in none of the private ranges 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 and "       \
    "fc00::/7\n"
#define AT "m.yaml:1: egress.routes[0]"
#define ROUTE_KEYS                                                                                           \
    "host, allow_private, tls, ports, tcp, role, auth, cookies, insecure, git, multi_tenant, matches, "      \
    "deny, dlp"
#define NAME          ": the name of a variable consists of letters, digits and _, and does not begin with a digit\n"
#define VALUE         "a string, or a map with the key from_env or placeholder_for"
#define TOP           "extends, agent_provider, egress, env, git-gate, supervise, skills, image, runtime"
#define MATCHES(text) ROUTE("{host: a.example, matches: [" text "]}")
#define DENY(text)    ROUTE("{host: a.example, deny: [" text "]}")

static const struct {
    const char *yaml, *errors;
} bad[] = {
    /* not a document */
    {"", "m.yaml:1: the manifest is empty\n"},
    {"# only words\n", "m.yaml:1: the manifest is empty\n"},
    {"a: b: c\n", "m.yaml:1: not YAML: mapping values are not allowed in this context\n"},
    {"env:\n\tA: b\n",
     "m.yaml:2: not YAML: while scanning for the next token: found character that cannot start any token\n"},
    {"env: [\n", "m.yaml:2: not YAML: while parsing a flow node: did not find expected node content\n"},
    {"env: {}\n---\nenv: {}\n", "m.yaml:2: a second document begins; a manifest is one\n"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
     "m.yaml:1: nested too deeply\n"},
    /* the top */
    {"[]\n", "m.yaml:1: must be a map with keys such as egress and env, is a list\n"},
    {"words\n", "m.yaml:1: must be a map with keys such as egress and env, is a string\n"},
    {"egres: {}\n", "m.yaml:1: unknown key \"egres\"; allowed: " TOP "\n"},
    {"egress: {upstream_proxy: x}\nbottle: b\n",
     "m.yaml:1: egress: unknown key \"upstream_proxy\": this version does not enforce it yet; allowed: dns, "
     "extra_ca, "
     "ignore, on_denied, hold_seconds, on_canary, routes\n"
     "m.yaml:2: unknown key \"bottle\": it is a key of agents; allowed: " TOP "\n"},
    {"\"a\\eb\": 1\n", "m.yaml:1: unknown key \"a\\x1bb\"; allowed: " TOP "\n"},
    {"egress.routes[]: 1\n\"*\": 1\n", "m.yaml:1: unknown key \"egress.routes[]\"; allowed: " TOP "\n"
                                       "m.yaml:2: unknown key \"*\"; allowed: " TOP "\n"},
    {"\"env\\0x\": {}\n", "m.yaml:1: unknown key \"env\\x00x\"; allowed: " TOP "\n"},
    {"? [a]\n: 1\n", "m.yaml:1: a key must be one word\n"},
    {"env: {}\nenv: {}\nenv: {}\n", "m.yaml:2: the key \"env\" was given on line 1 already\n"
                                    "m.yaml:3: the key \"env\" was given on line 1 already\n"},
    {"env:\n", "m.yaml:1: env: must be a map of names and values, is empty\n"},
    {"egress: 1\n", "m.yaml:1: egress: must be a map, is a number\n"},
    /* anchors, aliases, tags */
    {"env: &a {}\n", "m.yaml:1: env: anchors, aliases and tags are not allowed in a manifest\n"},
    {"env: *a\n", "m.yaml:1: env: anchors, aliases and tags are not allowed in a manifest\n"},
    {"env: {A: !!str 1, B: ! x}\n",
     "m.yaml:1: env.A: anchors, aliases and tags are not allowed in a manifest\n"
     "m.yaml:1: env.B: anchors, aliases and tags are not allowed in a manifest\n"},
    {"&k env: {}\n", "m.yaml:1: a key must be one word\n"},
    {"env: {<<: {A: b}}\n", "m.yaml:1: env.\"<<\"" NAME},
    /* egress.dns */
    {"egress: {dns: 192.0.2.53}\n", "m.yaml:1: egress.dns: must be a map with the keys upstreams and denied, "
                                    "or a list of IPv4 addresses, is a string\n"},
    {"egress: {dns: {upstreams: []}}\n",
     "m.yaml:1: egress.dns.upstreams: is empty; leave it out to use the host's resolvers\n"},
    {"egress: {dns: []}\n", "m.yaml:1: egress.dns: is empty; leave it out to use the host's resolvers\n"},
    {"egress:\n  dns:\n    - 192.0.2\n    - \"2001:db8::1\"\n    - dns.example\n    - 127.0.0.53\n    - 53\n "
     "   - 192.0.2.053\n",
     "m.yaml:3: egress.dns[0]: \"192.0.2\" is no IPv4 address\n"
     "m.yaml:4: egress.dns[1]: \"2001:db8::1\" is no IPv4 address\n"
     "m.yaml:5: egress.dns[2]: \"dns.example\" is no IPv4 address\n"
     "m.yaml:6: egress.dns[3]: \"127.0.0.53\" cannot be a resolver: loopback, link-local, multicast or "
     "reserved\n"
     "m.yaml:7: egress.dns[4]: must be an IPv4 address, is a number; as text it would be \"53\"\n"
     "m.yaml:8: egress.dns[5]: \"192.0.2.053\" is no IPv4 address\n"},
    {"egress: {dns: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6, 192.0.2.7, 192.0.2.8, "
     "192.0.2.9]}\n",
     "m.yaml:1: egress.dns: 9 addresses; at most 8 are allowed\n"},
    /* routes */
    {"egress: {routes: {}}\n", "m.yaml:1: egress.routes: must be a list of routes, is a map\n"},
    {"egress: {routes: [a.example]}\n", AT ": must be a map with the key host, is a string\n"},
    {ROUTE("{}"), AT ": the key \"host\" is missing\n"},
    {ROUTE("{host: a.example}, {tls: {}}"), "m.yaml:1: egress.routes[1]: the key \"host\" is missing\n"},
    {"egress:\n  routes:\n    - host: a.example\n      pasthrough: true\n      match: {}\n",
     "m.yaml:4: egress.routes[0]: unknown key \"pasthrough\"; allowed: " ROUTE_KEYS "\n"
     "m.yaml:5: egress.routes[0]: unknown key \"match\"; "
     "allowed: " ROUTE_KEYS "\n"},
    /* ports */
    {ROUTE("{host: a.example, ports: 80}"), AT ".ports: must be a list of ports, is a number\n"},
    {ROUTE("{host: a.example, ports: []}"), AT ".ports: 0 ports; 1 to 16 are allowed\n"},
    {ROUTE("{host: a.example, ports: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}"),
     AT ".ports: 17 ports; 1 to 16 are allowed\n"},
    {ROUTE("{host: a.example, ports: [0, 65536, \"80\", 0x50, 080, http, 443, 443, -1, 8.0]}"), AT
     ".ports[0]: 0 is no port: 1 to 65535\n" AT ".ports[1]: 65536 is no port: 1 to 65535\n" AT
     ".ports[2]: must be a port, is a string \"80\"\n" AT
     ".ports[3]: must be a port, is a number \"0x50\"\n" AT
     ".ports[4]: must be a port, is a number \"080\"\n" AT
     ".ports[5]: must be a port, is a string \"http\"\n" AT ".ports[7]: 443 is there already\n" AT
     ".ports[8]: must be a port, is a number \"-1\"\n" AT ".ports[9]: must be a port, is a number \"8.0\"\n"},
    /* tcp */
    {ROUTE("{host: a.example, tcp: 5432}"),
     AT ".tcp: must be a list of maps with the key port, is a number\n"},
    {ROUTE("{host: a.example, tcp: []}"), AT ".tcp: 0 ports; 1 to 16 are allowed\n"},
    {ROUTE("{host: a.example, tcp: [5432, {}, {port: 0}, {port: 65536}, {port: 99999999999999999999}, {port: "
           "53}, "
           "{port: 1}, {port: 1}, {port: \"2\"}, {port: 3, host: x}]}"),
     AT ".tcp[0]: must be a map with the key port, is a number\n" AT
        ".tcp[1]: the key \"port\" is missing\n" AT ".tcp[2].port: 0 is no port: 1 to 65535\n" AT
        ".tcp[3].port: 65536 is no port: 1 to 65535\n" AT
        ".tcp[4].port: must be a port, is a number \"99999999999999999999\"\n" AT
        ".tcp[5].port: 53 is DNS's, which the sidecar answers itself\n" AT
        ".tcp[7].port: 1 is there already\n" AT ".tcp[8].port: must be a port, is a string \"2\"\n" AT
        ".tcp[9]: unknown key \"host\"; allowed: port\n"},
    {ROUTE("{host: \"*.a.example\", tcp: [{port: 5432}]}"),
     AT ".tcp: raw TCP needs one host, not a wildcard\n"},
    {"egress:\n  routes:\n    - host: a.example\n      tcp:\n        - port: 5432\n        - port: 443\n"
     "      ports: [8080, 5432]\n    - host: b.example\n      tcp: [{port: 443}]\n",
     "m.yaml:5: egress.routes[0].tcp[0].port: 5432 is in ports too, where HTTP and TLS are opened\n"
     "m.yaml:9: egress.routes[1].tcp[0].port: 443 is one of the ports where HTTP and TLS are opened, unless "
     "ports "
     "names others\n"},
    /* auth: what could be a token is never repeated */
    {ROUTE("{host: a.example, auth: pass}"),
     AT ".auth: must be a map, or the word passthrough, is \"pass\"\n"},
    {ROUTE("{host: a.example, auth: true}"),
     AT ".auth: must be a map, or the word passthrough, is a truth value; as text it would be \"true\"\n"},
    {ROUTE("{host: a.example, auth: [x]}"), AT ".auth: must be a map, or the word passthrough, is a list\n"},
    {ROUTE("{host: a.example, auth: {}}"),
     AT ".auth: the key \"scheme\" is missing\n" AT ".auth: the key \"token_ref\" is missing\n"},
    {ROUTE("{host: a.example, auth: {scheme: bearer, token_ref: ghp_x-y, header: \"X Y\", token_env: A}}"),
     AT ".auth.scheme: must be Bearer, token, basic or raw, is \"bearer\"\n" AT
        ".auth.token_ref: must be the name of an environment variable of the host that holds the value: "
        "letters, digits and _\n" AT ".auth.header: \"X Y\" is no field name\n" AT
        ".auth: \"token_env\" is an old spelling: write token_ref\n"},
    {ROUTE("{host: a.example, auth: {scheme: raw, token_ref: A, header: Host, placeholder: x}}"),
     AT ".auth.header: \"Host\" is a field that Stopper writes itself\n" AT
        ".auth.placeholder: must be 8 to 512 visible ASCII characters\n"},
    /* cookies, insecure, git */
    {ROUTE("{host: a.example, cookies: true, insecure: \"yes\", git: {fetch: yes, push: true}}"),
     AT ".cookies: must be the word allow, is a truth value; as text it would be \"true\"\n" AT
        ".insecure: must be true or false, is a string \"yes\"\n" AT
        ".git.fetch: must be true or false, is a truth value \"yes\"\n" AT
        ".git: unknown key \"push\"; allowed: fetch\n"},
    {ROUTE("{host: a.example, cookies: deny, insecure: true}"),
     AT ": insecure has a meaning only beside auth with a token_ref\n" AT
        ".cookies: must be the word allow, is \"deny\"\n"},
    {ROUTE("{host: a.example, auth: passthrough, insecure: true}"),
     AT ": insecure has a meaning only beside auth with a token_ref\n"},
    {"egress:\n  routes:\n    - host: a.example\n      tls: {passthrough: true}\n      auth: passthrough\n   "
     "   cookies: allow\n"
     "      git: {fetch: true}\n",
     "m.yaml:5: egress.routes[0]: auth has no meaning beside tls.passthrough: true: nothing inside is "
     "opened\n"
     "m.yaml:6: egress.routes[0]: cookies has no meaning beside tls.passthrough: true: nothing inside is "
     "opened\n"
     "m.yaml:7: egress.routes[0]: git has no meaning beside tls.passthrough: true: nothing inside is "
     "opened\n"},
    /* egress.extra_ca */
    {"egress: {extra_ca: ca.pem}\n", "m.yaml:1: egress.extra_ca: must be a list of files, is a string\n"},
    {"egress: {extra_ca: []}\n", "m.yaml:1: egress.extra_ca: 0 files; 1 to 16 are allowed\n"},
    {"egress: {extra_ca: [\"\", \"a\\0b\"]}\n",
     "m.yaml:1: egress.extra_ca[0]: is no file\nm.yaml:1: egress.extra_ca[1]: is no file\n"},
    /* matches, deny: lists and entries */
    {ROUTE("{host: a.example, matches: [], deny: []}"),
     AT ".matches: 0 entries; 1 to 256 are allowed\n" AT ".deny: 0 entries; 1 to 256 are allowed\n"},
    {ROUTE("{host: a.example, matches: github, deny: github}"),
     AT ".matches: must be a list of entries, is a string\n" AT
        ".deny: must be a list of entries, is a string\n"},
    {MATCHES("github, {}, {path: [/a]}, {paths: [/a]}"),
     AT ".matches[0]: must be a map with one of the keys paths, methods and headers, is a string\n" AT
        ".matches[1]: one of the keys \"paths\", \"methods\" and \"headers\" has to be there\n" AT
        ".matches[2]: one of the keys \"paths\", \"methods\" and \"headers\" has to be there\n" AT
        ".matches[2]: unknown key \"path\"; allowed: paths, methods, headers\n" AT
        ".matches[3].paths[0]: must be a map with the keys type and value, is a string\n"},
    {DENY("github, bitbucket, {}, github, true, [x]"),
     AT ".deny[1]: must be a map, or one of github, gitlab and gitea, is \"bitbucket\"\n" AT
        ".deny[2]: one of the keys \"paths\", \"methods\" and \"headers\" has to be there\n" AT
        ".deny[3]: github is there already\n" AT
        ".deny[4]: must be a map, or one of github, gitlab and gitea, is a truth value; as text it would be "
        "\"true\"\n" AT ".deny[5]: must be a map, or one of github, gitlab and gitea, is a list\n"},
    {MATCHES("{paths: [], methods: [], headers: []}"),
     AT ".matches[0].paths: 0 entries; 1 to 256 are allowed\n" AT
        ".matches[0].methods: 0 entries; 1 to 32 are allowed\n" AT
        ".matches[0].headers: 0 entries; 1 to 32 are allowed\n"},
    {MATCHES("{paths: /a, methods: GET, headers: {X: y}}"),
     AT ".matches[0].paths: must be a list of paths, is a string\n" AT
        ".matches[0].methods: must be a list of methods, is a string\n" AT
        ".matches[0].headers: must be a list of header fields, is a map\n"},
    /* paths */
    {MATCHES("{paths: [{}, {type: exact}, {typ: exact, value: /a}, {type: glob, value: /a}, {value: 7, type: "
             "exact}]}"),
     AT
     ".matches[0].paths[0]: the key \"value\" is missing\n" AT
     ".matches[0].paths[1]: the key \"value\" is missing\n" AT
     ".matches[0].paths[2]: unknown key \"typ\"; allowed: type, value\n" AT
     ".matches[0].paths[3].type: must be prefix, exact or regex, is \"glob\"\n" AT
     ".matches[0].paths[4].value: must be a path or a regular expression, is a number; as text it would be "
     "\"7\"\n"},
    {MATCHES(
         "{paths: [{value: a}, {value: \"\"}, {value: \"/a?b\"}, {value: \"/a b\"}, {value: /a//b}, {value: "
         "/a%2Fb}, {value: \"/a\\0\"}]}"),
     AT ".matches[0].paths[0].value: \"a\" must begin with \"/\"\n" AT
        ".matches[0].paths[1].value: \"\" must begin with \"/\"\n" AT
        ".matches[0].paths[2].value: \"/a?b\" holds a \"?\": the query is no part of the path and decides "
        "nothing\n" AT
        ".matches[0].paths[3].value: \"/a b\" is no path as in a URL: spaces, \"%\" and what is "
        "not ASCII are percent-encoded\n" AT ".matches[0].paths[4].value: \"/a//b\" " ONE_READING AT
        ".matches[0].paths[5].value: \"/a%2Fb\" " ONE_READING AT
        ".matches[0].paths[6].value: \"/a\\x00\" holds a NUL character\n"},
    {"egress:\n  routes:\n    - host: a.example\n      matches:\n        - paths:\n            - value: "
     "/a(b\n"
     "              type: regex\n            - {type: regex, value: \"/[z-a]\"}\n        - paths:\n"
     "            - {type: regex, value: \"(*UTF)/a\"}\n            - {type: regex, value: \"/a)|(?:/b\"}\n",
     "m.yaml:6: egress.routes[0].matches[0].paths[0].value: \"/a(b\" does not compile: at offset 4: missing "
     "closing parenthesis\n"
     "m.yaml:8: egress.routes[0].matches[0].paths[1].value: \"/[z-a]\" does not compile: at offset 4: range "
     "out "
     "of order in character class\n"
     "m.yaml:10: egress.routes[0].matches[1].paths[0].value: \"(*UTF)/a\" does not compile: at offset 6: "
     "using "
     "UTF is disabled by the application\n"
     "m.yaml:11: egress.routes[0].matches[1].paths[1].value: \"/a)|(?:/b\" does not compile: at offset 2: "
     "unmatched closing parenthesis\n"},
    /* methods */
    {MATCHES("{methods: [get, \"GET \", \"\", G(T, CONNECT, TRACE, GET, GET, 1, ~]}"),
     AT ".matches[0].methods[0]: \"get\" is no method: methods are written in capitals\n" AT
        ".matches[0].methods[1]: \"GET \" is no method\n" AT ".matches[0].methods[2]: \"\" is no method\n" AT
        ".matches[0].methods[3]: \"G(T\" is no method\n" AT
        ".matches[0].methods[4]: \"CONNECT\" is never forwarded\n" AT
        ".matches[0].methods[5]: \"TRACE\" is never forwarded\n" AT
        ".matches[0].methods[7]: \"GET\" is there already\n" AT
        ".matches[0].methods[8]: must be a method, is a number; as text it would be \"1\"\n" AT
        ".matches[0].methods[9]: must be a method, is empty; as text it would be \"~\"\n"},
    /* headers: values are not repeated */
    {DENY("{headers: [{name: X-A}, {value: secret}, {name: \"X A\", value: secret}, {name: Host, value: "
          "secret}, "
          "{name: X-A, value: \"sec(\", type: regex}, {name: X-A, value: secret, type: prefix}, {name: X-A, "
          "value: "
          "\"a\\0\"}, X-A]}"),
     AT ".deny[0].headers[0]: the key \"value\" is missing\n" AT
        ".deny[0].headers[1]: the key \"name\" is missing\n" AT
        ".deny[0].headers[2].name: \"X A\" is no field name\n" AT
        ".deny[0].headers[3].name: \"Host\" never goes on as the agent sent it, so it cannot decide\n" AT
        ".deny[0].headers[4].value: the value does not compile: at offset 4: missing closing parenthesis\n" AT
        ".deny[0].headers[5].type: must be exact or regex, is \"prefix\"\n" AT
        ".deny[0].headers[6].value: the value holds a NUL character\n" AT
        ".deny[0].headers[7]: must be a map with the keys name, type and value, is a string\n"},
    {ROUTE("{host: a.example, tls: {passthrough: true}, matches: [{methods: [GET]}], deny: [github]}"),
     AT ": matches has no meaning beside tls.passthrough: true: nothing inside is opened\n" AT
        ": deny has no meaning beside tls.passthrough: true: nothing inside is opened\n"},
/* multi_tenant */
#define SUFFIX(name)                                                                                         \
    AT ".host: \"*." name "\" stands for names of everybody who has one there: \"" name                      \
       "\" is a public suffix; if that is meant, say multi_tenant: true\n"
    {HOST("\"*.com\""), SUFFIX("com")},
    {HOST("\"*.CO.uk\""), SUFFIX("co.uk")},
    {HOST("\"*.github.io\""), SUFFIX("github.io")},
    {HOST("\"*.s3.amazonaws.com\""), SUFFIX("s3.amazonaws.com")},
    {HOST("\"*.nobody-has-this-one\""), SUFFIX("nobody-has-this-one")},
    {ROUTE("{host: \"*.github.io\", multi_tenant: false}"), SUFFIX("github.io")},
    {ROUTE("{host: \"*.github.io\", multi_tenant: yes}"),
     SUFFIX("github.io") AT ".multi_tenant: must be true or false, is a truth value \"yes\"\n"},
    {ROUTE("{host: a.github.io, multi_tenant: true}"),
     AT ": multi_tenant has a meaning only beside a host with \"*.\"\n"},
    /* hosts */
    {HOST("1"), AT ".host: must be a host name, is a number; as text it would be \"1\"\n"},
    {HOST("\"\""), AT ".host: \"\" is no host name\n"},
    {HOST("[a.example]"), AT ".host: must be a host name, is a list\n"},
    {HOST("a..example"), AT ".host: \"a..example\" is no host name\n"},
    {HOST("-a.example"), AT ".host: \"-a.example\" is no host name\n"},
    {HOST("a.example."), AT ".host: \"a.example.\" is no host name: leave out the dot at the end\n"},
    {HOST("192.0.2.7"), AT ".host: \"192.0.2.7\" is no host name: routes name hosts, never addresses\n"},
    {HOST("\"[2001:db8::1]\""),
     AT ".host: \"[2001:db8::1]\" is no host name: routes name hosts, never addresses\n"},
    {HOST("a.0x7f"), AT ".host: \"a.0x7f\" is no host name: routes name hosts, never addresses\n"},
    {HOST("\"a.example:8443\""), AT ".host: \"a.example:8443\" is no host name: a host name has no port\n"},
    {HOST("https://a.example/"),
     AT ".host: \"https://a.example/\" is no host name: a host name has no scheme and no path\n"},
    {HOST("b\xc3\xbc"
          "cher.example"),
     AT ".host: \"b\xc3\xbc"
        "cher.example\" is no host name: write it as A-labels (xn--...)\n"},
    {HOST("\"*\""),
     AT ".host: \"*\" is no host name: \"*\" stands for whole labels at the front only: \"*.example.com\"\n"},
    {HOST("\"a.*.example\""), AT ".host: \"a.*.example\" is no host name: \"*\" stands for whole labels at "
                                 "the front only: \"*.example.com\"\n"},
    {HOST("\"*.*.example\""), AT ".host: \"*.*.example\" is no host name: \"*\" stands for whole labels at "
                                 "the front only: \"*.example.com\"\n"},
    {HOST("\"*.192.0.2.7\""),
     AT ".host: \"*.192.0.2.7\" is no host name: routes name hosts, never addresses\n"},
    {HOST("\"a\\0.example\""), AT ".host: \"a\\x00.example\" is no host name\n"},
    {"egress:\n  routes:\n    - host: A.example\n    - host: b.example\n    - host: a.EXAMPLE\n    - host: "
     "\"*.a.example\"\n    - host: a.example\n",
     "m.yaml:5: egress.routes[2].host: \"a.example\" has a route on line 3 already\n"
     "m.yaml:7: egress.routes[4].host: \"a.example\" has a route on line 3 already\n"},
    /* allow_private */
    {ROUTE("{host: a.example, allow_private: 10.0.0.0/8}"),
     AT ".allow_private: must be a list of address prefixes, is a string\n"},
    {ROUTE("{host: a.example, allow_private: [10.0.0.1/8, 0.0.0.0/0, 127.0.0.1, 169.254.0.0/16, 10.0.0.0/7, "
           "x]}"),
     AT
     ".allow_private[0]: \"10.0.0.1/8\" is no address prefix (10.1.0.0/16 is one; bits behind the length are "
     "zero)\n" AT ".allow_private[1]: \"0.0.0.0/0\" " PRIVATE AT
     ".allow_private[2]: \"127.0.0.1\" " PRIVATE AT ".allow_private[3]: \"169.254.0.0/16\" " PRIVATE AT
     ".allow_private[4]: \"10.0.0.0/7\" " PRIVATE AT
     ".allow_private[5]: \"x\" is no address prefix (10.1.0.0/16 is one; bits behind the length are zero)\n"},
    {ROUTE("{host: a.example, allow_private: [\"::ffff:10.0.0.0/104\"]}"),
     AT ".allow_private[0]: \"::ffff:10.0.0.0/104\" " PRIVATE},
    /* tls */
    {ROUTE("{host: a.example, tls: true}"), AT ".tls: must be a map, is a truth value\n"},
    {ROUTE("{host: a.example, tls: {pasthrough: true}}"),
     AT ".tls: unknown key \"pasthrough\"; allowed: passthrough, ech\n"},
    {ROUTE("{host: a.example, tls: {passthrough: yes}}"),
     AT ".tls.passthrough: must be true or false, is a truth value \"yes\"\n"},
    {ROUTE("{host: a.example, tls: {passthrough: \"true\"}}"),
     AT ".tls.passthrough: must be true or false, is a string \"true\"\n"},
    {ROUTE("{host: a.example, tls: {passthrough: }}"),
     AT ".tls.passthrough: must be true or false, is empty\n"},
    {ROUTE("{host: a.example, tls: {passthrough: true, ech: deny}}"),
     AT ".tls.ech: must be the word allow, is \"deny\"\n"},
    {ROUTE("{host: a.example, tls: {ech: allow}}"),
     AT ".tls: ech has a meaning only beside passthrough: true\n"},
    {ROUTE("{host: a.example, tls: {ech: allow, passthrough: false}}"),
     AT ".tls: ech has a meaning only beside passthrough: true\n"},
    /* env */
    {"env: [A]\n", "m.yaml:1: env: must be a map of names and values, is a list\n"},
    {"env:\n  A: 1\n  B: 1.5e3\n  C: yes\n  D:\n  E: ~\n  F: 2026-01-02\n  G: 0x1f\n  H: .inf\n  I: 1:30\n  "
     "J: [x]\n  K: {}\n",
     "m.yaml:2: env.A: must be " VALUE ", is a number; as text it would be \"1\"\n"
     "m.yaml:3: env.B: must be " VALUE ", is a number; as text it would be \"1.5e3\"\n"
     "m.yaml:4: env.C: must be " VALUE ", is a truth value; as text it would be \"yes\"\n"
     "m.yaml:5: env.D: must be " VALUE ", is empty; an empty text would be \"\"\n"
     "m.yaml:6: env.E: must be " VALUE ", is empty; as text it would be \"~\"\n"
     "m.yaml:7: env.F: must be " VALUE ", is a date; as text it would be \"2026-01-02\"\n"
     "m.yaml:8: env.G: must be " VALUE ", is a number; as text it would be \"0x1f\"\n"
     "m.yaml:9: env.H: must be " VALUE ", is a number; as text it would be \".inf\"\n"
     "m.yaml:10: env.I: must be " VALUE ", is a number; as text it would be \"1:30\"\n"
     "m.yaml:11: env.J: must be " VALUE ", is a list\n"
     "m.yaml:12: env.K: must have one of the keys from_env and placeholder_for, has 0 keys\n"},
    {"env: {1A: x, A-B: x, \"\": x, A=B: x, A.B: x, \"C\\0\": x}\n",
     "m.yaml:1: env.1A" NAME "m.yaml:1: env.A-B" NAME "m.yaml:1: env.\"\"" NAME "m.yaml:1: env.\"A=B\"" NAME
     "m.yaml:1: env.\"A.B\"" NAME "m.yaml:1: env.\"C\\x00\"" NAME},
    {"env: {A: \"x\\0y\"}\n", "m.yaml:1: env.A: a variable cannot hold a NUL character\n"},
    {"env: {A: x, A: y}\n", "m.yaml:1: env: the key \"A\" was given on line 1 already\n"},
    /* a key that is there twice is not read twice */
    {"egress: {routes: [{host: a.example}], routes: [{host: b.example}, {}]}\n",
     "m.yaml:1: egress: the key \"routes\" was given on line 1 already\n"},
    /* everything at once, in the order of the lines */
    {"extra: 1\nenv:\n  A: [x]\negress:\n  routes:\n    - tls:\n        passthrough: maybe\n    - host: "
     "10.0.0.1\n",
     "m.yaml:1: unknown key \"extra\"; allowed: " TOP "\n"
     "m.yaml:3: env.A: must be " VALUE ", is a list\n"
     "m.yaml:6: egress.routes[0]: the key \"host\" is missing\n"
     "m.yaml:7: egress.routes[0].tls.passthrough: must be true or false, is a string \"maybe\"\n"
     "m.yaml:8: egress.routes[1].host: \"10.0.0.1\" is no host name: routes name hosts, never addresses\n"},
};

START_TEST(bad_manifests_list_every_error)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_str_eq(errors_of(bad[i].yaml), bad[i].errors);
}
END_TEST

static const char *const good[] = {
    "{}\n",
    "egress: {}\n",
    "env: {}\n",
    "---\nenv: {}\n...\n",
    "egress: {routes: []}\n",
    "egress: {routes: [{host: a.example, tls: {}, allow_private: []}]}\n",
    "egress: {routes: [{\"host\": 'a.example', tls: {passthrough: true, ech: \"allow\"}}]}\n",
    "egress: {routes: [{host: \"*.github.io\", multi_tenant: true}, {multi_tenant: true, host: "
    "\"*.com\"}]}\n",
    "egress: {routes: [{host: \"*.a.github.io\"}, {host: \"*.a.example\", multi_tenant: true}, {host: "
    "github.io}]}\n",
    "egress: {routes: [{host: a.example, matches: [{paths: [{value: /}, {value: /a%20b, type: exact}, {type: "
    "regex, "
    "value: '/[^/]+'}], methods: [GET, M-SEARCH], headers: [{name: X-A, value: ''}]}], deny: [github, "
    "gitlab, gitea, "
    "{methods: [PUT]}]}]}\n",
    "egress: {routes: [{host: _srv.xn--bcher-kva.example}, {host: localhost}]}\n",
    "env: {A: \"1\", B: '', C: word, D: two words, E: 1.2.3, F: 10.0.0.0/8, G: -, H: v1, I: \"a\\nb\"}\n",
};

START_TEST(good_manifests_have_no_error)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_str_eq(errors_of(good[i]), "");
}
END_TEST

START_TEST(too_many_errors_are_counted)
{
    static char yaml[40000] = "env:\n";

    for (unsigned i = 0; i < REPORT_MAX + 7; i++)
        sprintf(yaml + strlen(yaml), "  A%u: []\n", i);
    const char *errors = errors_of(yaml);
    ck_assert_ptr_nonnull(
        strstr(errors, "m.yaml:1001: env.A999: must be " VALUE ", is a list\nm.yaml: 7 more errors\n"));
}
END_TEST

START_TEST(too_many_routes_and_nodes_are_refused)
{
    size_t size = 2u * NODE_MAX + 100, at = 0;
    char *yaml = malloc(size);

    at += (size_t)sprintf(yaml, "egress: {routes: [");
    for (unsigned i = 0; i <= MANIFEST_ROUTES_MAX; i++)
        at += (size_t)sprintf(yaml + at, "x,");
    sprintf(yaml + at, "]}");
    ck_assert_str_eq(errors_of(yaml), "m.yaml:1: egress.routes: 10001 routes; at most 10000 are allowed\n");
    at = (size_t)sprintf(yaml, "[");
    for (unsigned i = 0; i < NODE_MAX; i++)
        at += (size_t)sprintf(yaml + at, "x,");
    sprintf(yaml + at, "]");
    ck_assert_str_eq(errors_of(yaml), "m.yaml:1: too many entries\n");
    free(yaml);
}
END_TEST

START_TEST(values_are_kept)
{
    static const char yaml[] = "egress:\n"
                               "  dns: [192.0.2.53, 10.0.0.53]\n"
                               "  routes:\n"
                               "    - host: \"*.Example.COM\"\n"
                               "      allow_private: [10.1.0.0/16, \"fd00::/8\"]\n"
                               "    - {host: b.example, tls: {passthrough: true, ech: allow}}\n"
                               "env: {A: \"x=y\", B_2: \"\xc3\xa4\"}\n";
    struct report report;

    report_init(&report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, &report);
    struct manifest *manifest = manifest_read(root, &report);
    ck_assert_ptr_nonnull(manifest);
    ck_assert_uint_eq(manifest->dns_count, 2);
    ck_assert_uint_eq(manifest->dns[1].bytes[0], 10);
    ck_assert_uint_eq(manifest->route_count, 2);
    ck_assert_str_eq(manifest->routes[0].host, "*.example.com");
    ck_assert_uint_eq(manifest->routes[0].allow_private_count, 2);
    ck_assert_uint_eq(manifest->routes[0].allow_private[0].length, 16);
    ck_assert(!manifest->routes[0].tls_passthrough && !manifest->routes[0].tls_ech);
    ck_assert_str_eq(manifest->routes[1].host, "b.example");
    ck_assert(manifest->routes[1].tls_passthrough && manifest->routes[1].tls_ech);
    ck_assert_uint_eq(manifest->env_count, 2);
    ck_assert_str_eq(manifest->env[0], "A=x=y");
    ck_assert_str_eq(manifest->env[1], "B_2=\xc3\xa4");
    ck_assert_ptr_null(manifest->env[2]);
    manifest_free(manifest);
    node_free(root);
    report_fini(&report);
}
END_TEST

SUITE_MAIN("manifest", bad_manifests_list_every_error, good_manifests_have_no_error,
           too_many_errors_are_counted, too_many_routes_and_nodes_are_refused, values_are_kept)
