/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_keys: the language of manifests: which keys there are, and what is checked about each value.
 * manifest.c calls the functions here while it walks; each sees a node of the right type and must not look
 * beyond it. */
#include "hostctl/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/manifest_reader.h"
#include "hostctl/suffix.h"

static int take_dns(struct manifest_reader *reader, const struct node *node);
static int take_dns_list(struct manifest_reader *reader, const struct node *node);
static int take_route_list(struct manifest_reader *reader, const struct node *node);
static int take_route(struct manifest_reader *reader, const struct node *node);
static int take_host(struct manifest_reader *reader, const struct node *node);
static int take_cidr_list(struct manifest_reader *reader, const struct node *node);
static int take_cidr(struct manifest_reader *reader, const struct node *node);
static int take_tls(struct manifest_reader *reader, const struct node *node);
static int take_passthrough(struct manifest_reader *reader, const struct node *node);
static int take_ech(struct manifest_reader *reader, const struct node *node);
static int take_port_list(struct manifest_reader *reader, const struct node *node);
static int take_port(struct manifest_reader *reader, const struct node *node);
static int take_auth(struct manifest_reader *reader, const struct node *node);
static int take_scheme(struct manifest_reader *reader, const struct node *node);
static int take_token_ref(struct manifest_reader *reader, const struct node *node);
static int take_header(struct manifest_reader *reader, const struct node *node);
static int take_cookies(struct manifest_reader *reader, const struct node *node);
static int take_insecure(struct manifest_reader *reader, const struct node *node);
static int take_fetch(struct manifest_reader *reader, const struct node *node);
static int take_extra_ca_list(struct manifest_reader *reader, const struct node *node);
static int take_extra_ca(struct manifest_reader *reader, const struct node *node);
static int take_env_map(struct manifest_reader *reader, const struct node *node);
static int take_env(struct manifest_reader *reader, const struct node *node);

#define MAP    MANIFEST_MAP
#define LIST   MANIFEST_LIST
#define STRING MANIFEST_STRING
#define BOOL   MANIFEST_BOOL
#define NUMBER MANIFEST_NUMBER
#define CHOICE MANIFEST_CHOICE

#define WORDS     MANIFEST_STRING_OR_LIST
#define DETECTORS MANIFEST_FALSE_OR_LIST
#define DNS       MANIFEST_LIST_OR_MAP

#define DETECTOR_LIST "false, or a list of detectors"
#define TOKEN_NAME    "the name of an environment variable"

