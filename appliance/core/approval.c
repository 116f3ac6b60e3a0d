/* SPDX-License-Identifier: GPL-3.0-or-later */
/* approval: see approval.h. */
#include "core/approval.h"

#include <stdlib.h>
#include <string.h>

#include "core/json_in.h"
#include "core/policy.h"
#include "core/request.h"
#include "core/url.h"

static int read_denied(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct approvals *)into)->hold_denied, err);
}

static int read_seconds(json_t *value, void *into, struct err *err)
{
    json_int_t seconds = json_integer_value(value);

    if (seconds < 1 || seconds > HOLD_SECONDS_MAX)
        return err_set(err, "expected an integer from 1 to %d", HOLD_SECONDS_MAX);
    ((struct approvals *)into)->hold_seconds = (unsigned)seconds;
    return 0;
}

int approvals_read_hold(json_t *value, void *policy, struct err *err)
{
    static const struct json_in_member members[] = {
        {"denied", read_denied, false}, {"seconds", read_seconds, false}, {NULL, NULL, false}};

    ((struct policy *)policy)->approvals.asks = true;
    return json_in_object(value, members, false, &((struct policy *)policy)->approvals, err);
}

/* A list of at most max, for which *items gets room. Returns its length, or -1 with err. */
static long list_begin(const json_t *value, size_t max, void **items, size_t size, struct err *err)
{
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count > max)
        return err_set(err, "expected an array of at most %zu", max);
    if (*items != NULL)
        return err_set(err, "given twice");
    *items = calloc(count + 1, size);
    return *items != NULL ? (long)count : err_set(err, "out of memory");
}

int approvals_read_ignore(json_t *value, void *policy, struct err *err)
{
    struct approvals *approvals = &((struct policy *)policy)->approvals;
    long count = list_begin(value, IGNORE_MAX, (void **)&approvals->ignored, sizeof *approvals->ignored, err);

    for (long i = 0; i < count; i++) {
        struct ignored *ignored = &approvals->ignored[i];
        struct str text = json_in_text(json_array_get(value, (size_t)i));
        ignored->wildcard = text.len > 2 && memcmp(text.ptr, "*.", 2) == 0;
        if (ignored->wildcard)
            text = (struct str){text.ptr + 2, text.len - 2};
        if (host_canon(text, ignored->host) != 0)
            return err_set(err, "[%ld]: not a host name", i);
        approvals->ignored_count++;
    }
    return count < 0 ? -1 : 0;
}

static int read_id(json_t *value, void *into, struct err *err)
{
    if (json_integer_value(value) < 1)
        return err_set(err, "expected a positive integer");
    ((struct approval *)into)->id = (uint64_t)json_integer_value(value);
    return 0;
}

static int read_approved_host(json_t *value, void *into, struct err *err)
{
    return host_canon(json_in_text(value), ((struct approval *)into)->host) == 0
               ? 0
               : err_set(err, "not a host name");
}

static int read_port(json_t *value, void *into, struct err *err)
{
    json_int_t port = json_integer_value(value);

    if (port < 1 || port > 65535)
        return err_set(err, "not a port");
    ((struct approval *)into)->port = (uint16_t)port;
    return 0;
}

static int read_method(json_t *value, void *into, struct err *err)
{
    struct str text = json_in_text(value);

    if (text.len == 0 || text.len > HOLD_METHOD_MAX || strlen(text.ptr) != text.len)
        return err_set(err, "not a method");
    memcpy(((struct approval *)into)->method, text.ptr, text.len + 1);
    return 0;
}

static int read_path(json_t *value, void *into, struct err *err)
{
    struct str text = json_in_text(value);

    return text.len <= HOLD_PATH_MAX && url_path(text, ((struct approval *)into)->path) == URL_OK
               ? 0
               : err_set(err, "not a path with one reading");
}

static int read_value(json_t *value, void *into, struct err *err)
{
    struct str text = json_in_text(value);

    if (text.len != HOLD_VALUE || !hold_is_value(text.ptr))
        return err_set(err, "not a value's hash");
    memcpy(((struct approval *)into)->value, text.ptr, text.len + 1);
    return 0;
}

static int read_surface(json_t *value, void *into, struct err *err)
{
    struct approval *approval = into;
    struct str text = json_in_text(value);

    if (text.len == 0 || text.len >= sizeof approval->surface || strlen(text.ptr) != text.len)
        return err_set(err, "not a surface");
    memcpy(approval->surface, text.ptr, text.len + 1);
    return 0;
}

static int read_secure(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct approval *)into)->tls, err);
}

static int read_once(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct approval *)into)->once, err);
}

