/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_upstream: the upstream's leg of an exchange: the connection (kept for the next request to the same
 * name under the same policy, for this agent's connection only) and the response. It must never hand a
 * response on that is malformed or cut short as if it were whole.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/credentials.h"
#include "proxy/http_state.h"
#include "proxy/limits.h"
#include "proxy/rewrite.h"

void upstream_drop(struct http *http)
{
    stream_close(http->upstream, false);
    http->upstream = NULL;
    buf_fini(&http->up_in);
    buf_fini(&http->up_out);
    http->up_eof = http->up_cut = http->up_deaf = http->reused = false;
}

static bool upstream_fits(const struct session *session, const char *host)
{
    const struct http *http = session->http;

    return http->upstream != NULL && !http->up_eof && http->up_in.len == 0 &&
           strcmp(http->up_host, host) == 0 && http->up_generation == session->exchange.generation;
}

static void note_upstream(struct session *session, const struct ip *ip)
{
    struct exchange *x = &session->exchange;
    char text[IP_TEXT];

    x->ip = *ip;
    if (ip->family == 0)
        return;
    ip_format(ip, text);
    snprintf(x->upstream, sizeof x->upstream, "%s:%u", text, session->port);
}

static void on_upstream(void *ctx, int events)
{
    struct session *session = ctx;
    struct http *http = session->http;

    if (session->ended || http->over)
        return;
    if ((events & UV_READABLE) && !http->up_eof) {
        ssize_t got = stream_read(http->upstream, &http->up_in, READ_SIZE);
        if (got > 0)
            session->exchange.bytes_in += (uint64_t)got;
        else if (got != -EAGAIN && got != -ENOBUFS) {
            http->up_eof = true;
            http->up_cut = got < 0;
        }
    }
    http_run(session);
}

static void on_dialled(void *ctx, const struct dial_result *result)
{
    struct session *session = ctx;
    struct http *http = session->http;
    struct exchange *x = &session->exchange;
    enum denial denial = result->denial;

    session->dial = NULL;
    x->reason = result->reason;
    note_upstream(session, &result->ip);
    if (denial == DENIAL_NONE && !policy_may_dial(x->policy, x->route, &result->ip)) {
        denial = DENIAL_ADDRESS_REFUSED; /* by a policy that came while it was dialled */
        stream_close(result->stream, true);
    }
    if (denial != DENIAL_NONE) {
        http_refuse(session, denial);
    } else {
        http->upstream = result->stream;
        stream_hand_over(http->upstream, on_upstream, session);
        http->up_ip = result->ip;
        http->up_generation = x->generation;
        memcpy(http->up_host, x->host, sizeof http->up_host);
        h1_init(&http->response, false);
        http->response.to_head = http->to_head;
    }
    http_run(session);
}

static void dial(struct session *session)
{
    struct exchange *x = &session->exchange;
    struct proxy *proxy = session->proxy;

    stream_close(session->http->upstream, false);
    session->http->upstream = NULL;
    session->http->up_eof = session->http->up_cut = session->http->up_deaf = session->http->reused = false;
    buf_fini(&session->http->up_in);
    session->dial = dial_start(&proxy->worker.loop, proxy->resolver, x->policy, x->route, x->host,
                               session->port, session->opened ? proxy->tls : NULL, on_dialled, session);
    if (session->dial == NULL)
        http_refuse(session, DENIAL_OVERLOADED);
}

void upstream_take(struct session *session, const struct request *request)
{
    struct http *http = session->http;

    if (!upstream_fits(session, request->host)) {
        dial(session);
        return;
    }
    http->reused = true;
    http->response.to_head = request->to_head;
    note_upstream(session, &http->up_ip);
    struct str bytes = buf_str(&http->up_out);
    if (request->repeatable && buf_append(&http->again, bytes.ptr, bytes.len) != 0)
        buf_fini(&http->again);
}

/* The upstream ended or failed before its answer was whole. A request that changed nothing, on a connection
 * that had served before, was most likely never read: it is sent once more (RFC 9112 section 9.3.1). */
static void upstream_failed(struct session *session)
{
    struct http *http = session->http;

    if (http->reused && http->again.len > 0 && !http->head_sent && http->interim == 0 &&
        http->up_in.len == 0) {
        buf_fini(&http->up_out);
        http->up_out = http->again;
        buf_init(&http->again, OUT_MAX);
        dial(session);
        return;
    }
    http_refuse(session, DENIAL_UPSTREAM_MALFORMED);
}

bool upstream_send(struct session *session)
{
    struct http *http = session->http;

    if (http->upstream == NULL || http->up_out.len == 0 || http->up_deaf)
        return false;
    ssize_t put = stream_flush(http->upstream, &http->up_out);
    if (put < 0) {
        http->up_deaf = true; /* it may have answered before it closed */
        buf_fini(&http->up_out);
        return true;
    }
    session->exchange.bytes_out += (uint64_t)put;
    return put > 0;
}

