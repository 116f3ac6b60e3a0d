/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_upstream: the upstream's leg of an exchange: the connection (from the pool, or dialled) and the
 * response. It must never hand a response on that is malformed or cut short as if it were whole, nor give a
 * connection back to the pool on which anything is left.
 */
#include <errno.h>
#include <string.h>

#include "proxy/credentials.h"
#include "proxy/hold.h"
#include "proxy/http_state.h"
#include "proxy/inbound.h"
#include "proxy/limits.h"
#include "proxy/pool.h"
#include "proxy/rewrite.h"

void upstream_drop(struct http *http)
{
    stream_close(http->upstream, false);
    http->upstream = NULL;
    buf_fini(&http->up_in);
    buf_fini(&http->up_out);
    http->up_eof = http->up_cut = http->up_deaf = http->reused = false;
}

static void note_upstream(struct session *session, const struct ip *ip)
{
    struct exchange *x = &session->exchange;
    char port[STR_DIGITS_MAX];

    x->ip = *ip;
    if (ip->family == 0)
        return;
    ip_format(ip, x->upstream);
    size_t len = strlen(x->upstream), digits = str_digits(session->port, port);
    x->upstream[len++] = ':'; /* a port has five digits at most, so there is room */
    memcpy(x->upstream + len, port, digits);
    x->upstream[len + digits] = '\0';
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

/* The session has a new upstream connection. */
static void attach(struct session *session, struct stream *stream, const struct ip *ip)
{
    struct http *http = session->http;

    http->upstream = stream;
    stream_hand_over(stream, on_upstream, session);
    http->up_ip = *ip;
    http->up_generation = session->exchange.generation;
    h1_init(&http->response, false);
    http->response.to_head = http->to_head;
}

static void on_dialled(void *ctx, const struct dial_result *result)
{
    struct session *session = ctx;
    struct exchange *x = &session->exchange;
    enum denial denial = result->denial;

    session->dial = NULL;
    if (result->reason != NULL)
        x->reason = result->reason;
    note_upstream(session, &result->ip);
    if (denial == DENIAL_NONE && !policy_may_dial(x->policy, x->route, &result->ip)) {
        denial = DENIAL_ADDRESS_REFUSED; /* by a policy that came while it was dialled */
        stream_close(result->stream, true);
    }
    if (denial != DENIAL_NONE) {
        http_refuse(session, denial);
    } else {
        attach(session, result->stream, &result->ip);
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

static struct pool_key key_of(const struct session *session)
{
    const struct exchange *x = &session->exchange;

    return (struct pool_key){
        .host = x->host, .port = session->port, .secure = session->opened, .generation = x->generation};
}

void upstream_keep(struct session *session)
{
    struct http *http = session->http;
    struct pool_key key = key_of(session);

    if (http->up_idle_ms == 0 || http->up_generation != session->proxy->worker.policy->generation) {
        upstream_drop(http);
        return;
    }
    key.generation = http->up_generation;
    pool_put(session->proxy->pool, &key,
             &(struct pooled){.stream = http->upstream,
                              .ip = http->up_ip,
                              .proven = http->reused,
                              .idle_ms = http->up_idle_ms});
    http->upstream = NULL;
    http->reused = false;
}

/* A server may close a connection of which it said that it keeps it. Clients know that of their own kept
 * connections, but not on their first request: one that must not be sent twice then goes where its server has
 * kept its word. */
void upstream_take(struct session *session, const struct request *request)
{
    struct http *http = session->http;
    struct pool_key key = key_of(session);
    struct pooled pooled;
    bool first = !http->served && !request->repeatable;

    http->served = true;
    if (!pool_take(session->proxy->pool, &key, first, &pooled)) {
        dial(session);
        return;
    }
    attach(session, pooled.stream, &pooled.ip);
    http->reused = true;
    note_upstream(session, &pooled.ip);
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

    if (http->upstream == NULL || http->up_out.len == 0 || http->up_deaf ||
        hold_waits(session)) /* what it has not seen yet it does not begin to answer */
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

/* How long the upstream says that it keeps the connection (Keep-Alive: timeout=5), less the second in which
 * both might act at once. */
static uint64_t idle_of(const struct h1_head *head)
{
    static const char parameter[] = "timeout=";
    size_t count;
    const struct h1_field *field = h1_head_find(head, "keep-alive", &count);
    uint64_t seconds = 0;

    if (count == 0)
        return TIMEOUT_POOLED_MS;
    const char *at = memmem(field->value.ptr, field->value.len, parameter, sizeof parameter - 1);
    const char *end = field->value.ptr + field->value.len;
    if (at == NULL)
        return TIMEOUT_POOLED_MS;
    for (at += sizeof parameter - 1; at < end && *at >= '0' && *at <= '9' && seconds < TIMEOUT_POOLED_MS;
         at++)
        seconds = 10 * seconds + (uint64_t)(*at - '0');
    uint64_t ms = seconds > 0 ? (seconds - 1) * 1000 : 0;
    return ms < TIMEOUT_POOLED_MS ? ms : TIMEOUT_POOLED_MS;
}

static void response_head(struct session *session, const struct h1_head *head)
{
    struct http *http = session->http;
    enum denial denial = cover_head(session, head);

    if (denial != DENIAL_NONE) {
        http_refuse(session, denial);
        return;
    }
    if (head->status >= 200)
        denial = inbound_begin(session, head);
    if (denial != DENIAL_NONE) {
        http_refuse(session, denial);
        return;
    }
    bool open = head->framing == H1_CHUNKED || head->framing == H1_CLOSE || inbound_marks(http);
    enum rewrite_body body = !open ? REWRITE_SAME : http->old_client ? REWRITE_CLOSE : REWRITE_CHUNKED;

    buf_fini(&http->again);
    http->in_interim = head->status < 200;
    if (http->in_interim) {
        if (head->status == 101 || ++http->interim > INTERIM_MAX) { /* nobody asked for another protocol */
            http_refuse(session, DENIAL_UPSTREAM_MALFORMED);
            return;
        }
        if (!http->old_client && rewrite_response(head, REWRITE_SAME, false, &session->out) != 0)
            http_abort(session, DENIAL_OVERLOADED, "out of memory");
        return;
    }
    http->chunk_down = body == REWRITE_CHUNKED;
    http->up_keep = head->keep_alive && head->framing != H1_CLOSE;
    http->up_idle_ms = idle_of(head);
    session->exchange.status = head->status;
    struct buf *out = http->inbound != NULL ? inbound_head(http) : &session->out;
    if (rewrite_response(head, body, http->close, out) != 0) {
        http_abort(session, DENIAL_OVERLOADED, "out of memory");
        return;
    }
    http->head_sent = http->inbound == NULL;
}

/* Takes a part of the body on, the last one with last; with a value to cover, what may be its beginning
 * stays. Returns DENIAL_NONE, or why it ends here. */
static enum denial response_data(struct session *session, struct str data, bool last)
{
    struct http *http = session->http;
    uint64_t before = http->redact.found;

    if (http->redact.redactor != NULL) { /* the bytes lie in up_in, which is ours */
        if (redact_next(&http->redact, (char *)data.ptr, data.len, last, &data) != 0)
            return DENIAL_OVERLOADED;
        session->exchange.redacted += http->redact.found - before;
    }
    if (http->inbound != NULL)
        return inbound_body(session, data, last);
    if (data.len == 0)
        return DENIAL_NONE;
    int fits =
        http->chunk_down ? rewrite_chunk(data, &session->out) : buf_append(&session->out, data.ptr, data.len);
    return fits == 0 ? DENIAL_NONE : DENIAL_OVERLOADED;
}

static void response_event(struct session *session, const struct h1_event *event)
{
    struct http *http = session->http;
    enum denial denial = DENIAL_NONE;

    switch (event->type) {
    case H1_EVENT_HEAD:
        response_head(session, &session->proxy->head);
        return;
    case H1_EVENT_DATA:
        denial = response_data(session, event->data, false);
        break;
    case H1_EVENT_END:
        if (http->in_interim)
            return;
        denial = response_data(session, (struct str){0}, true);
        if (denial == DENIAL_NONE && http->chunk_down && rewrite_last_chunk(&session->out) != 0)
            denial = DENIAL_OVERLOADED;
        http->response_done = denial == DENIAL_NONE;
        break;
    case H1_EVENT_BAD:
        http_refuse(session, DENIAL_UPSTREAM_MALFORMED);
        return;
    case H1_EVENT_TRAILERS:
    case H1_EVENT_MORE:
        return;
    }
    if (denial != DENIAL_NONE)
        http_refuse(session, denial);
}

bool upstream_receive(struct session *session)
{
    struct http *http = session->http;
    size_t used;

    if (http->upstream == NULL || http->response_done || session->out.len >= READ_SIZE)
        return false;
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
