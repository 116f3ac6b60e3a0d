/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http: one request at a time between the agent and an upstream.
 *
 * Two codecs, one a leg, and a buffer behind each of the four directions. http_run turns five small steps until none of
 * them moves anything: decode a request event → send up → decode a response event → send down → finish. A step that has no
 * room does not run, so a slow reader on one side stops the reading on the other; nothing is read inside the steps.
 * Pipelined requests wait in the agent's buffer until the exchange before them is finished. Between two requests a session
 * holds no upstream connection: they wait in the pool.
 */
#include "proxy/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/gitfetch.h"
#include "proxy/budgets.h"
#include "proxy/credentials.h"
#include "proxy/deny.h"
#include "proxy/hold.h"
#include "proxy/http_state.h"
#include "proxy/inbound.h"
#include "proxy/limits.h"
#include "proxy/outbound.h"
#include "proxy/rewrite.h"

static void forget_look(struct http *http)
{
    if (http->look != NULL)
        buf_fini(&http->look->body);
    free(http->look);
    http->look = NULL;
}

/* What is kept for the exchange only. */
static void forget_exchange(struct http *http)
{
    forget_look(http);
    outbound_end(http);
    inbound_end(http);
    redact_fini(&http->redact);
    policy_unref(http->redact_policy);
    http->redact_policy = NULL;
    buf_fini(&http->head);
    buf_fini(&http->again);
}

void http_free(struct session *session)
{
    struct http *http = session->http;

    if (http == NULL)
        return;
    upstream_drop(http);
    forget_exchange(http);
    free(http);
    session->http = NULL;
}

bool http_running(const struct session *session)
{
    return session->http != NULL && session->http->active && session->exchange.bytes_out > 0;
}

bool http_idle(const struct session *session)
{
    return session->http != NULL && !session->http->begun;
}

/* Ends of an exchange. */

static void settle(struct session *session)
{
    struct http *http = session->http;

    session_wait(session, WAIT_NEXT);
    http->begun = http->active = http->request_done = http->response_done = http->head_sent =
        http->in_interim = false;
    http->interim = 0;
    forget_exchange(http);
}

void http_abort(struct session *session, enum denial denial, const char *detail)
{
    session_emit(session, denial, detail);
    session->http->over = true;
    session_end(session, true);
}

/* Answers with the reason. The connection stays open when the end of the refused request is known. */
void http_refuse(struct session *session, enum denial denial)
{
    struct http *http = session->http;
    struct exchange *x = &session->exchange;
    bool keep = http->keep_refused && !http->agent_eof;
    const struct deny deny = {
        .denial = denial,
        .host = x->host,
        .rule = x->rule,
        .id = x->id,
        .method = x->method,
        .path = x->path,
        .reason = x->reason,
        .retry_s = x->retry_s,
        .to_head = http->to_head,
        .close = !keep,
    };

    if (http->head_sent && inbound_last_words(session, denial)) { /* the end that is missing says the rest */
        session_emit(session, denial, NULL);
        http->over = true;
        session_linger(session);
        return;
    }
    if (http->head_sent) {
        http_abort(session, denial, NULL);
        return;
    }
    if (http->active)
        upstream_drop(http);
    dial_cancel(session->dial);
    session->dial = NULL;
    x->status = (unsigned)denial_status(denial);
    int said = deny_http(&deny, &session->out);
    session_emit(session, denial, NULL);
    settle(session);
    if (said != 0) {
        http->over = true;
        session_end(session, true);
    } else if (!keep) {
        http->over = true;
        session_linger(session);
    }
}

/* Requests. */

/* What the route's value will be covered with in the response. */
static int prepare_redaction(struct session *session)
{
    struct http *http = session->http;
    const struct exchange *x = &session->exchange;

    if (!route_injects(x->route))
        return 0;
    const struct redactor *redactor = credentials_redactor(x->route);
    if (redactor == NULL)
        return -1;
    redact_init(&http->redact, redactor);
    http->redact_policy = policy_ref(x->policy);
    return 0;
}

/* The body waits here until it is whole; whoever waits to be asked for it is asked. */
static int begin_look(struct session *session, struct request *request)
{
    struct look *look = calloc(1, sizeof *look);

    if (look == NULL)
        return -1;
    buf_init(&look->body, GITFETCH_BODY_MAX);
    session->http->look = look;
    if (request->expect_continue && buf_printf(&session->out, "HTTP/1.1 100 Continue\r\n\r\n") != 0)
        return -1;
    request->expect_continue = false;
    look->request = *request;
    return 0;
}