int approvals_read_base(json_t *value, void *policy, struct err *err)
{
    if (json_integer_value(value) < 1)
        return err_set(err, "expected a positive integer");
    ((struct policy *)policy)->approvals.base = (uint64_t)json_integer_value(value);
    return 0;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int approvals_read_key(json_t *value, void *policy, struct err *err)
{
    struct approvals *approvals = &((struct policy *)policy)->approvals;
    struct str text = json_in_text(value);

    for (size_t i = 0; text.len == 2 * APPROVAL_KEY && i < APPROVAL_KEY; i++) {
        int high = digit_of(text.ptr[2 * i]), low = digit_of(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return err_set(err, "not a key");
        approvals->key[i] = (uint8_t)(high << 4 | low);
    }
    approvals->has_key = text.len == 2 * APPROVAL_KEY;
    return approvals->has_key ? 0 : err_set(err, "not a key");
}

/* What one needs, which of a host and of a value is not the same. */
static const char *incomplete(const struct approval *approval)
{
    if (approval->host[0] == '\0')
        return "\"host\" is missing";
    if ((approval->value[0] != '\0') != (approval->surface[0] != '\0') ||
        (approval->value[0] != '\0' && (approval->id == 0 || approval->port == 0)))
        return "\"value\", \"surface\", \"id\" and \"port\" belong together";
    if (approval->value[0] == '\0' && approval->id != 0 &&
        (approval->port == 0 || approval->method[0] == '\0' || approval->path[0] == '\0'))
        return "\"port\", \"method\" or \"path\" is missing";
    return NULL;
}

int approvals_read_list(json_t *value, void *policy, struct err *err)
{
    struct approvals *approvals = &((struct policy *)policy)->approvals;
    static const struct json_in_member members[] = {
        {"id", read_id, false},       {"host", read_approved_host, false}, {"port", read_port, false},
        {"tls", read_secure, false},  {"method", read_method, false},      {"path", read_path, false},
        {"value", read_value, false}, {"surface", read_surface, false},    {"once", read_once, false},
        {NULL, NULL, false}};
    long count = list_begin(value, APPROVALS_MAX, (void **)&approvals->list, sizeof *approvals->list, err);

    for (long i = 0; i < count; i++) {
        struct approval *approval = &approvals->list[i];
        if (json_in_object(json_array_get(value, (size_t)i), members, false, approval, err) != 0)
            return err_prefix(err, "[%ld]", i);
        const char *problem = incomplete(approval);
        if (problem != NULL)
            return err_set(err, "[%ld]: %s", i, problem);
        approvals->count++;
    }
    return count < 0 ? -1 : 0;
}

int approvals_add_routes(struct policy *policy, struct err *err)
{
    const struct approvals *approvals = &policy->approvals;
    size_t own = policy->route_count;
    struct route *routes = realloc(policy->routes, (own + approvals->count + 1) * sizeof *routes);

    if (routes == NULL)
        return err_set(err, "out of memory");
    policy->routes = routes;
    for (size_t i = 0; i < approvals->count; i++) {
        const struct approval *approval = &approvals->list[i];
        size_t at = own;
        if (approval->value[0] != '\0') /* its host has a route */
            continue;
        while (at < policy->route_count && strcmp(routes[at].host, approval->host) != 0)
            at++;
        struct route *route = &routes[at];
        if (at == policy->route_count) {
            *route = (struct route){.approved = true,
                                    .rules = {.by_path = true, .by_method = true},
                                    .dlp = dlp_rules_default(false)};
            strcpy(route->host, approval->host);
            policy->route_count++;
        }
        if (approval->port == 0 || route_has_port(route, approval->port))
            continue;
        if (route->port_count == POLICY_MAX_PORTS)
            return err_set(err, "approvals: more than %d ports of %s", POLICY_MAX_PORTS, route->host);
        route->ports[route->port_count++] = approval->port;
        policy->ports[approval->port / 8] |= (uint8_t)(1u << approval->port % 8);
    }
    return 0;
}

void approvals_fini(struct approvals *approvals)
{
    free(approvals->ignored);
    free(approvals->list);
}

bool approvals_ignore(const struct approvals *approvals, const char *host)
{
    size_t len = strlen(host);

    for (size_t i = 0; i < approvals->ignored_count; i++) {
        const struct ignored *ignored = &approvals->ignored[i];
        size_t below = strlen(ignored->host);
        if (!ignored->wildcard && strcmp(host, ignored->host) == 0)
            return true;
        if (ignored->wildcard && len > below + 1 && host[len - below - 1] == '.' &&
            strcmp(host + len - below, ignored->host) == 0)
            return true;
    }
    return false;
}

const struct approval *approvals_find(const struct approvals *approvals, unsigned port, bool tls,
                                      struct str method, const struct request *request)
{
    char path[HOLD_PATH_MAX + 1];

    if (request->path.len > HOLD_PATH_MAX || url_path(request->path, path) != URL_OK)
        return NULL;
    for (size_t i = 0; i < approvals->count; i++) {
        const struct approval *approval = &approvals->list[i];
        if (approval->id != 0 && approval->value[0] == '\0' && approval->port == port &&
            approval->tls == tls && (!approval->once || approval->id == request->approved) &&
            strcmp(approval->host, request->host) == 0 && str_equal(str_of(approval->method), method) &&
            strcmp(approval->path, path) == 0)
            return approval;
    }
    return NULL;
}

const struct approval *approvals_find_value(const struct approvals *approvals, const char *host,
                                            unsigned port, bool tls, const char *surface, const char *value,
                                            uint64_t approved)
{
    for (size_t i = 0; i < approvals->count; i++) {
        const struct approval *approval = &approvals->list[i];
        if (approval->value[0] != '\0' && approval->port == port && approval->tls == tls &&
            (!approval->once || approval->id == approved) && strcmp(approval->host, host) == 0 &&
            strcmp(approval->surface, surface) == 0 && strcmp(approval->value, value) == 0)
            return approval;
    }
    return NULL;
}