/* Responses. */

/* The value that was injected into the request does not come back in its response. */
static enum denial cover_head(struct session *session, const struct h1_head *head)
{
    struct http *http = session->http;

    if (http->redact.redactor == NULL)
        return DENIAL_NONE;
    session->exchange.redacted += credentials_mask(http->redact.redactor, head);
    return credentials_coded(head) ? DENIAL_UPSTREAM_ENCODING : DENIAL_NONE;
}

static void response_head(struct session *session, const struct h1_head *head)
{
    struct http *http = session->http;
    enum denial denial = cover_head(session, head);

    if (denial != DENIAL_NONE) {
        http_refuse(session, denial);
        return;
    }
    bool open = head->framing == H1_CHUNKED || head->framing == H1_CLOSE;
    enum rewrite_body body = !open ? REWRITE_SAME : http->old_client ? REWRITE_CLOSE : REWRITE_CHUNKED;

    buf_fini(&http->again);
    http->in_interim = head->status < 200;
    if (http->in_interim) {
        if (head->status == 101 || ++http->interim > INTERIM_MAX) { /* nobody asked for another protocol */
            http_refuse(session, DENIAL_UPSTREAM_MALFORMED);
            return;
        }
        if (!http->old_client && rewrite_response(head, REWRITE_SAME, false, &session->out) != 0)
            http_refuse(session, DENIAL_UPSTREAM_MALFORMED);
        return;
    }
    http->chunk_down = body == REWRITE_CHUNKED;
    http->up_keep = head->keep_alive && head->framing != H1_CLOSE;
    session->exchange.status = head->status;
    if (rewrite_response(head, body, http->close, &session->out) != 0) {
        buf_fini(&session->out);
        http_refuse(session, DENIAL_UPSTREAM_MALFORMED);
        return;
    }
    http->head_sent = true;
}

/* Takes a part of the body on, the last one with last; with a value to cover, what may be its beginning
 * stays. */
static int response_data(struct session *session, struct str data, bool last)
{
    struct http *http = session->http;
    uint64_t before = http->redact.found;

    if (http->redact.redactor != NULL) { /* the bytes lie in up_in, which is ours */
        if (redact_next(&http->redact, (char *)data.ptr, data.len, last, &data) != 0)
            return -1;
        session->exchange.redacted += http->redact.found - before;
    }
    if (data.len == 0)
        return 0;
    return http->chunk_down ? rewrite_chunk(data, &session->out)
                            : buf_append(&session->out, data.ptr, data.len);
}

static void response_event(struct session *session, const struct h1_event *event)
{
    struct http *http = session->http;
    int fits = 0;

    switch (event->type) {
    case H1_EVENT_HEAD:
        response_head(session, &session->proxy->head);
        return;
    case H1_EVENT_DATA:
        fits = response_data(session, event->data, false);
        break;
    case H1_EVENT_END:
        if (http->in_interim)
            return;
        fits = response_data(session, (struct str){0}, true);
        if (fits == 0 && http->chunk_down)
            fits = rewrite_last_chunk(&session->out);
        http->response_done = true;
        break;
    case H1_EVENT_BAD:
        http_refuse(session, DENIAL_UPSTREAM_MALFORMED);
        return;
    case H1_EVENT_TRAILERS:
    case H1_EVENT_MORE:
        return;
    }
    if (fits != 0)
        http_abort(session, DENIAL_OVERLOADED, "out of memory");
}

bool upstream_receive(struct session *session)
{
    struct http *http = session->http;
    size_t used;

    if (http->upstream == NULL || http->response_done || session->out.len >= READ_SIZE)
        return false;
    if (!http->active) {
        if (http->up_in.len == 0 && !http->up_eof)
            return false;
        upstream_drop(http); /* it closed while it was kept, or speaks without being asked */
        return true;
    }
    struct str bytes = buf_str(&http->up_in);
    struct h1_event event = h1_next(&http->response, bytes.ptr, bytes.len, &used, &session->proxy->head);
    if (event.type == H1_EVENT_MORE && used == 0) {
        if (!http->up_eof)
            return false;
        event = h1_eof(&http->response);
        if (event.type == H1_EVENT_END && http->up_cut)
            event = (struct h1_event){.type = H1_EVENT_BAD};
        if (event.type == H1_EVENT_MORE || (event.type == H1_EVENT_BAD && !http->head_sent)) {
            upstream_failed(session);
            return true;
        }
    }
    response_event(session, &event);
    if (!session->ended && !http->over)
        buf_consume(&http->up_in, used);
    return true;
}
