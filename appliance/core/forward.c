/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward: see forward.h. What a field list must never let through stands in tables. */
#include "core/forward.h"

/* Written by us, or meant for this connection only. Proxy-Authorization is for proxies: it would hand a
 * credential to an origin. */
static const struct str NEVER_UP[] = {
    STR("host"),
    STR("content-length"),
    STR("transfer-encoding"),
    STR("connection"),
    STR("keep-alive"),
    STR("proxy-connection"),
    STR("te"),
    STR("trailer"),
    STR("upgrade"),
    STR("proxy-authorization"),
    STR("expect"),
    STR("http2-settings"),
};

/* Proxy-Authorization is not here: it never leaves (NEVER_UP). */
static const struct str CARRIERS[] = {STR("authorization"), STR("x-api-key"), STR("api-key"),
                                      STR("x-goog-api-key"), STR("private-token")};
static const struct str COOKIES[] = {STR("cookie"), STR("cookie2")};
/* Parts of a value could not be recognised, and coded bodies not be read. */
static const struct str INJECTED[] = {STR("range"), STR("if-range"), STR("accept-encoding")};

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c == '_' ? '-' : c;
}

static bool same_field(struct str name, struct str other)
{
    if (name.len != other.len)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (fold(name.ptr[i]) != fold(other.ptr[i]))
            return false;
    return true;
}

static bool listed(struct str name, const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_field(name, names[i]))
            return true;
    return false;
}

enum denial forward_judge(const struct route *route, bool secure)
{
    return route_injects(route) && !secure && !route->insecure ? DENIAL_AUTH_NEEDS_TLS : DENIAL_NONE;
}

bool forward_strips(const struct route *route, struct str name)
{
    if (listed(name, COOKIES, sizeof COOKIES / sizeof COOKIES[0]))
        return !route->cookies;
    if (route->auth.scheme == AUTH_PASSTHROUGH)
        return false;
    if (listed(name, CARRIERS, sizeof CARRIERS / sizeof CARRIERS[0]))
        return true;
    for (size_t i = 0; i < route->auth.in_count; i++) /* who has a place there has it instead of the agent */
        if (!route->auth.in[i].query && same_field(name, str_of(route->auth.in[i].name)))
            return true;
    return route_injects(route) && (same_field(name, str_of(route->auth.header)) ||
                                    listed(name, INJECTED, sizeof INJECTED / sizeof INJECTED[0]));
}

bool forward_carries(struct str name)
{
    return listed(name, CARRIERS, sizeof CARRIERS / sizeof CARRIERS[0]);
}

bool forward_may(const struct route *route, struct str name)
{
    for (size_t i = 0; i < sizeof NEVER_UP / sizeof NEVER_UP[0]; i++)
        if (str_equal_nocase(name, NEVER_UP[i]))
            return false;
    return !forward_strips(route, name);
}

bool forward_field(const struct h1_head *head, const struct route *route, const struct h1_field *field)
{
    return forward_may(route, field->name) &&
           (head->connections == 0 || !h1_head_lists(head, "connection", field->name));
}
