/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rewrite: see rewrite.h. What never goes up is core/forward.c's, what never comes down
 * stands in a table here. */
#include "proxy/rewrite.h"

#include <string.h>

#include "core/decide.h"
#include "core/forward.h"
#include "proxy/credentials.h"

static const struct str NEVER_DOWN[] = {
    STR("content-length"), STR("transfer-encoding"), STR("connection"),
    STR("keep-alive"),     STR("proxy-connection"),  STR("te"),
    STR("trailer"),        STR("upgrade"),           STR("proxy-authenticate"),
    STR("alt-svc"),
};

static bool listed(struct str name, const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_nocase(name, names[i]))
            return true;
    return false;
}

static int put(struct buf *out, struct str s)
{
    return buf_append(out, s.ptr, s.len);
}

static inline int put_text(struct buf *out, const char *text)
{
    return put(out, str_of(text));
}

/* "name: value" and what ends the line. */
static int put_field(struct buf *out, struct str name, struct str value)
{
    char *at = buf_reserve(out, name.len + value.len + 4);

    if (at == NULL)
        return -1;
    memcpy(at, name.ptr, name.len);
    memcpy(at + name.len, ": ", 2);
    if (value.len > 0)
        memcpy(at + name.len + 2, value.ptr, value.len);
    memcpy(at + name.len + 2 + value.len, "\r\n", 2);
    buf_commit(out, name.len + value.len + 4);
    return 0;
}

/* Of a list of codings (RFC 9110 section 12.5.3) those that can be looked into; "identity" when there is none. */
static int put_codings(struct str list, struct buf *out)
{
    static const struct str known[] = {STR("gzip"), STR("x-gzip"), STR("deflate"),
                                       STR("br"),   STR("zstd"),   STR("identity")};
    bool any = false;

    for (size_t at = 0; at < list.len;) {
        const char *comma = memchr(list.ptr + at, ',', list.len - at);
        size_t end = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        struct str item = {list.ptr + at, end - at}, name;
        at = end + 1;
        while (item.len > 0 && (item.ptr[0] == ' ' || item.ptr[0] == '\t'))
            item = (struct str){item.ptr + 1, item.len - 1};
        for (name = (struct str){item.ptr, 0}; name.len < item.len; name.len++)
            if (item.ptr[name.len] == ';' || item.ptr[name.len] == ' ' || item.ptr[name.len] == '\t')
                break;
        while (item.len > 0 && (item.ptr[item.len - 1] == ' ' || item.ptr[item.len - 1] == '\t'))
            item.len--;
        if (!listed(name, known, sizeof known / sizeof known[0]))
            continue;
        if ((any && put_text(out, ", ") != 0) || put(out, item) != 0)
            return -1;
        any = true;
    }
    return any ? 0 : put_text(out, "identity");
}

/* What is searched comes in a coding that can be read, or in which a mark can be put. */
static int put_on(const struct route *route, const struct h1_field *field, struct buf *out)
{
    if (route == NULL || route->dlp.inbound == 0 || !str_equal_nocase(field->name, str_of("accept-encoding")))
        return put_field(out, field->name, field->value);
    if (route->dlp.inbound_on_match == DLP_RULES_ANNOTATE)
        return put_field(out, field->name, str_of("identity"));
    return put(out, field->name) != 0 || put_text(out, ": ") != 0 || put_codings(field->value, out) != 0
               ? -1
               : put_text(out, "\r\n");
}

/* route: of a request; NULL for a response. Returns 1 when a value went into a field of the agent's. */
static int put_fields(const struct h1_head *head, const struct route *route, struct buf *out)
{
    int swapped = 0;

    for (size_t i = 0; i < head->field_count; i++) {
        const struct h1_field *field = &head->fields[i];
        bool goes_on = route != NULL
                           ? forward_may(route, field->name)
                           : !listed(field->name, NEVER_DOWN, sizeof NEVER_DOWN / sizeof NEVER_DOWN[0]);
        if (head->connections > 0 && h1_head_lists(head, "connection", field->name))
            continue;
        if (!goes_on) {
            int in_place = route != NULL ? credentials_swap(route, field, out) : 0;
            if (in_place < 0)
                return -1;
            swapped |= in_place;
            continue;
        }
        if (put_on(route, field, out) != 0)
            return -1;
    }
    return swapped;
}

static int put_length(uint64_t length, struct buf *out)
{
    char text[STR_DIGITS_MAX];

    return put_field(out, str_of("Content-Length"), (struct str){text, str_digits(length, text)});
}

static int put_request_framing(const struct h1_head *head, struct buf *out)
{
    if (head->framing == H1_CHUNKED)
        return put_text(out, "Transfer-Encoding: chunked\r\n");
    return head->has_length ? put_length(head->length, out) : 0;
}

/* The port that the agent named, where it is not its scheme's own (RFC 9110 section 7.2). */
static int put_host(const struct request *request, struct buf *out)
{
    unsigned own = request->secure ? PORT_HTTPS : PORT_HTTP;

    if (put_text(out, "Host: ") != 0 || put_text(out, request->host) != 0)
        return -1;
    if (request->host_port != 0 && request->host_port != own &&
        buf_printf(out, ":%u", request->host_port) != 0)
        return -1;
    return put_text(out, "\r\n");
}

int rewrite_request(const struct h1_head *head, const struct request *request, const struct route *route,
                    struct buf *out)
{
    int query, fields;

    if (put(out, head->method) != 0 || put_text(out, " ") != 0 || put(out, request->path) != 0 ||
        (query = credentials_query(route, request->query, out)) < 0 || put_text(out, " HTTP/1.1\r\n") != 0 ||
        put_host(request, out) != 0 || (fields = put_fields(head, route, out)) < 0)
        return -1;
    if (credentials_put(route, query + fields > 0, out) != 0 || put_request_framing(head, out) != 0)
        return -1;
    if (request->expect_continue && put_text(out, "Expect: 100-continue\r\n") != 0)
        return -1;
    return put_text(out, "\r\n");
}

static int put_response_framing(const struct h1_head *head, enum rewrite_body body, struct buf *out)
{
    if (body == REWRITE_CHUNKED)
        return put_text(out, "Transfer-Encoding: chunked\r\n");
    if (head->status == 205) /* has no body; said for those who would wait for one (RFC 9110, 15.3.6) */
        return put_length(0, out);
    bool never = head->status < 200 || head->status == 204; /* RFC 9110 section 8.6 */
    return body == REWRITE_SAME && head->has_length && !never ? put_length(head->length, out) : 0;
}

int rewrite_response(const struct h1_head *head, enum rewrite_body body, bool close, struct buf *out)
{
    char line[] = "HTTP/1.1 000 ";

    for (unsigned i = 0, status = head->status; i < 3; i++, status /= 10) /* three digits: h1_head.h */
        line[11 - i] = (char)('0' + status % 10);
    if (put_text(out, line) != 0 || put(out, head->reason) != 0 || put_text(out, "\r\n") != 0)
        return -1;
    if (put_fields(head, NULL, out) < 0 || put_response_framing(head, body, out) != 0)
        return -1;
    if (close && put_text(out, "Connection: close\r\n") != 0)
        return -1;
    return put_text(out, "\r\n");
}

int rewrite_chunk(struct str data, struct buf *out)
{
    if (buf_printf(out, "%zx\r\n", data.len) != 0 || put(out, data) != 0)
        return -1;
    return put_text(out, "\r\n");
}

int rewrite_last_chunk(struct buf *out)
{
    return put_text(out, "0\r\n\r\n");
}