const struct manifest_key manifest_keys[] = {
    {"extends", WORDS, false, "the name of a bottle or a list of them", manifest_take_extends},
    {"extends[]", STRING, false, "the name of a bottle", manifest_take_extends},
    {"agent_provider", MAP, false, "a map with the key template", NULL},
    {"agent_provider.template", STRING, true, "claude, codex or none", manifest_take_template},
    {"egress", MAP, false, "a map", NULL},
    {"egress.dns", DNS, false, "a map with the keys upstreams and denied, or a list of IPv4 addresses",
     take_dns_list},
    {"egress.dns[]", STRING, false, "an IPv4 address", take_dns},
    {"egress.dns.upstreams", LIST, false, "a list of IPv4 addresses", take_dns_list},
    {"egress.dns.upstreams[]", STRING, false, "an IPv4 address", take_dns},
    {"egress.dns.denied", STRING, false, "sinkhole or refuse", manifest_take_denied},
    {"egress.extra_ca", LIST, false, "a list of files", take_extra_ca_list},
    {"egress.extra_ca[]", STRING, false, "a file", take_extra_ca},
    {"egress.ignore", LIST, false, "a list of host names", manifest_take_ignore_list},
    {"egress.ignore[]", STRING, false, "a host name", manifest_take_ignore},
    {"egress.on_denied", STRING, false, "block or supervise", manifest_take_on_denied},
    {"egress.hold_seconds", NUMBER, false, "a number of seconds", manifest_take_hold_seconds},
    {"egress.on_canary", STRING, false, "alarm or stop", manifest_take_on_canary},
    {"egress.routes", LIST, false, "a list of routes", take_route_list},
    {"egress.routes[]", MAP, false, "a map with the key host", take_route},
    {"egress.routes[].host", STRING, true, "a host name", take_host},
    {"egress.routes[].allow_private", LIST, false, "a list of address prefixes", take_cidr_list},
    {"egress.routes[].allow_private[]", STRING, false, "an address prefix", take_cidr},
    {"egress.routes[].tls", MAP, false, "a map", take_tls},
    {"egress.routes[].tls.passthrough", BOOL, false, "true or false", take_passthrough},
    {"egress.routes[].tls.ech", STRING, false, "the word allow", take_ech},
    {"egress.routes[].ports", LIST, false, "a list of ports", take_port_list},
    {"egress.routes[].ports[]", NUMBER, false, "a port", take_port},
    {"egress.routes[].tcp", LIST, false, "a list of maps with the key port", manifest_take_tcp_list},
    {"egress.routes[].tcp[]", MAP, false, "a map with the key port", NULL},
    {"egress.routes[].tcp[].port", NUMBER, true, "a port", manifest_take_tcp_port},
    {"egress.routes[].role", STRING, false, "the name of a role", manifest_take_role},
    {"egress.routes[].auth", CHOICE, false, "a map, or the word passthrough", take_auth},
    {"egress.routes[].auth.scheme", STRING, true, "Bearer, token, basic or raw", take_scheme},
    {"egress.routes[].auth.token_ref", STRING, true, TOKEN_NAME, take_token_ref},
    {"egress.routes[].auth.header", STRING, false, "the name of a header field", take_header},
    {"egress.routes[].auth.placeholder", STRING, false, "a text", manifest_take_placeholder},
    {"egress.routes[].auth.in", LIST, false, "a list of places", manifest_take_in_list},
    {"egress.routes[].auth.in[]", STRING, false, "a place", manifest_take_in},
    {"egress.routes[].cookies", STRING, false, "the word allow", take_cookies},
    {"egress.routes[].insecure", BOOL, false, "true or false", take_insecure},
    {"egress.routes[].git", MAP, false, "a map", NULL},
    {"egress.routes[].git.fetch", BOOL, false, "true or false", take_fetch},
    {"egress.routes[].multi_tenant", BOOL, false, "true or false", NULL},
    {"egress.routes[].matches", LIST, false, "a list of entries", manifest_take_matches},
    {"egress.routes[].matches[]", MAP, false, "a map with one of the keys paths, methods and headers",
     manifest_take_match},
    {"egress.routes[].matches[].paths", LIST, false, "a list of paths", manifest_take_paths},
    {"egress.routes[].matches[].paths[]", MAP, false, "a map with the keys type and value",
     manifest_take_path},
    {"egress.routes[].matches[].paths[].type", STRING, false, "prefix, exact or regex",
     manifest_take_path_type},
    {"egress.routes[].matches[].paths[].value", STRING, true, "a path or a regular expression",
     manifest_take_path_value},
    {"egress.routes[].matches[].methods", LIST, false, "a list of methods", manifest_take_methods},
    {"egress.routes[].matches[].methods[]", STRING, false, "a method", manifest_take_method},
    {"egress.routes[].matches[].headers", LIST, false, "a list of header fields", manifest_take_headers},
    {"egress.routes[].matches[].headers[]", MAP, false, "a map with the keys name, type and value",
     manifest_take_header_entry},
    {"egress.routes[].matches[].headers[].name", STRING, true, "the name of a header field",
     manifest_take_header_name},
    {"egress.routes[].matches[].headers[].type", STRING, false, "exact or regex", manifest_take_header_type},
    {"egress.routes[].matches[].headers[].value", STRING, true, "a value or a regular expression",
     manifest_take_header_value},
    {"egress.routes[].deny", LIST, false, "a list of entries", manifest_take_deny},
    {"egress.routes[].deny[]", CHOICE, false, "a map, or one of github, gitlab and gitea",
     manifest_take_match},
    {"egress.routes[].deny[].paths", LIST, false, "a list of paths", manifest_take_paths},
    {"egress.routes[].deny[].paths[]", MAP, false, "a map with the keys type and value", manifest_take_path},
    {"egress.routes[].deny[].paths[].type", STRING, false, "prefix, exact or regex", manifest_take_path_type},
    {"egress.routes[].deny[].paths[].value", STRING, true, "a path or a regular expression",
     manifest_take_path_value},
    {"egress.routes[].deny[].methods", LIST, false, "a list of methods", manifest_take_methods},
    {"egress.routes[].deny[].methods[]", STRING, false, "a method", manifest_take_method},
    {"egress.routes[].deny[].headers", LIST, false, "a list of header fields", manifest_take_headers},
    {"egress.routes[].deny[].headers[]", MAP, false, "a map with the keys name, type and value",
     manifest_take_header_entry},
    {"egress.routes[].deny[].headers[].name", STRING, true, "the name of a header field",
     manifest_take_header_name},
    {"egress.routes[].deny[].headers[].type", STRING, false, "exact or regex", manifest_take_header_type},
    {"egress.routes[].deny[].headers[].value", STRING, true, "a value or a regular expression",
     manifest_take_header_value},
    {"egress.routes[].dlp", MAP, false, "a map", NULL},
    {"egress.routes[].dlp.outbound_detectors", DETECTORS, false, DETECTOR_LIST, manifest_take_outbound_list},
    {"egress.routes[].dlp.outbound_detectors[]", STRING, false, "a detector", manifest_take_outbound},
    {"egress.routes[].dlp.inbound_detectors", DETECTORS, false, DETECTOR_LIST, manifest_take_inbound_list},
    {"egress.routes[].dlp.inbound_detectors[]", STRING, false, "a detector", manifest_take_inbound},
    {"egress.routes[].dlp.outbound_on_match", STRING, false, "supervise, redact or block",
     manifest_take_outbound_on_match},
    {"egress.routes[].dlp.inbound_on_match", STRING, false, "block, annotate or log",
     manifest_take_inbound_on_match},
    {"egress.routes[].dlp.budget", STRING, false, "a size a minute, such as 10m/minute",
     manifest_take_budget},
    {"env", MAP, false, "a map of names and values", take_env_map},
    {"env.*", CHOICE, false, "a string, or a map with the key from_env or placeholder_for", take_env},
    {"env.*.from_env", STRING, false, TOKEN_NAME, manifest_take_from_env},
    {"env.*.placeholder_for", STRING, false, "the host of a route", manifest_take_placeholder_for},
    {"git-gate", MAP, false, "a map", NULL},
    {"git-gate.user", MAP, false, "a map with the keys name and email", NULL},
    {"git-gate.user.name", STRING, false, "a name", manifest_take_user_name},
    {"git-gate.user.email", STRING, false, "an e-mail address", manifest_take_user_email},
    {"git-gate.repos", MAP, false, "a map of names and repositories", NULL},
    {"git-gate.repos.*", MAP, false, "a map with the keys url and key", manifest_take_repo},
    {"git-gate.repos.*.url", STRING, true, "ssh://user@host[:port]/path", manifest_take_url},
    {"git-gate.repos.*.key", MAP, true, "a map with the key provider", manifest_take_key},
    {"git-gate.repos.*.key.provider", STRING, true, "static or gitea", manifest_take_provider},
    {"git-gate.repos.*.key.path", STRING, false, "a file", manifest_take_key_path},
    {"git-gate.repos.*.key.forge_token_env", STRING, false, TOKEN_NAME, manifest_take_forge_token},
    {"git-gate.repos.*.key.api_url", STRING, false, "an https:// or http:// URL", manifest_take_api_url},
    {"git-gate.repos.*.host_key", STRING, false, "TYPE BASE64", manifest_take_host_key},
    {"git-gate.repos.*.push", MAP, false, "a map", NULL},
    {"git-gate.repos.*.push.allow", LIST, false, "a list of refs", manifest_take_refs},
    {"git-gate.repos.*.push.allow[]", STRING, false, "a ref", manifest_take_allow},
    {"git-gate.repos.*.push.deny", LIST, false, "a list of refs", manifest_take_refs},
    {"git-gate.repos.*.push.deny[]", STRING, false, "a ref", manifest_take_deny_ref},
    {"git-gate.repos.*.push.force", BOOL, false, "true or false", manifest_take_force},
    {"git-gate.repos.*.push.delete", BOOL, false, "true or false", manifest_take_delete},
    {"git-gate.repos.*.push.protect_paths", LIST, false, "a list of paths", manifest_take_protected_list},
    {"git-gate.repos.*.push.protect_paths[]", STRING, false, "a path", manifest_take_protected},
    {"git-gate.repos.*.push.max_pack_mb", NUMBER, false, "a number of MiB", manifest_take_max_pack},
    {"git-gate.on_finding", STRING, false, "block or supervise", manifest_take_on_finding},
    {"git-gate.scanner", STRING, false, "the path of a program", manifest_take_scanner},
    {"git-gate.prefetch", BOOL, false, "true or false", manifest_take_prefetch},
    {"git-gate.storage_mb", NUMBER, false, "a number of MiB", manifest_take_storage},
    {"supervise", BOOL, false, "true or false", manifest_take_supervise},
    {"skills", LIST, false, "a list of names", manifest_take_skill_list},
    {"skills[]", STRING, false, "the name of a skill", manifest_take_skill},
    {"image", STRING, false, "the name of an image", manifest_take_image},
    {"runtime", STRING, false, "netns, docker, podman or apple", manifest_take_runtime},
    {NULL, MAP, false, NULL, NULL},
};