void http_begin(struct session *session, const struct h1_head *head, struct request *request)
{
    struct http *http = session->http;

    http->active = true;
    session_wait(session, WAIT_NONE);
    enum denial denial = budgets_begin(session, head, http->head.len); /* as it came */
    if (outbound_unpacks(http))
        outbound_unpacked_head(&session->proxy->head); /* which is this one */
    http->chunk_up = head->framing == H1_CHUNKED;
    buf_fini(&http->up_out);
    if (denial == DENIAL_NONE &&
        (prepare_redaction(session) != 0 || (request->look && begin_look(session, request) != 0)))
        denial = DENIAL_OVERLOADED;
    if (denial == DENIAL_NONE && rewrite_request(head, request, session->exchange.route, &http->up_out) != 0)
        denial = DENIAL_HTTP_HEAD_TOO_LARGE;
    if (denial != DENIAL_NONE)
        http_refuse(session, denial);
    else if (http->look == NULL)
        upstream_take(session, request);
}

/* The whole body is there. */
static void end_look(struct session *session)
{
    struct look *look = session->http->look;
    enum denial denial = gitfetch_batch(buf_str(&look->body));

    if (denial != DENIAL_NONE) {
        http_refuse(session, denial);
        return;
    }
    upstream_take(session, &look->request);
    if (!session->ended)
        forget_look(session->http);
}

/* bytes: the head's. */
static void take_request(struct session *session, const struct h1_head *head, struct str bytes)
{
    struct http *http = session->http;
    struct request request;

    enum denial denial = session_judge(session, head, &request);
    http->old_client = head->minor == 0;
    http->close = !head->keep_alive || http->old_client;
    http->to_head = request.to_head;
    http->keep_refused = head->framing == H1_NO_BODY && !http->close && denial != DENIAL_HTTP_MALFORMED;
    if (denial == DENIAL_HOST_NOT_ALLOWED && http_hold(session, head, &request, bytes))
        return;
    if (denial == DENIAL_NONE)
        denial = outbound_search(session, head, &request);
    if (session->exchange.alarm || canary_closed(session->proxy))
        http->keep_refused = false;
    if (denial == DENIAL_DLP_MATCH && http_hold_match(session, bytes, false))
        return;
    if (denial == DENIAL_NONE && buf_append(&http->head, bytes.ptr, bytes.len) != 0)
        denial = DENIAL_OVERLOADED;
    if (denial != DENIAL_NONE)
        http_refuse(session, denial);
    else
        http_begin(session, head, &request);
}

/* The rest of the body is not wanted. */
static void refuse_within(struct session *session, enum denial denial)
{
    session->http->keep_refused = false;
    http_refuse(session, denial);
}

/* What the agent sent cannot be understood from here on. */
static void bad_request(struct session *session, enum h1_error error)
{
    struct request request;

    if (!session->http->active)
        session_judge(session, &session->proxy->head, &request); /* for what the audit says */
    refuse_within(session, request_denial(error));
}

void http_request_data(struct session *session, struct str data, bool last)
{
    struct http *http = session->http;
    int fits = 0;

    if (http->look != NULL && data.len > 0 && buf_append(&http->look->body, data.ptr, data.len) != 0) {
        refuse_within(session, DENIAL_GIT_PUSH); /* too long to be read whole */
        return;
    }
    if (http->outbound != NULL) {
        enum denial denial = outbound_body(session, data, last, http->chunk_up, &http->up_out);
        if (denial != DENIAL_NONE) {
            if (denial != DENIAL_DLP_MATCH || !http_hold_match(session, str_of(NULL), true))
                refuse_within(session, denial);
            return;
        }
    } else if (data.len > 0) {
        fits = http->chunk_up ? rewrite_chunk(data, &http->up_out)
                              : buf_append(&http->up_out, data.ptr, data.len);
    }
    if (fits == 0 && last && http->chunk_up)
        fits = rewrite_last_chunk(&http->up_out);
    http->request_done = last;
    if (fits != 0)
        http_refuse(session, DENIAL_OVERLOADED);
    else if (last && http->look != NULL)
        end_look(session);
}

/* bytes: those that the event is made of. */
static void request_event(struct session *session, const struct h1_event *event, struct str bytes)
{
    bool body = event->type != H1_EVENT_HEAD && session->http->active;
    enum denial denial = body ? budgets_go_on(session, bytes.len) : DENIAL_NONE;

    if (denial != DENIAL_NONE) {
        refuse_within(session, denial);
        return;
    }
    switch (event->type) {
    case H1_EVENT_HEAD:
        take_request(session, &session->proxy->head, bytes);
        return;
    case H1_EVENT_DATA:
        http_request_data(session, event->data, false);
        return;
    case H1_EVENT_END:
        if (session->http->active) /* else of a request that was refused */
            http_request_data(session, (struct str){0}, true);
        return;
    case H1_EVENT_BAD:
        bad_request(session, event->error);
        return;
    case H1_EVENT_TRAILERS: /* not forwarded */
    case H1_EVENT_MORE:
        return;
    }
}

