/* SPDX-License-Identifier: GPL-3.0-or-later */
/* explain: see explain.h. The words become the bytes of a head, which core/h1_head.c reads: nothing is judged from the
 * words themselves. */
#include "hostctl/explain.h"

#include <stdio.h>
#include <string.h>

#include "core/decide.h"

#define BYTES_MAX (2 * HEAD_MAX) /* so that a head that is too large is seen as one */

struct url {
    bool tls, raw;
    struct str authority, target;
};

static bool starts(const char *text, const char *prefix)
{
    return str_equal_nocase((struct str){text, strnlen(text, strlen(prefix))}, str_of(prefix));
}

static int split_url(const char *text, struct url *url, struct err *err)
{
    url->tls = starts(text, "https://");
    url->raw = starts(text, "tcp://");
    if (!url->tls && !url->raw && !starts(text, "http://"))
        return err_set(err, "the URL must begin with https://, http:// or tcp://");
    const char *authority = strstr(text, "://") + 3;
    size_t len = strcspn(authority, "/?#");
    url->authority = (struct str){authority, len};
    url->target = str_of(authority + len);
    if (len == 0)
        return err_set(err, "the URL names no host");
    if (memchr(authority, '@', len) != NULL)
        return err_set(err, "a user in the URL is no part of a request: name the field with -H");
    if (strchr(text, '#') != NULL)
        return err_set(err, "the part behind \"#\" is never sent");
    for (size_t i = 0; i < len; i++)
        if (authority[i] <= ' ' || authority[i] >= 0x7f)
            return err_set(err, "the URL's host must be ASCII (an A-label, \"xn--…\")");
    return 0;
}

/* What a client writes itself, or what belongs to a body that is not here. */
static int check_header(const char *header, struct err *err)
{
    static const char *const names[] = {"host", "content-length", "transfer-encoding"};
    size_t len = strcspn(header, ":");

    if (header[len] == '\0')
        return err_set(err, "-H \"%.64s\": must be \"Name: value\"", header);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_equal_nocase((struct str){header, len}, str_of(names[i])))
            return err_set(err, "-H: %s is not judged: the host is the URL's, and there is no body",
                           names[i]);
    return 0;
}

static int write_head(const char *method, const struct url *url, unsigned port, const char *const *headers,
                      size_t count, struct buf *out)
{
    unsigned own = url->tls ? PORT_HTTPS : PORT_HTTP;
    const char *slash = url->target.len > 0 && url->target.ptr[0] == '/' ? "" : "/";
    struct str host;
    unsigned said;
    int status = buf_printf(out, "%s %s", method, slash);

    if (status == 0)
        status = buf_append(out, url->target.ptr, url->target.len);
    if (host_split_port(url->authority, &host, &said) != 0)
        host = url->authority;
    if (status == 0)
        status = buf_printf(out, " HTTP/1.1\r\nHost: ");
    if (status == 0)
        status = buf_append(out, host.ptr, host.len);
    if (status == 0 && port != own)
        status = buf_printf(out, ":%u", port);
    for (size_t i = 0; status == 0 && i < count; i++)
        status = buf_printf(out, "\r\n%s", headers[i]);
    return status == 0 ? buf_printf(out, "\r\n\r\n") : status;
}

/* Raw TCP, by the name alone. */
static enum denial judge_raw(const struct policy *policy, struct explained *x)
{
    char host[HOST_MAX + 1];

    if (host_is_address(str_of(x->host)))
        return DENIAL_ADDRESS_LITERAL;
    if (host_canon(str_of(x->host), host) != 0)
        return DENIAL_HOST_NOT_ALLOWED;
    enum denial denial = decide_tcp(policy, host, x->port, &x->judged.route);
    if (x->judged.route != NULL)
        route_name(x->judged.route, x->judged.rule);
    return denial;
}

/* Whether the port is one for raw TCP, where whatever a client says goes through. */
static bool is_raw(const struct policy *policy, const struct explained *x)
{
    char host[HOST_MAX + 1];
    const struct route *route;

    return !host_is_address(str_of(x->host)) && host_canon(str_of(x->host), host) == 0 &&
           decide_tcp(policy, host, x->port, &route) == DENIAL_NONE;
}

static void judge(const struct policy *policy, struct explained *x)
{
    struct str bytes = buf_str(&x->bytes);
    struct h1_scan scan = {0};
    enum h1_error error;
    char host[HOST_MAX + 1];

    x->raw = x->raw || is_raw(policy, x);
    if (x->raw) {
        x->denial = judge_raw(policy, x);
        return;
    }
    /* The server name decides before there is a request. */
    if (x->tls && !host_is_address(str_of(x->host)) && host_canon(str_of(x->host), host) == 0 &&
        decide_tunnel(policy, host, x->port)) {
        x->tunnel = true;
        x->denial = decide_tls(policy, host, x->port, false, &x->judged.route);
        route_name(x->judged.route, x->judged.rule);
        return;
    }
    long end = h1_head_end(&scan, bytes.ptr, bytes.len, &error);
    if (end > 0)
        error = h1_head_parse(true, false, bytes.ptr, (size_t)end, &x->head);
    else if (error == H1_OK)
        error = H1_TOO_LARGE;
    x->denial = request_read(&x->head, x->tls, &x->request);
    if (x->denial == DENIAL_NONE)
        x->denial = judge_request(policy, x->port, x->tls, &x->head, &x->request, &x->judged);
    x->held = x->denial == DENIAL_HOST_NOT_ALLOWED && error == H1_OK &&
              judge_holdable(policy, x->port, x->tls, &x->head, &x->request);
    if (error != H1_OK) /* judged all the same, as far as it was understood, for the rule's name */
        x->denial = request_denial(error);
}

int explain(const struct policy *policy, const char *method, const char *url, const char *const *headers,
            size_t header_count, struct explained *x, struct err *err)
{
    struct url parts;
    struct str host;

    memset(x, 0, sizeof *x);
    buf_init(&x->bytes, BYTES_MAX);
    if (split_url(url, &parts, err) != 0)
        return -1;
    if (strpbrk(method, "\r\n ") != NULL || method[0] == '\0' || strpbrk(url, "\r\n ") != NULL)
        return err_set(err, "a method and a URL have no blanks and no line breaks");
    for (size_t i = 0; i < header_count; i++) {
        if (strpbrk(headers[i], "\r\n") != NULL)
            return err_set(err, "-H: a header has no line breaks");
        if (check_header(headers[i], err) != 0)
            return -1;
    }
    x->tls = parts.tls;
    if (host_split_port(parts.authority, &host, &x->port) != 0)
        return err_set(err, "the URL's host or port is malformed");
    x->raw = parts.raw;
    if (x->raw &&
        (x->port == 0 || parts.target.len > 0 || header_count > 0 || strcmp(method, "CONNECT") != 0))
        return err_set(err, "raw TCP is asked after with CONNECT tcp://HOST:PORT, without a path or -H");
    if (x->port == 0)
        x->port = x->tls ? PORT_HTTPS : PORT_HTTP;
    snprintf(x->host, sizeof x->host, "%.*s",
             (int)(host.len < sizeof x->host ? host.len : sizeof x->host - 1), host.ptr);
    if (write_head(method, &parts, x->port, headers, header_count, &x->bytes) != 0)
        return err_set(err, "the request is longer than %d bytes", BYTES_MAX);
    judge(policy, x);
    return 0;
}

void explain_fini(struct explained *x)
{
    buf_fini(&x->bytes);
}