static int take_dns_list(struct manifest_reader *reader, const struct node *node)
{
    if (node->kind == NODE_MAP)
        return 0;
    if (node->count == 0)
        COMPLAIN(reader, node, "is empty; leave it out to use the host's resolvers");
    if (node->count > POLICY_MAX_UPSTREAMS)
        COMPLAIN(reader, node, "%zu addresses; at most %d are allowed", node->count, POLICY_MAX_UPSTREAMS);
    return 0;
}

static int take_dns(struct manifest_reader *reader, const struct node *node)
{
    struct manifest *manifest = reader->manifest;
    char quoted[REPORT_QUOTED];
    struct ip ip;

    if (ip_parse(text_of(node), &ip) != 0 || ip.family != 4)
        COMPLAIN(reader, node, "%s is no IPv4 address", report_quote(text_of(node), quoted));
    else if (ip_classify(&ip) == IP_FORBIDDEN)
        COMPLAIN(reader, node, "%s cannot be a resolver: loopback, link-local, multicast or reserved",
                 report_quote(text_of(node), quoted));
    else if (manifest->dns_count < POLICY_MAX_UPSTREAMS)
        manifest->dns[manifest->dns_count++] = ip;
    return 0;
}

static int take_route_list(struct manifest_reader *reader, const struct node *node)
{
    if (node->count > MANIFEST_ROUTES_MAX) {
        COMPLAIN(reader, node, "%zu routes; at most %d are allowed", node->count, MANIFEST_ROUTES_MAX);
        return -1;
    }
    reader->manifest->routes = calloc(node->count + 1, sizeof *reader->manifest->routes);
    reader->route_hosts = calloc(node->count + 1, sizeof *reader->route_hosts);
    return reader->manifest->routes != NULL && reader->route_hosts != NULL ? 0 : OUT_OF_MEMORY(reader);
}

