/* SPDX-License-Identifier: GPL-3.0-or-later */
/* request: the target in its four forms (RFC 9112 section 3.2), Host, Expect and Upgrade. A head that names
 * two hosts is refused, not resolved by a rule of precedence. */
#include "core/request.h"

#include <string.h>

enum denial request_denial(enum h1_error error)
{
    static const enum denial denials[] = {
        [H1_OK] = DENIAL_NONE,
        [H1_BAD_SYNTAX] = DENIAL_HTTP_MALFORMED,
        [H1_BAD_VERSION] = DENIAL_HTTP_VERSION,
        [H1_BAD_METHOD] = DENIAL_HTTP_METHOD,
        [H1_TOO_LARGE] = DENIAL_HTTP_HEAD_TOO_LARGE,
    };
    return denials[error];
}

static bool method_is(const struct h1_head *head, const char *method)
{
    return str_equal(head->method, str_of(method));
}

static bool starts_nocase(struct str s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && str_equal_nocase((struct str){s.ptr, len}, str_of(prefix));
}

/* Cuts "http://authority", over TLS "https://authority", off an absolute-form target. Returns 0; -1 when it
 * is neither that nor origin-form nor "*". */
static int split_target(const struct h1_head *head, bool tls, struct str *authority, struct str *rest)
{
    struct str target = head->target;

    *authority = (struct str){0};
    *rest = target;
    if (target.ptr[0] == '/')
        return 0;
    if (target.len == 1 && target.ptr[0] == '*')
        return method_is(head, "OPTIONS") ? 0 : -1;
    const char *scheme = tls ? "https://" : "http://";
    if (!starts_nocase(target, scheme))
        return -1;
    *rest = (struct str){target.ptr + strlen(scheme), target.len - strlen(scheme)};
    while (authority->len < rest->len && rest->ptr[authority->len] != '/' && rest->ptr[authority->len] != '?')
        authority->len++;
    authority->ptr = rest->ptr;
    *rest = (struct str){rest->ptr + authority->len, rest->len - authority->len};
    return authority->len > 0 ? 0 : -1;
}

static void split_query(const struct h1_head *head, struct str rest, struct request *request)
{
    const char *mark = rest.len > 0 ? memchr(rest.ptr, '?', rest.len) : NULL;
    size_t path = mark != NULL ? (size_t)(mark - rest.ptr) : rest.len;

    request->path = (struct str){rest.ptr, path};
    request->query = (struct str){rest.ptr + path, rest.len - path};
    if (path == 0)
        request->path = str_of(rest.len == 0 && method_is(head, "OPTIONS") ? "*" : "/");
}

static enum denial read_host(const struct h1_head *head, bool tls, struct str authority,
                             struct request *request)
{
    size_t hosts;
    const struct h1_field *host = h1_head_find(head, "host", &hosts);
    struct str name;

    if (hosts != 1 || host_split_port(host->value, &name, &request->host_port) != 0)
        return DENIAL_HTTP_MALFORMED;
    request->host_sent = name;
    if (authority.len > 0) {
        unsigned port, standard = tls ? 443 : 80;
        struct str other;
        if (host_split_port(authority, &other, &port) != 0 || !str_equal_nocase(other, name) ||
            (port != 0 ? port : standard) != (request->host_port != 0 ? request->host_port : standard))
            return DENIAL_HTTP_MALFORMED;
    }
    if (host_is_address(name))
        return DENIAL_ADDRESS_LITERAL;
    return host_canon(name, request->host) == 0 ? DENIAL_NONE : DENIAL_HTTP_MALFORMED;
}

/* An offer of HTTP/2 in clear is one that a server may leave unanswered (RFC 9110 section 7.8): common
 * clients make it on every first request. Other protocols (websocket) cannot do without an answer. */
static enum denial read_upgrade(const struct h1_head *head)
{
    size_t count;
    const struct h1_field *upgrade = h1_head_find(head, "upgrade", &count);

    return count == 0 || (count == 1 && str_equal_nocase(upgrade->value, str_of("h2c"))) ? DENIAL_NONE
                                                                                         : DENIAL_UPGRADE;
}

static enum denial read_expect(const struct h1_head *head, struct request *request)
{
    size_t count;
    const struct h1_field *expect = h1_head_find(head, "expect", &count);

    if (count == 0 || head->minor == 0) /* RFC 9110 section 10.1.1: to be ignored in 1.0 */
        return DENIAL_NONE;
    if (count > 1 || !str_equal_nocase(expect->value, str_of("100-continue")))
        return DENIAL_HTTP_EXPECTATION;
    request->expect_continue = head->framing != H1_NO_BODY;
    return DENIAL_NONE;
}

enum denial request_read(const struct h1_head *head, bool tls, struct request *request)
{
    struct str authority, rest;

    *request = (struct request){.host_port = 0};
    request->to_head = method_is(head, "HEAD");
    request->repeatable = (request->to_head || method_is(head, "GET") || method_is(head, "OPTIONS")) &&
                          head->framing == H1_NO_BODY;
    if (head->target.len == 0 || split_target(head, tls, &authority, &rest) != 0)
        return DENIAL_HTTP_MALFORMED;
    split_query(head, rest, request);
    enum denial denial = read_host(head, tls, authority, request);
    if (denial == DENIAL_NONE)
        denial = read_upgrade(head);
    if (denial == DENIAL_NONE)
        denial = read_expect(head, request);
    return denial;
}