static void start_requests(struct session *session)
{
    stream_want(session->agent, UV_READABLE);
    http_run(session);
}

/* The agent will send no more. Returns whether that ends something. */
static bool agent_ended(struct session *session)
{
    struct http *http = session->http;

    if (!http->active) {
        http->over = true;
        if (session->out.len > 0)
            session_linger(session);
        else
            session_end(session, false);
        return true;
    }
    if (http->request_done)
        return false;
    http_abort(session, DENIAL_NONE, "the agent ended within its request");
    return true;
}

static bool step_request(struct session *session)
{
    struct http *http = session->http;
    bool within = http->request.state != H1_STATE_HEAD;
    size_t used;

    if (hold_waits(session))
        return false;
    if (http->active && (http->request_done || http->up_deaf ||
                         (http->look == NULL && (http->upstream == NULL || http->up_out.len >= READ_SIZE))))
        return false;
    if (http->active && outbound_waits(http)) {
        http_request_data(session, (struct str){0}, false);
        return true;
    }
    if (!http->active && !within) {
        if (session->in.len == 0)
            return http->agent_eof && agent_ended(session);
        if (session->out.len > READ_SIZE) /* refusals that are not read */
            return false;
        if (!http->begun) {
            http->begun = true;
            http->to_head = http->keep_refused = false;
            session_begin(session, AUDIT_HTTP);
            session->deadline = 0;
        }
        if (!session_reserve(session, start_requests))
            return false;
    }
    struct str bytes = buf_str(&session->in);
    struct h1_event event = h1_next(&http->request, bytes.ptr, bytes.len, &used, &session->proxy->head);
    if (event.type == H1_EVENT_MORE && used == 0)
        return http->agent_eof && agent_ended(session);
    request_event(session, &event, (struct str){bytes.ptr, used});
    if (!session->ended && !http->over)
        buf_consume(&session->in, used);
    return true;
}

static bool step_send_down(struct session *session)
{
    struct http *http = session->http;

    if (session->out.len == 0)
        return false;
    ssize_t put = stream_flush(session->agent, &session->out);
    if (put >= 0)
        return put > 0;
    http->over = true;
    if (http->active)
        session_emit(session, DENIAL_NONE, "the agent closed the connection");
    session_end(session, true);
    return true;
}

static bool step_finish(struct session *session)
{
    struct http *http = session->http;

    if (!http->active || !http->response_done || session->out.len > 0)
        return false;
    bool close = http->close || !http->request_done;
    if (!http->request_done || !http->up_keep || http->up_eof || http->up_deaf || http->up_in.len > 0 ||
        http->up_out.len > 0) /* an answer before the request's last byte was sent: the rest would be lost */
        upstream_drop(http);
    else
        upstream_keep(session);
    session_emit(session, DENIAL_NONE, NULL);
    settle(session);
    if (close) {
        http->over = true;
        session_linger(session);
    }
    return true;
}

/* Time. */

static void on_deadline(struct session *session)
{
    static const enum denial denials[] = {
        [PHASE_HEAD] = DENIAL_HTTP_TIMEOUT,
        [PHASE_DIAL] = DENIAL_UPSTREAM_TIMEOUT,
        [PHASE_RESPONSE] = DENIAL_UPSTREAM_TIMEOUT,
        [PHASE_STREAM] = DENIAL_UPSTREAM_TIMEOUT,
    };
    struct http *http = session->http;

    if (http->phase == PHASE_KEPT) {
        session_end(session, session->out.len > 0);
        return;
    }
    if (http->phase == PHASE_HOLD) {
        http_hold_late(session);
        return;
    }
    refuse_within(session, http->phase == PHASE_STREAM && !http->request_done ? DENIAL_HTTP_TIMEOUT
                                                                              : denials[http->phase]);
}

static enum phase phase_of(const struct session *session)
{
    const struct http *http = session->http;

    if (!http->active) /* bytes that wait behind answers that are not read have begun nothing */
        return http->begun ? PHASE_HEAD : PHASE_KEPT;
    if (hold_waits(session))
        return PHASE_HOLD;
    if (http->look != NULL)
        return PHASE_STREAM;
    if (http->upstream == NULL)
        return PHASE_DIAL;
    return http->request_done && !http->head_sent ? PHASE_RESPONSE : PHASE_STREAM;
}

