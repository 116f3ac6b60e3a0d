/* SPDX-License-Identifier: GPL-3.0-or-later */
/* h1_check: llhttp's callbacks compare instead of storing. A fresh parser for every message: nothing of one
 * can reach into the next. No lenient flag is ever set. */
#include "proxy/h1_check.h"

#include <string.h>

/* Joins the parts of one element, which must lie side by side. */
static int span_add(struct str *span, const char *at, size_t len)
{
    if (span->len == 0)
        span->ptr = at;
    else if (span->ptr + span->len != at)
        return -1;
    span->len += len;
    return 0;
}

static bool same(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || a.ptr == b.ptr);
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    return span_add(&((struct h1_check *)parser->data)->target, at, len);
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    struct h1_check *check = parser->data;

    return check->head != NULL ? span_add(&check->name, at, len) : 0; /* trailers: h1_chunk has seen them */
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct h1_check *check = parser->data;

    return check->head != NULL ? span_add(&check->value, at, len) : 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct h1_check *check = parser->data;

    if (check->head == NULL)
        return 0;
    if (check->field >= check->head->field_count)
        return -1;
    const struct h1_field *field = &check->head->fields[check->field++];
    if (!same(check->name, field->name) || !same(str_trim(check->value), field->value))
        return -1;
    check->name = check->value = (struct str){0};
    return 0;
}

/* Answering 1 says that no body follows, whatever the fields say. */
static int on_head(llhttp_t *parser)
{
    const struct h1_check *check = parser->data;

    parser->upgrade = 0; /* the protocol never changes here: what follows is HTTP, or refused */
    return !check->request && check->head->framing == H1_NO_BODY ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    return span_add(&((struct h1_check *)parser->data)->body, at, len);
}

static int on_message(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED; /* what follows is another message's */
}

static const llhttp_settings_t SETTINGS = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_message,
};

/* Feeds bytes. Says whether all were taken and the message ended behind them exactly when it should. */
static bool feed(struct h1_check *check, const char *bytes, size_t len, bool last)
{
    check->parser.data = check;
    llhttp_errno_t error = llhttp_execute(&check->parser, bytes, len);
    if (!last)
        return error == HPE_OK;
    return error == HPE_PAUSED && llhttp_get_error_pos(&check->parser) == bytes + len;
}

static bool same_start(struct h1_check *check, const struct h1_head *head)
{
    llhttp_t *parser = &check->parser;

    if (llhttp_get_http_major(parser) != 1 || llhttp_get_http_minor(parser) != head->minor)
        return false;
    if (!check->request)
        return llhttp_get_status_code(parser) == (int)head->status;
    const char *method = llhttp_method_name((llhttp_method_t)llhttp_get_method(parser));
    return str_equal(head->method, str_of(method)) && same(check->target, head->target);
}

bool h1_check_head(struct h1_check *check, bool request, const char *bytes, size_t len,
                   const struct h1_head *head)
{
    *check = (struct h1_check){.head = head, .request = request};
    llhttp_init(&check->parser, request ? HTTP_REQUEST : HTTP_RESPONSE, &SETTINGS);
    bool taken = feed(check, bytes, len, head->framing == H1_NO_BODY);
    check->head = NULL;
    if (!taken || check->field != head->field_count || check->body.len > 0 || !same_start(check, head))
        return false;
    switch (head->framing) {
    case H1_NO_BODY:
        return true;
    case H1_LENGTH:
        return !(check->parser.flags & F_CHUNKED) && check->parser.content_length == head->length;
    case H1_CHUNKED:
        return (check->parser.flags & F_CHUNKED) != 0;
    case H1_CLOSE:
        return llhttp_message_needs_eof(&check->parser) == 1;
    }
    return false;
}

enum h1_error h1_check_parse(struct h1_check *check, bool request, bool to_head, const char *bytes,
                             size_t len, struct h1_head *head)
{
    enum h1_error error = h1_head_parse(request, to_head, bytes, len, head);

    return error == H1_OK && !h1_check_head(check, request, bytes, len, head) ? H1_BAD_SYNTAX : error;
}

bool h1_check_body(struct h1_check *check, const char *bytes, size_t len, bool data, bool last)
{
    check->body = (struct str){0};
    if (!feed(check, bytes, len, last))
        return false;
    return data ? same(check->body, (struct str){bytes, len}) : check->body.len == 0;
}
