/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * h1: head → body → end → head, over whatever pieces the bytes come in. Each step takes one whole element (a
 * head, a framing line, a run of data) from the first reading, lets the second one agree, and only then hands
 * it on.
 */
#include "proxy/h1.h"

#include <string.h>

void h1_init(struct h1 *h1, bool request)
{
    memset(h1, 0, sizeof *h1);
    h1->request = request;
}

static struct h1_event bad(struct h1 *h1, enum h1_error error)
{
    h1->state = H1_STATE_BAD;
    return (struct h1_event){.type = H1_EVENT_BAD, .error = error};
}

static struct h1_event next_head(struct h1 *h1, const char *bytes, size_t len, size_t *used,
                                 struct h1_head *head)
{
    static const enum h1_state behind[] = {
        [H1_NO_BODY] = H1_STATE_END,
        [H1_LENGTH] = H1_STATE_LENGTH,
        [H1_CHUNKED] = H1_STATE_CHUNKED,
        [H1_CLOSE] = H1_STATE_CLOSE,
    };
    enum h1_error error;
    long end = h1_head_end(&h1->scan, bytes, len, &error);

    head->field_count = 0;
    head->method = head->target = (struct str){0};
    if (end < 0)
        return bad(h1, error);
    if (end == 0)
        return (struct h1_event){.type = H1_EVENT_MORE};
    error = h1_check_parse(&h1->check, h1->request, h1->to_head, bytes, (size_t)end, head);
    if (error != H1_OK)
        return bad(h1, error);
    h1->scan = (struct h1_scan){0};
    h1->left = head->length;
    h1->state = behind[head->framing];
    h1_chunk_init(&h1->chunk);
    *used = (size_t)end;
    return (struct h1_event){.type = H1_EVENT_HEAD};
}

static struct h1_event next_plain(struct h1 *h1, const char *bytes, size_t len, size_t *used)
{
    bool last = false;

    if (len == 0)
        return (struct h1_event){.type = H1_EVENT_MORE};
    if (h1->state == H1_STATE_LENGTH) {
        if (len > h1->left)
            len = (size_t)h1->left;
        h1->left -= len;
        last = h1->left == 0;
    }
    if (!h1_check_body(&h1->check, bytes, len, true, last))
        return bad(h1, H1_BAD_SYNTAX);
    if (last)
        h1->state = H1_STATE_END;
    *used = len;
    return (struct h1_event){.type = H1_EVENT_DATA, .data = {bytes, len}};
}

/* Framing lines are used up on the way to the next data or end. */
static struct h1_event next_chunked(struct h1 *h1, const char *bytes, size_t len, size_t *used)
{
    for (;;) {
        size_t part;
        const char *at = bytes + *used;
        enum h1_piece piece = h1_chunk_next(&h1->chunk, at, len - *used, &part);
        if (piece == H1_PIECE_MORE)
            return (struct h1_event){.type = H1_EVENT_MORE};
        if (piece == H1_PIECE_BAD ||
            !h1_check_body(&h1->check, at, part, piece == H1_PIECE_DATA, piece == H1_PIECE_LAST))
            return bad(h1, H1_BAD_SYNTAX);
        *used += part;
        if (piece == H1_PIECE_DATA)
            return (struct h1_event){.type = H1_EVENT_DATA, .data = {at, part}};
        if (piece == H1_PIECE_LAST) {
            h1->state = H1_STATE_END;
            return (struct h1_event){.type = H1_EVENT_TRAILERS, .trailers = h1->chunk.trailers};
        }
    }
}

struct h1_event h1_next(struct h1 *h1, const char *bytes, size_t len, size_t *used, struct h1_head *head)
{
    *used = 0;
    switch (h1->state) {
    case H1_STATE_HEAD:
        if (len == 0)
            break;
        return next_head(h1, bytes, len, used, head);
    case H1_STATE_LENGTH:
    case H1_STATE_CLOSE:
        return next_plain(h1, bytes, len, used);
    case H1_STATE_CHUNKED:
        if (len == 0)
            break;
        return next_chunked(h1, bytes, len, used);
    case H1_STATE_END:
        h1->state = H1_STATE_HEAD;
        return (struct h1_event){.type = H1_EVENT_END};
    case H1_STATE_BAD:
        return bad(h1, H1_BAD_SYNTAX);
    }
    return (struct h1_event){.type = H1_EVENT_MORE};
}

struct h1_event h1_eof(struct h1 *h1)
{
    switch (h1->state) {
    case H1_STATE_HEAD:
        return h1->scan.at == 0 ? (struct h1_event){.type = H1_EVENT_MORE} : bad(h1, H1_BAD_SYNTAX);
    case H1_STATE_CLOSE:
    case H1_STATE_END:
        h1->state = H1_STATE_HEAD;
        return (struct h1_event){.type = H1_EVENT_END};
    default:
        return bad(h1, H1_BAD_SYNTAX);
    }
}

bool h1_in_message(const struct h1 *h1, size_t undecoded)
{
    return h1->state != H1_STATE_HEAD || undecoded > 0;
}
