/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy: JSON to an immutable policy, and the lookups that every request makes. Strict: what is not
 * understood is an error (json_in.h).
 */
#include "core/policy.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_in.h"
#include "core/match_json.h"
#include "core/policy_auth.h"
#include "core/policy_tcp.h"

#define ROUTES_MAX 100000u
#define CIDRS_MAX  1024u

/* An array of strings, each turned into a cidr. */
static int read_cidrs(json_t *value, struct cidr **cidrs, size_t *count, struct err *err)
{
    if (!json_is_array(value))
        return err_set(err, "expected an array, found %s", json_in_type(value));
    size_t wanted = json_array_size(value);
    if (wanted > CIDRS_MAX)
        return err_set(err, "more than %u entries", CIDRS_MAX);
    *cidrs = calloc(wanted > 0 ? wanted : 1, sizeof **cidrs);
    if (*cidrs == NULL)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < wanted; i++) {
        json_t *item = json_array_get(value, i);
        if (!json_is_string(item) || cidr_parse(json_in_text(item), &(*cidrs)[i]) != 0)
            return err_set(err, "[%zu]: not an address prefix", i);
        *count = i + 1;
    }
    return 0;
}

static int read_tls_passthrough(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct route *)into)->tls_passthrough, err);
}

static int read_tls_ech(json_t *value, void *into, struct err *err)
{
    struct route *route = into;

    if (!json_is_string(value) || strcmp(json_string_value(value), "allow") != 0)
        return err_set(err, "the only value is \"allow\"");
    route->tls_ech = true;
    return 0;
}

static int read_tls(json_t *value, void *into, struct err *err)
{
    static const struct json_in_member members[] = {
        {"passthrough", read_tls_passthrough, false}, {"ech", read_tls_ech, false}, {NULL, NULL, false}};
    return json_in_object(value, members, false, into, err);
}

static int read_host(json_t *value, void *into, struct err *err)
{
    struct route *route = into;
    struct str text = json_in_text(value);

    if (!json_is_string(value))
        return err_set(err, "expected a string, found %s", json_in_type(value));
    route->wildcard = text.len > 2 && memcmp(text.ptr, "*.", 2) == 0;
    if (route->wildcard)
        text = (struct str){text.ptr + 2, text.len - 2};
    if (host_canon(text, route->host) != 0)
        return err_set(err, "not a host name");
    return 0;
}

static int read_allow_private(json_t *value, void *into, struct err *err)
{
    struct route *route = into;

    if (route->allow_private != NULL)
        return err_set(err, "given twice");
    if (read_cidrs(value, &route->allow_private, &route->allow_private_count, err) != 0)
        return -1;
    for (size_t i = 0; i < route->allow_private_count; i++)
        if (!cidr_is_private(&route->allow_private[i]))
            return err_set(err, "[%zu]: not a private range", i);
    return 0;
}

static int read_ports(json_t *value, void *into, struct err *err)
{
    struct route *route = into;
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count == 0 || count > POLICY_MAX_PORTS)
        return err_set(err, "expected an array of 1 to %d ports", POLICY_MAX_PORTS);
    for (size_t i = 0; i < count; i++) {
        json_int_t port = json_integer_value(json_array_get(value, i));
        if (port < 1 || port > 65535)
            return err_set(err, "[%zu]: not a port", i);
        if (route_has_port(route, (unsigned)port))
            return err_set(err, "[%zu]: given twice", i);
        route->ports[route->port_count++] = (uint16_t)port;
    }
    return 0;
}

static int read_cookies(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct route *)into)->cookies, err);
}

static int read_insecure(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct route *)into)->insecure, err);
}

static int read_git_fetch(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct route *)into)->git_fetch, err);
}

static int read_dlp(json_t *value, void *into, struct err *err)
{
    struct route *route = into;

    route->dlp_said = true;
    return dlp_rules_read(value, &route->dlp, err);
}

static int read_matches(json_t *value, void *into, struct err *err)
{
    return match_json_read(value, false, &((struct route *)into)->rules.matches, err);
}

