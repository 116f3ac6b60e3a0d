/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compile: see compile.h. Last stage of a manifest on the host. What it writes is read back with the
 * sidecar's own parser, so that a disagreement shows here and not as a half-started bottle. */
#include "hostctl/compile.h"
#include "core/match_json.h"
#include "core/secret.h"
#include "hostctl/compile_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static json_t *addresses(const struct ip *ips, size_t count)
{
    json_t *array = json_array();
    char text[IP_TEXT];

    for (size_t i = 0; i < count; i++) {
        ip_format(&ips[i], text);
        json_array_append_new(array, json_string(text));
    }
    return array;
}

static json_t *prefixes(const struct manifest_route *route)
{
    json_t *array = json_array();
    char address[IP_TEXT], text[IP_TEXT + 4];

    for (size_t i = 0; i < route->allow_private_count; i++) {
        ip_format(&route->allow_private[i].ip, address);
        snprintf(text, sizeof text, "%s/%u", address, route->allow_private[i].length);
        json_array_append_new(array, json_string(text));
    }
    return array;
}

static json_t *compile_auth(const struct manifest_route *route)
{
    if (route->auth.scheme == AUTH_PASSTHROUGH)
        return json_string("passthrough");
    json_t *auth = json_pack("{s:s, s:s}", "scheme", policy_scheme_name(route->auth.scheme), "secret",
                             route->auth.token_ref);
    if (route->auth.header != NULL)
        json_object_set_new(auth, "header", json_string(route->auth.header));
    if (route->auth.placeholder != NULL)
        json_object_set_new(auth, "placeholder", json_string(route->auth.placeholder));
    json_t *in = route->auth.in_count > 0 ? json_array() : NULL;
    for (size_t i = 0; i < route->auth.in_count; i++)
        json_array_append_new(in, json_string(route->auth.in[i]));
    if (in != NULL)
        json_object_set_new(auth, "in", in);
    return auth;
}

static json_t *compile_ports(const uint16_t *ports, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_integer(ports[i]));
    return array;
}

static json_t *compile_dlp(const struct manifest *manifest, const struct manifest_route *route)
{
    struct dlp_rules rules = manifest_dlp(manifest, route);

    return route->tls_passthrough ? NULL : dlp_rules_write(&rules);
}

static json_t *compile_route(const struct manifest *manifest, const struct manifest_route *route)
{
    json_t *object = json_pack("{s:s}", "host", route->host);
    json_t *tls = json_object(), *dlp = compile_dlp(manifest, route);

    if (route->allow_private_count > 0)
        json_object_set_new(object, "allow_private", prefixes(route));
    if (route->tls_passthrough)
        json_object_set_new(tls, "passthrough", json_true());
    if (route->tls_ech)
        json_object_set_new(tls, "ech", json_string("allow"));
    if (json_object_size(tls) > 0)
        json_object_set(object, "tls", tls);
    json_decref(tls);
    if (route->port_count > 0)
        json_object_set_new(object, "ports", compile_ports(route->ports, route->port_count));
    if (route->tcp_count > 0)
        json_object_set_new(object, "tcp", compile_ports(route->tcp, route->tcp_count));
    if (route->auth.scheme != AUTH_NONE)
        json_object_set_new(object, "auth", compile_auth(route));
    if (route->cookies)
        json_object_set_new(object, "cookies", json_true());
    if (route->insecure)
        json_object_set_new(object, "insecure", json_true());
    if (route->git_fetch)
        json_object_set_new(object, "git_fetch", json_true());
    if (route->rules.matches.count > 0)
        json_object_set_new(object, "matches", match_json_write(&route->rules.matches));
    if (route->rules.deny.count > 0)
        json_object_set_new(object, "deny", match_json_write(&route->rules.deny));
    if (dlp != NULL)
        json_object_set_new(object, "dlp", dlp);
    return object;
}

/* What waits for the operator, and what never does. */
static void compile_hold(const struct manifest *manifest, json_t *root)
{
    bool denied = manifest_holds(manifest);
    json_t *hold = json_pack("{s:b}", "denied", denied), *ignore = json_array();

    if (manifest->hold_seconds > 0)
        json_object_set_new(hold, "seconds", json_integer(manifest->hold_seconds));
    json_object_set_new(root, "hold", hold);
    for (size_t i = 0; denied && i < manifest->ignore_count; i++)
        json_array_append_new(ignore, json_string(manifest->ignore[i].text));
    if (json_array_size(ignore) > 0)
        json_object_set(root, "ignore", ignore);
    json_decref(ignore);
}

/* Whether anything at all may wait. Somebody who supervises the bottle is asked about pushes in any case: about paths
 * that are protected, and comments that ask a scanner to look away. */
static bool anything_waits(const struct manifest *manifest, bool gate)
{
    return manifest_holds(manifest) || manifest_asks(manifest) ||
           (gate && manifest->repo_count > 0 && (manifest->supervise || manifest_gate_asks(manifest)));
}