const struct node *manifest_child(const struct node *map, const char *key)
{
    const struct node *child = map->first;

    while (child != NULL && strcmp(child->key, key) != 0)
        child = child->next;
    return child;
}

static bool is_true(const struct node *node)
{
    return node != NULL && node->kind == NODE_SCALAR && strcmp(node->text, "true") == 0;
}

static int take_route(struct manifest_reader *reader, const struct node *node)
{
    static const char *const inside[] = {"auth",    "cookies", "insecure", "git",
                                         "matches", "deny",    "dlp",      "role"};
    const struct node *tls = manifest_child(node, "tls"), *auth = manifest_child(node, "auth"),
                      *insecure = manifest_child(node, "insecure"), *host = manifest_child(node, "host"),
                      *multi_tenant = manifest_child(node, "multi_tenant");
    const struct node *passthrough = tls != NULL ? manifest_child(tls, "passthrough") : NULL;

    reader->route = &reader->manifest->routes[reader->manifest->route_count];
    reader->route->file = reader->manifest->files[0];
    reader->route->line = node->line;
    reader->route->index = reader->manifest->route_count++;
    reader->multi_tenant = is_true(multi_tenant);
    for (size_t i = 0; is_true(passthrough) && i < sizeof inside / sizeof inside[0]; i++) {
        const struct node *child = manifest_child(node, inside[i]);
        if (child != NULL)
            COMPLAIN(reader, child,
                     "%s has no meaning beside tls.passthrough: true: nothing inside is opened", inside[i]);
    }
    if (is_true(insecure) && (auth == NULL || auth->kind == NODE_SCALAR))
        COMPLAIN(reader, insecure, "insecure has a meaning only beside auth with a token_ref");
    if (reader->multi_tenant && host != NULL && host->kind == NODE_SCALAR && host->text[0] != '*')
        COMPLAIN(reader, multi_tenant, "multi_tenant has a meaning only beside a host with \"*.\"");
    return 0;
}