/* A head's time counts from its first byte, a hold's from its beginning; other phases' from the last progress. */
static void set_deadline(struct session *session)
{
    static const uint64_t ms[] = {
        [PHASE_KEPT] = TIMEOUT_KEPT_MS,
        [PHASE_HEAD] = TIMEOUT_HEAD_MS,
        [PHASE_DIAL] = TIMEOUT_RESOLVE_MS + TIMEOUT_CONNECT_MS + TIMEOUT_TLS_MS +
                       1000, /* a guard: each part of a dial keeps its own time */
        [PHASE_RESPONSE] = TIMEOUT_RESPONSE_MS,
        [PHASE_STREAM] = TIMEOUT_IDLE_MS,
    };
    struct http *http = session->http;
    enum phase phase = phase_of(session);
    bool once = phase == PHASE_HEAD || phase == PHASE_HOLD;

    if (!once || http->phase != phase || session->deadline == 0)
        session_deadline(session, phase == PHASE_HOLD ? hold_ms(session) : ms[phase], on_deadline);
    http->phase = phase;
}

static void set_wants(struct session *session)
{
    struct http *http = session->http;
    bool down_room = session->out.len < READ_SIZE;
    size_t in_max = http->active ? READ_SIZE : HEAD_MAX;
    bool in_head = http->active && !http->head_sent;
    bool up_room = http->up_in.len < READ_SIZE || (in_head && http->up_in.len <= HEAD_MAX);

    /* Of an agent that waits nothing is read; that it has gone is heard all the same. */
    int read = !http->agent_eof && session->in.len <= in_max && down_room ? UV_READABLE : 0;
    stream_want(session->agent,
                (hold_waits(session) ? UV_DISCONNECT : read) | (session->out.len > 0 ? UV_WRITABLE : 0));
    stream_want(http->upstream,
                (!http->up_eof && up_room && down_room ? UV_READABLE : 0) |
                    (http->up_out.len > 0 && !http->up_deaf && !hold_waits(session) ? UV_WRITABLE : 0));
}

void http_run(struct session *session)
{
    struct http *http = session->http;
    bool (*const steps[])(struct session *) = {step_request, upstream_send, upstream_receive, step_send_down,
                                               step_finish};
    bool moved = true;

    while (moved) {
        moved = false;
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            /* each as far as it goes, so that one send takes all that was decoded */
            while (!session->ended && !http->over && steps[i](session))
                moved = true;
        }
    }
    if (session->ended || http->over || session->resume != NULL)
        return;
    set_deadline(session);
    set_wants(session);
}

static void on_agent(struct session *session, int events)
{
    struct http *http = session->http;

    if (hold_waits(session) && (events & (UV_READABLE | UV_DISCONNECT))) { /* readable: an error */
        http_hold_left(session);
        return;
    }
    if ((events & UV_READABLE) && !http->agent_eof) {
        ssize_t got = stream_read(session->agent, &session->in, READ_SIZE);
        if (got == 0) {
            http->agent_eof = true;
        } else if (got < 0 && got != -EAGAIN && got != -ENOBUFS) {
            http->over = true;
            if (http->active)
                session_emit(session, DENIAL_NONE, "the agent closed the connection");
            session_end(session, true);
            return;
        }
    }
    http_run(session);
}

void http_start(struct session *session)
{
    struct http *http = calloc(1, sizeof *http);

    if (http == NULL) {
        session_end(session, true);
        return;
    }
    h1_init(&http->request, true);
    buf_init(&http->up_in, IN_MAX);
    buf_init(&http->up_out, UP_MAX);
    buf_init(&http->head, HEAD_MAX);
    buf_init(&http->again, OUT_MAX);
    session->http = http;
    session->on_agent = on_agent;
    http_run(session);
}

void http_policy(struct session *session)
{
    struct http *http = session->http;
    struct exchange *x = &session->exchange;
    struct policy *policy = session->proxy->worker.policy;
    struct str bytes = buf_str(&http->head);
    const struct route *route;
    struct h1_check check;

    if (http->over || !http->active) {
        if (!http->over && canary_closed(session->proxy) && http_idle(session) && session->out.len == 0)
            session_end(session, false);
        return;
    }
    if (hold_waits(session)) {
        http_hold_policy(session);
        return;
    }
    /* The same bytes read the same; the fields of another route may go on, or stay behind. */
    enum h1_error error = h1_check_parse(&check, true, false, bytes.ptr, bytes.len, &session->proxy->head);
    enum denial denial =
        error != H1_OK ? request_denial(error) : session_judge_again(session, &session->proxy->head, &route);
    if (denial == DENIAL_NONE && x->ip.family != 0 && !policy_may_dial(policy, route, &x->ip))
        denial = DENIAL_ADDRESS_REFUSED;
    if (denial == DENIAL_NONE) {
        policy_ref(policy);
        policy_unref(x->policy);
        x->policy = policy;
        x->route = route;
        return;
    }
    http->keep_refused = false;
    http_refuse(session, denial);
    http_run(session);
}