static int read_deny(json_t *value, void *into, struct err *err)
{
    return match_json_read(value, true, &((struct route *)into)->rules.deny, err);
}

/* What no member can see alone. */
static int finish_route(struct route *route, struct err *err)
{
    if (route->host[0] == '\0')
        return err_set(err, "\"host\" is missing");
    if (route->tls_passthrough &&
        (route->auth.scheme != AUTH_NONE || route->cookies || route->insecure || route->git_fetch ||
         route->dlp_said || route->rules.matches.count + route->rules.deny.count > 0))
        return err_set(
            err, "tls.passthrough: nothing inside can be decided or changed, so no auth, cookies, insecure, "
                 "git_fetch, matches, deny or dlp may be beside it");
    if (route->tls_passthrough)
        route->dlp = (struct dlp_rules){.outbound = route->wildcard ? dlp_rules_default(false).outbound : 0};
    match_finish(&route->rules);
    route->host_service = !route->wildcard && strcmp(route->host, POLICY_HOST_SERVICE) == 0;
    if (route->host_service && (route->port_count + route->tcp_count == 0 || route->allow_private != NULL))
        return err_set(err, POLICY_HOST_SERVICE " needs ports, and no allow_private");
    if (route->insecure && !route_injects(route))
        return err_set(err, "insecure: without auth it has no meaning");
    if (route->port_count == 0 && !route->host_service) {
        route->ports[0] = 80;
        route->ports[1] = 443;
        route->port_count = 2;
    }
    return policy_tcp_check(route, err);
}

static int read_routes(json_t *value, void *into, struct err *err)
{
    static const struct json_in_member members[] = {{"host", read_host, false},
                                                    {"allow_private", read_allow_private, false},
                                                    {"tls", read_tls, false},
                                                    {"ports", read_ports, false},
                                                    {"tcp", policy_tcp_read, false},
                                                    {"auth", policy_auth_read, false},
                                                    {"cookies", read_cookies, false},
                                                    {"insecure", read_insecure, false},
                                                    {"git_fetch", read_git_fetch, false},
                                                    {"matches", read_matches, false},
                                                    {"deny", read_deny, false},
                                                    {"dlp", read_dlp, false},
                                                    {NULL, NULL, false}};
    struct policy *policy = into;

    if (!json_is_array(value))
        return err_set(err, "expected an array, found %s", json_in_type(value));
    size_t count = json_array_size(value);
    if (count > ROUTES_MAX)
        return err_set(err, "more than %u entries", ROUTES_MAX);
    policy->routes = calloc(count > 0 ? count : 1, sizeof *policy->routes);
    if (policy->routes == NULL)
        return err_set(err, "out of memory");
    policy->route_count = count;
    for (size_t i = 0; i < count; i++) {
        struct route *route = &policy->routes[i];
        route->dlp = dlp_rules_default(false);
        if (json_in_object(json_array_get(value, i), members, false, route, err) != 0 ||
            finish_route(route, err) != 0)
            return err_prefix(err, "[%zu]", i);
        for (size_t p = 0; p < route->port_count; p++)
            policy->ports[route->ports[p] / 8] |= (uint8_t)(1u << route->ports[p] % 8);
    }
    return 0;
}

static int read_upstreams(json_t *value, void *into, struct err *err)
{
    struct policy *policy = into;

    if (!json_is_array(value))
        return err_set(err, "expected an array, found %s", json_in_type(value));
    size_t count = json_array_size(value);
    if (count == 0 || count > POLICY_MAX_UPSTREAMS)
        return err_set(err, "expected 1 to %d addresses, found %zu", POLICY_MAX_UPSTREAMS, count);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(value, i);
        struct ip *ip = &policy->dns_upstreams[i];
        if (!json_is_string(item) || ip_parse(json_in_text(item), ip) != 0 || ip->family != 4 ||
            ip_classify(ip) == IP_FORBIDDEN)
            return err_set(err, "[%zu]: not the IPv4 address of a resolver", i);
    }
    policy->dns_upstream_count = count;
    return 0;
}