/* Why this is no host, or NULL when there is nothing better to say than that it is none. */
static const char *host_problem(struct str text)
{
    const char *colon = memchr(text.ptr, ':', text.len);
    struct str name;
    unsigned port;

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return "write it as A-labels (xn--...)";
    if (memchr(text.ptr, '/', text.len) != NULL)
        return "a host name has no scheme and no path";
    if (colon != NULL && host_split_port(text, &name, &port) == 0 && port != 0 && !host_is_address(name))
        return "a host name has no port";
    if (host_is_address(text))
        return "routes name hosts, never addresses";
    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        return "leave out the dot at the end";
    if (memchr(text.ptr, '*', text.len) != NULL)
        return "\"*\" stands for whole labels at the front only: \"*.example.com\"";
    return NULL;
}

static void check_suffix(struct manifest_reader *reader, const struct node *node)
{
    const char *host = reader->route->host;
    int public = reader->multi_tenant || host[0] != '*' ? 0 : suffix_is_public(host + 2);

    if (public < 0)
        COMPLAIN(reader, node, "cannot be checked: there is no public suffix list");
    else if (public)
        COMPLAIN(
            reader, node,
            "\"%s\" stands for names of everybody who has one there: \"%s\" is a public suffix; if that is "
            "meant, say multi_tenant: true",
            host, host + 2);
}

int manifest_take_name(struct manifest_reader *reader, const struct node *node, char into[HOST_MAX + 3])
{
    struct str text = text_of(node), name = text;
    char quoted[REPORT_QUOTED];

    if (text.len > 2 && memcmp(text.ptr, "*.", 2) == 0) {
        name = (struct str){text.ptr + 2, text.len - 2};
        memcpy(into, "*.", 2);
        into += 2;
    }
    if (host_canon(name, into) == 0)
        return 0;
    const char *problem = host_problem(name);
    COMPLAIN(reader, node, "%s is no host name%s%s", report_quote(text, quoted), problem != NULL ? ": " : "",
             problem != NULL ? problem : "");
    return -1;
}

