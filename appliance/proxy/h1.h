/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * h1: decodes the HTTP/1 messages of one direction of one connection into events: head, data…, trailers, end.
 * The caller pulls: it asks for the next event when it has room for it, so back-pressure needs no callback.
 */
#ifndef PROXY_H1_H
#define PROXY_H1_H

#include "core/h1_head.h"
#include "proxy/h1_check.h"
#include "proxy/h1_chunk.h"

enum h1_event_type {
    H1_EVENT_MORE,     /* nothing yet: more bytes are needed */
    H1_EVENT_HEAD,     /* `head` is filled */
    H1_EVENT_DATA,     /* `data` is the next part of the body, without its coding */
    H1_EVENT_TRAILERS, /* `trailers` fields stood behind a chunked body; they are checked and dropped (RFC
                          9110, 6.5.1) */
    H1_EVENT_END,      /* the message is whole; the next bytes are the next message's */
    H1_EVENT_BAD,      /* `error`: nothing that follows can be understood */
};

struct h1_event {
    enum h1_event_type type;
    enum h1_error error;
    struct str data; /* points into the caller's bytes */
    unsigned trailers;
};

enum h1_state {
    H1_STATE_HEAD,
    H1_STATE_LENGTH,
    H1_STATE_CHUNKED,
    H1_STATE_CLOSE,
    H1_STATE_END,
    H1_STATE_BAD
};

struct h1 {
    enum h1_state state;
    bool request;
    bool to_head; /* the next response answers HEAD; set by the owner before its head arrives */
    /* private */
    uint64_t left;
    struct h1_scan scan;
    struct h1_chunk chunk;
    struct h1_check check;
};

void h1_init(struct h1 *h1, bool request);

/* The next event from the front of these bytes; *used of them are done with and must be dropped before the
 * next call (slices in head and data stay valid until then). The same undecoded bytes must come again, with
 * more behind them, after H1_EVENT_MORE. */
struct h1_event h1_next(struct h1 *h1, const char *bytes, size_t len, size_t *used, struct h1_head *head);

/* The connection has ended and all its bytes are decoded. H1_EVENT_END when that ends a message,
 * H1_EVENT_MORE between two messages, else H1_EVENT_BAD: cut short. */
struct h1_event h1_eof(struct h1 *h1);

/* Whether a message has begun and not ended. `undecoded`: bytes that wait. */
bool h1_in_message(const struct h1 *h1, size_t undecoded);

#endif