static int read_dns_denied(json_t *value, void *into, struct err *err)
{
    if (!json_is_string(value) || strcmp(json_string_value(value), "refuse") != 0)
        return err_set(err, "expected \"refuse\"");
    ((struct policy *)into)->dns_refuse = true;
    return 0;
}

static int read_dns(json_t *value, void *into, struct err *err)
{
    static const struct json_in_member members[] = {
        {"upstreams", read_upstreams, false}, {"denied", read_dns_denied, false}, {NULL, NULL, false}};
    return json_in_object(value, members, false, into, err);
}

static int read_on_canary(json_t *value, void *into, struct err *err)
{
    if (!json_is_string(value) || strcmp(json_string_value(value), "stop") != 0)
        return err_set(err, "the only value is \"stop\"");
    ((struct policy *)into)->canary_stop = true;
    return 0;
}

static int read_closed(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct policy *)into)->closed, err);
}

static int read_extra_ca(json_t *value, void *into, struct err *err)
{
    struct policy *policy = into;
    struct str text = json_in_text(value);

    if (!json_is_string(value) || text.len == 0 || text.len > POLICY_MAX_EXTRA_CA ||
        memchr(text.ptr, '\0', text.len) != NULL)
        return err_set(err, "expected certificates as PEM text of at most %u bytes", POLICY_MAX_EXTRA_CA);
    char *copy = strdup(text.ptr);
    if (copy == NULL)
        return err_set(err, "out of memory");
    policy->extra_ca = (struct str){copy, text.len};
    return 0;
}

static int read_generation(json_t *value, void *into, struct err *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        return err_set(err, "expected a positive integer");
    ((struct policy *)into)->generation = (uint64_t)json_integer_value(value);
    return 0;
}

static int read_agent_address(json_t *value, void *into, struct err *err)
{
    struct ip *ip = &((struct policy *)into)->agent_address;

    if (!json_is_string(value) || ip_parse(json_in_text(value), ip) != 0)
        return err_set(err, "not an address");
    return 0;
}

static int read_own(json_t *value, void *into, struct err *err)
{
    struct policy *policy = into;

    if (policy->own != NULL)
        return err_set(err, "given twice");
    return read_cidrs(value, &policy->own, &policy->own_count, err);
}

static int read_host_address(json_t *value, void *into, struct err *err)
{
    struct ip *ip = &((struct policy *)into)->host_address;

    if (!json_is_string(value) || ip_parse(json_in_text(value), ip) != 0 || ip->family != 4)
        return err_set(err, "not an IPv4 address");
    return 0;
}

static int read_sidecar(json_t *value, void *into, struct err *err)
{
    static const struct json_in_member members[] = {{"agent_address", read_agent_address, false},
                                                    {"own", read_own, false},
                                                    {"host", read_host_address, false},
                                                    {NULL, NULL, false}};
    return json_in_object(value, members, false, into, err);
}

static int read_protocol(json_t *value, void *into, struct err *err)
{
    (void)into;
    if (!json_is_integer(value))
        return err_set(err, "expected an integer, found %s", json_in_type(value));
    if (json_integer_value(value) != POLICY_PROTOCOL)
        return err_set(err, "version %" PRId64 " is not understood, only %d",
                       (int64_t)json_integer_value(value), POLICY_PROTOCOL);
    return 0;
}

/* FNV-1a, 64 bits. The names are the operator's own, so nobody can aim for collisions. */
static uint64_t hash(const char *text, bool wildcard)
{
    uint64_t value = wildcard ? 0x2a : 0xcbf29ce484222325u;

    for (; *text != '\0'; text++)
        value = (value ^ (unsigned char)*text) * 0x100000001b3u;
    return value ^ value >> 32;
}