static int take_host(struct manifest_reader *reader, const struct node *node)
{
    reader->route->line = node->line;
    if (manifest_take_name(reader, node, reader->route->host) != 0)
        return 0;
    reader->route_hosts[reader->route - reader->manifest->routes] = node;
    check_suffix(reader, node);
    return 0;
}

static int take_cidr_list(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_route *route = reader->route;

    if (node->count > MANIFEST_CIDRS_MAX) {
        COMPLAIN(reader, node, "%zu prefixes; at most %d are allowed", node->count, MANIFEST_CIDRS_MAX);
        return -1;
    }
    route->allow_private = calloc(node->count + 1, sizeof *route->allow_private);
    return route->allow_private != NULL ? 0 : OUT_OF_MEMORY(reader);
}

static int take_cidr(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_route *route = reader->route;
    char quoted[REPORT_QUOTED];
    struct cidr cidr;

    if (cidr_parse(text_of(node), &cidr) != 0)
        COMPLAIN(reader, node,
                 "%s is no address prefix (10.1.0.0/16 is one; bits behind the length are zero)",
                 report_quote(text_of(node), quoted));
    else if (!cidr_is_private(&cidr))
        COMPLAIN(reader, node,
                 "%s lies in none of the private ranges 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "
                 "100.64.0.0/10 and "
                 "fc00::/7",
                 report_quote(text_of(node), quoted));
    else
        route->allow_private[route->allow_private_count++] = cidr;
    return 0;
}

static int take_tls(struct manifest_reader *reader, const struct node *node)
{
    bool passthrough = false, ech = false;

    for (const struct node *child = node->first; child != NULL; child = child->next) {
        ech = ech || strcmp(child->key, "ech") == 0;
        if (strcmp(child->key, "passthrough") == 0) /* anything but false: its own error is enough */
            passthrough = child->kind != NODE_SCALAR || strcmp(child->text, "false") != 0;
    }
    if (ech && !passthrough)
        COMPLAIN(reader, node, "ech has a meaning only beside passthrough: true");
    return 0;
}

static int take_passthrough(struct manifest_reader *reader, const struct node *node)
{
    reader->route->tls_passthrough = node->text[0] == 't';
    return 0;
}

static int take_ech(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];

    if (!str_equal(text_of(node), str_of("allow")))
        COMPLAIN(reader, node, "must be the word allow, is %s", report_quote(text_of(node), quoted));
    reader->route->tls_ech = true;
    return 0;
}

static int take_port_list(struct manifest_reader *reader, const struct node *node)
{
    if (node->count >= 1 && node->count <= POLICY_MAX_PORTS)
        return 0;
    COMPLAIN(reader, node, "%zu ports; 1 to %d are allowed", node->count, POLICY_MAX_PORTS);
    return -1;
}

static int take_port(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_route *route = reader->route;
    unsigned long port = strtoul(node->text, NULL, 10);

    for (size_t i = 0; i < route->port_count; i++)
        if (route->ports[i] == port) {
            COMPLAIN(reader, node, "%lu is there already", port);
            return 0;
        }
    if (port < 1 || port > 65535)
        COMPLAIN(reader, node, "%s is no port: 1 to 65535", node->text);
    else
        route->ports[route->port_count++] = (uint16_t)port;
    return 0;
}

static int take_auth(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];

    if (node->kind == NODE_MAP)
        return 0;
    if (!str_equal(text_of(node), str_of("passthrough")))
        COMPLAIN(reader, node, "must be a map, or the word passthrough, is %s",
                 report_quote(text_of(node), quoted));
    reader->route->auth.scheme = AUTH_PASSTHROUGH;
    return 0;
}

static int take_scheme(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];

    for (enum auth_scheme scheme = AUTH_BEARER; scheme <= AUTH_RAW; scheme++)
        if (str_equal(text_of(node), str_of(policy_scheme_name(scheme)))) {
            reader->route->auth.scheme = scheme;
            return 0;
        }
    COMPLAIN(reader, node, "must be Bearer, token, basic or raw, is %s", report_quote(text_of(node), quoted));
    return 0;
}