static bool same_hold(const struct approvals *approvals, const struct manifest *wanted, bool gate)
{
    bool denied = manifest_holds(wanted), asks = anything_waits(wanted, gate);

    return approvals->asks == asks && approvals->hold_denied == denied &&
           approvals->hold_seconds == (asks ? wanted->hold_seconds : 0) &&
           approvals->ignored_count == (denied ? wanted->ignore_count : 0);
}

static bool same_list(const struct match_list *list, const struct match_list *wanted)
{
    json_t *a = match_json_write(list), *b = match_json_write(wanted);
    bool same = list->count == wanted->count && json_equal(a, b);

    json_decref(a);
    json_decref(b);
    return same;
}

static bool same_auth(const struct route *route, const struct manifest_route *wanted)
{
    const char *placeholder = wanted->auth.placeholder;

    return route->auth.scheme == wanted->auth.scheme &&
           route_injects(route) == (wanted->auth.token_ref != NULL) &&
           (route->auth.placeholder == NULL) == (placeholder == NULL) &&
           (placeholder == NULL || strcmp(route->auth.placeholder, placeholder) == 0) &&
           route->auth.in_count == wanted->auth.in_count;
}

static bool same_route(const struct route *route, const struct manifest *manifest,
                       const struct manifest_route *wanted)
{
    char name[HOST_MAX + 3];
    struct dlp_rules dlp = manifest_dlp(manifest, wanted);

    route_name(route, name);
    bool same = (wanted->tls_passthrough || dlp_rules_same(&route->dlp, &dlp)) &&
                strcmp(name, wanted->host) == 0 && route->tls_passthrough == wanted->tls_passthrough &&
                route->tls_ech == wanted->tls_ech &&
                route->allow_private_count == wanted->allow_private_count && same_auth(route, wanted) &&
                route->cookies == wanted->cookies && route->insecure == wanted->insecure &&
                route->git_fetch == wanted->git_fetch &&
                (wanted->port_count == 0 || route->port_count == wanted->port_count) &&
                route->tcp_count == wanted->tcp_count &&
                memcmp(route->tcp, wanted->tcp, wanted->tcp_count * sizeof wanted->tcp[0]) == 0 &&
                same_list(&route->rules.matches, &wanted->rules.matches) &&
                same_list(&route->rules.deny, &wanted->rules.deny);
    for (size_t i = 0; i < wanted->port_count; i++)
        same = same && route->ports[i] == wanted->ports[i];
    return same;
}

/* Whether the text says what the manifest says; a write that failed half-way for want of memory is seen here.
 */
static int check(const char *text, const struct manifest *manifest, size_t upstream_count, bool gate,
                 struct err *err)
{
    struct policy *policy;

    if (policy_parse(str_of(text), false, &policy, err) != 0)
        return -1;
    bool same = policy->route_count == manifest->route_count &&
                policy->dns_upstream_count == upstream_count && policy->dns_refuse == manifest->dns_refuse &&
                policy->canary_stop == (manifest->on_canary == CANARY_STOP) &&
                same_hold(&policy->approvals, manifest, gate) &&
                (gate ? compile_gate_same(policy->gate, manifest) : policy->gate == NULL);
    for (size_t i = 0; same && i < policy->route_count; i++)
        same = same_route(&policy->routes[i], manifest, &manifest->routes[i]);
    policy_unref(policy);
    return same ? 0 : err_set(err, "the policy does not say what the manifest says");
}

char *compile_policy(const struct manifest *manifest, const struct ip *upstreams, size_t upstream_count,
                     const char *extra_ca, bool gate, struct err *err)
{
    const struct ip *dns = manifest->dns_count > 0 ? manifest->dns : upstreams;
    size_t dns_count = manifest->dns_count > 0 ? manifest->dns_count : upstream_count;
    json_t *routes = json_array(), *root = json_pack("{s:i}", "protocol", POLICY_PROTOCOL);

    if (dns_count > 0)
        json_object_set_new(root, "dns", json_pack("{s:o}", "upstreams", addresses(dns, dns_count)));
    if (manifest->dns_refuse) {
        if (dns_count == 0)
            json_object_set_new(root, "dns", json_object());
        json_object_set_new(json_object_get(root, "dns"), "denied", json_string("refuse"));
    }
    for (size_t i = 0; i < manifest->route_count; i++)
        json_array_append_new(routes, compile_route(manifest, &manifest->routes[i]));
    json_object_set_new(root, "routes", routes);
    if (gate && manifest->repo_count > 0)
        json_object_set_new(root, "gate", compile_gate(manifest));
    if (anything_waits(manifest, gate))
        compile_hold(manifest, root);
    if (manifest->on_canary == CANARY_STOP)
        json_object_set_new(root, "on_canary", json_string("stop"));
    if (extra_ca != NULL)
        json_object_set_new(root, "extra_ca", json_string(extra_ca));
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    int status = text != NULL ? check(text, manifest, dns_count, gate, err) : err_set(err, "out of memory");
    if (status == 0)
        return text;
    secret_json_free(text);
    err_prefix(err, "compile");
    return NULL;
}