/* The slot where this name is or would be. */
static size_t *slot_of(const struct policy *policy, const char *host, bool wildcard)
{
    for (size_t at = (size_t)hash(host, wildcard);; at++) {
        size_t *slot = &policy->table[at & (policy->table_size - 1)];
        if (*slot == 0)
            return slot;
        const struct route *route = &policy->routes[*slot - 1];
        if (route->wildcard == wildcard && strcmp(route->host, host) == 0)
            return slot;
    }
}

static int build_table(struct policy *policy, struct err *err)
{
    policy->table_size = 4;
    while (policy->table_size < policy->route_count * 2 + 1)
        policy->table_size *= 2;
    policy->table = calloc(policy->table_size, sizeof *policy->table);
    if (policy->table == NULL)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < policy->route_count; i++) {
        const struct route *route = &policy->routes[i];
        size_t *slot = slot_of(policy, route->host, route->wildcard);
        if (*slot != 0)
            return err_set(err, "routes[%zu]: host \"%s%s\" is already routes[%zu]", i,
                           route->wildcard ? "*." : "", route->host, *slot - 1);
        *slot = i + 1;
    }
    return 0;
}

int policy_parse(struct str json, bool internal, struct policy **policy, struct err *err)
{
    static const struct json_in_member members[] = {{"protocol", read_protocol, false},
                                                    {"dns", read_dns, false},
                                                    {"routes", read_routes, false},
                                                    {"hold", approvals_read_hold, false},
                                                    {"ignore", approvals_read_ignore, false},
                                                    {"approvals", approvals_read_list, true},
                                                    {"base", approvals_read_base, true},
                                                    {"value_key", approvals_read_key, true},
                                                    {"generation", read_generation, true},
                                                    {"sidecar", read_sidecar, true},
                                                    {"extra_ca", read_extra_ca, false},
                                                    {"gate", gate_read, false},
                                                    {"on_canary", read_on_canary, false},
                                                    {"closed", read_closed, true},
                                                    {NULL, NULL, false}};
    json_error_t where;

    if (json.len > POLICY_MAX_BYTES)
        return err_set(err, "policy: larger than %u bytes", POLICY_MAX_BYTES);
    json_t *root = json_loadb(json.ptr != NULL ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return err_set(err, "policy:%d:%d: %s", where.line, where.column, where.text);
    struct policy *made = calloc(1, sizeof *made);
    if (made == NULL) {
        json_decref(root);
        return err_set(err, "policy: out of memory");
    }
    made->references = 1;
    int status = json_in_object(root, members, internal, made, err);
    if (status == 0 && json_object_get(root, "protocol") == NULL)
        status = err_set(err, "\"protocol\" is missing");
    if (status == 0 && json_object_get(root, "routes") == NULL)
        status = err_set(err, "\"routes\" is missing");
    json_decref(root);
    if (status == 0 && made->approvals.count > 0)
        status = approvals_add_routes(made, err);
    if (status == 0)
        status = build_table(made, err);
    if (status == 0)
        status = policy_tcp_assign(made, err);
    if (status != 0) {
        policy_unref(made);
        return err_prefix(err, "policy");
    }
    *policy = made;
    return 0;
}

struct policy *policy_ref(struct policy *policy)
{
    policy->references++;
    return policy;
}

static void route_fini(struct route *route)
{
    match_fini(&route->rules);
    free(route->allow_private);
    policy_auth_fini(&route->auth);
}

void policy_unref(struct policy *policy)
{
    if (policy == NULL || --policy->references > 0)
        return;
    for (size_t i = 0; i < policy->route_count; i++)
        route_fini(&policy->routes[i]);
    if (policy->attached != NULL)
        policy->detach(policy->attached);
    if (policy->engine != NULL)
        policy->engine_free(policy->engine);
    approvals_fini(&policy->approvals);
    gate_free(policy->gate);
    secrets_free(policy->secrets);
    free((char *)policy->extra_ca.ptr);
    free(policy->routes);
    free(policy->own);
    free(policy->table);
    free(policy->tcp_routes);
    free(policy);
}

const struct route *policy_find(const struct policy *policy, const char *host)
{
    size_t slot = *slot_of(policy, host, false);

    for (const char *dot = strchr(host, '.'); slot == 0 && dot != NULL; dot = strchr(dot + 1, '.'))
        slot = strcmp(host, POLICY_HOST_SERVICE) != 0 ? *slot_of(policy, dot + 1, true) : 0;
    return slot != 0 ? &policy->routes[slot - 1] : NULL;
}

bool route_has_port(const struct route *route, unsigned port)
{
    for (size_t i = 0; i < route->port_count; i++)
        if (route->ports[i] == port)
            return true;
    return false;
}

bool policy_has_port(const struct policy *policy, unsigned port)
{
    return port <= 65535 && (policy->ports[port / 8] & 1u << port % 8) != 0;
}

bool route_injects(const struct route *route)
{
    return route->auth.secret_name != NULL;
}

struct str policy_sensitive(enum auth_scheme scheme, struct str value)
{
    const char *colon = scheme == AUTH_BASIC ? memchr(value.ptr, ':', value.len) : NULL;

    return colon == NULL ? value : (struct str){colon + 1, value.len - (size_t)(colon + 1 - value.ptr)};
}

int policy_check_secrets(const struct policy *policy, struct secrets *secrets, struct err *err)
{
    for (size_t i = 0; i < policy->route_count; i++) {
        const struct route_auth *auth = &policy->routes[i].auth;
        if (auth->secret_name == NULL)
            continue;
        const struct secret_entry *entry = secrets_find(secrets, auth->secret_name);
        if (entry == NULL)
            return err_set(err, "policy: routes[%zu]: auth: the secret %s is missing", i, auth->secret_name);
        if (policy_sensitive(auth->scheme, secret_expose(entry->value)).len < SECRET_MIN)
            return err_set(err,
                           "policy: routes[%zu]: auth: the password in the secret %s is shorter than 8 bytes",
                           i, auth->secret_name);
    }
    return 0;
}

int policy_take_secrets(struct policy *policy, struct secrets *secrets, struct err *err)
{
    policy->secrets = secrets;
    for (size_t i = 0; i < policy->route_count; i++) {
        struct route_auth *auth = &policy->routes[i].auth;
        if (auth->secret_name != NULL)
            auth->secret = secrets_find(secrets, auth->secret_name);
    }
    return policy_check_secrets(policy, secrets, err);
}

void route_name(const struct route *route, char out[HOST_MAX + 3])
{
    size_t front = route->wildcard ? 2 : 0;

    memcpy(out, "*.", front);
    strcpy(out + front, route->host); /* canonical, so it fits */
}

static bool is_host_address(const struct policy *policy, const struct ip *ip)
{
    return policy->host_address.family == 4 && ip->family == 4 &&
           memcmp(policy->host_address.bytes, ip->bytes, 4) == 0;
}

static bool is_own(const struct policy *policy, const struct ip *ip)
{
    for (size_t i = 0; i < policy->own_count; i++)
        if (cidr_contains(&policy->own[i], ip))
            return true;
    return false;
}

bool policy_may_dial(const struct policy *policy, const struct route *route, const struct ip *ip)
{
    enum ip_class class = ip_classify(ip);
    bool host = is_host_address(policy, ip);

    if (host || route->host_service)
        return host && route->host_service;
    if (class == IP_FORBIDDEN || is_own(policy, ip))
        return false;
    if (class == IP_PUBLIC)
        return true;
    for (size_t i = 0; i < route->allow_private_count; i++)
        if (cidr_contains(&route->allow_private[i], ip))
            return true;
    return false;
}

bool policy_may_push(const struct policy *policy, const struct gate_repo *repo, const struct ip *ip)
{
    bool host = is_host_address(policy, ip), service = strcmp(repo->from.host, POLICY_HOST_SERVICE) == 0;

    if (host || service)
        return host && service;
    return ip_classify(ip) != IP_FORBIDDEN && !is_own(policy, ip);
}