static int take_token_ref(struct manifest_reader *reader, const struct node *node)
{
    struct manifest_route *route = reader->route;

    if (!secret_is_name(text_of(node))) { /* not quoted: it may be a token that was put here */
        COMPLAIN(reader, node,
                 "must be the name of an environment variable of the host that holds the value: letters, "
                 "digits and _");
        return 0;
    }
    route->auth.token_line = node->line;
    route->auth.token_ref = strdup(node->text);
    return route->auth.token_ref != NULL ? 0 : OUT_OF_MEMORY(reader);
}

static int take_header(struct manifest_reader *reader, const struct node *node)
{
    const char *problem = policy_header_problem(text_of(node));
    char quoted[REPORT_QUOTED];

    if (problem != NULL) {
        COMPLAIN(reader, node, "%s %s", report_quote(text_of(node), quoted), problem);
        return 0;
    }
    reader->route->auth.header = strdup(node->text);
    return reader->route->auth.header != NULL ? 0 : OUT_OF_MEMORY(reader);
}

static int take_cookies(struct manifest_reader *reader, const struct node *node)
{
    char quoted[REPORT_QUOTED];

    if (!str_equal(text_of(node), str_of("allow")))
        COMPLAIN(reader, node, "must be the word allow, is %s", report_quote(text_of(node), quoted));
    reader->route->cookies = true;
    return 0;
}

static int take_insecure(struct manifest_reader *reader, const struct node *node)
{
    reader->route->insecure = node->text[0] == 't';
    return 0;
}

static int take_fetch(struct manifest_reader *reader, const struct node *node)
{
    reader->route->git_fetch = node->text[0] == 't';
    return 0;
}

static int take_extra_ca_list(struct manifest_reader *reader, const struct node *node)
{
    if (node->count >= 1 && node->count <= MANIFEST_EXTRA_CA_MAX)
        return 0;
    COMPLAIN(reader, node, "%zu files; 1 to %d are allowed", node->count, MANIFEST_EXTRA_CA_MAX);
    return -1;
}

static int take_extra_ca(struct manifest_reader *reader, const struct node *node)
{
    struct manifest *manifest = reader->manifest;
    char *path = node->len > 0 && memchr(node->text, '\0', node->len) == NULL ? strdup(node->text) : NULL;

    if (path == NULL) {
        COMPLAIN(reader, node, "is no file");
        return 0;
    }
    manifest->extra_ca[manifest->extra_ca_count++] =
        (struct manifest_word){path, manifest->files[0], node->line};
    return 0;
}

static int take_env_map(struct manifest_reader *reader, const struct node *node)
{
    if (node->count <= MANIFEST_ENV_MAX)
        return 0;
    COMPLAIN(reader, node, "%zu variables; at most %d are allowed", node->count, MANIFEST_ENV_MAX);
    return -1;
}

static int take_env(struct manifest_reader *reader, const struct node *node)
{
    struct manifest *manifest = reader->manifest;
    size_t size = node->key_len + node->len + 2;

    if (!manifest_is_variable(key_of(node))) {
        report_add(
            reader->report, node->key_line, reader->path,
            "the name of a variable consists of letters, digits and _, and does not begin with a digit");
        return -1;
    }
    if (node->kind == NODE_MAP) {
        reader->variable = node;
        return manifest_take_env_form(reader, node);
    }
    if (memchr(node->text, '\0', node->len) != NULL) {
        COMPLAIN(reader, node, "a variable cannot hold a NUL character");
        return -1;
    }
    char **env = realloc(manifest->env, (manifest->env_count + 2) * sizeof *env);
    if (env == NULL)
        return OUT_OF_MEMORY(reader);
    manifest->env = env;
    char *pair = env[manifest->env_count] = malloc(size);
    if (pair == NULL)
        return OUT_OF_MEMORY(reader);
    snprintf(pair, size, "%s=%s", node->key, node->text);
    env[++manifest->env_count] = NULL;
    return 0;
}
