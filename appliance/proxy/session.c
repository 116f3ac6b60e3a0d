/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: the order of things.
 *
 *   accept → original destination (listen.c)
 *     a route's own address and raw port → tunnel by name, before a byte is read   (session_tcp.c)
 *     others → first bytes (sniff.c)
 *     TLS     → ClientHello (hello.c) → tunnel by name, or opened with a forged leaf   (session_tls.c)
 *     HTTP/1, opened TLS → request head (h1.c) → judge (core/request.h, core/judge.h)
 *               → dial by name, or the pool's upstream → rewrite → upstream → response head (h1.c) → rewrite
 *               → agent    (http.c moves the events, per request)
 *     others  → refused in their own words (deny.c), or by RST
 *
 * Room for the audit line is held before a verdict takes effect. Without room the session is parked: nothing
 * is read, nothing is forwarded. A line is written when its exchange ends; if the process is killed, the
 * lines of running exchanges are lost with it (an orderly stop writes them).
 */
#include "proxy/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "proxy/deny.h"
#include "proxy/hold.h"
#include "proxy/http.h"
#include "proxy/limits.h"
#include "proxy/listen.h"
#include "proxy/session_tcp.h"
#include "proxy/session_tls.h"
#include "proxy/session_tunnel.h"
#include "proxy/sniff.h"

#define RULE_NONE "default" /* what the audit calls it when no route decided */

static void on_timer(uv_timer_t *timer)
{
    struct session *session = timer->data;
    uint64_t now = uv_now(&session->proxy->worker.loop);

    if (session->ended || session->deadline == 0)
        return;
    if (now < session->deadline)
        uv_timer_start(timer, on_timer, session->deadline - now, 0);
    else
        session->on_deadline(session);
}

void session_deadline(struct session *session, uint64_t ms, void (*on_deadline)(struct session *session))
{
    uint64_t due = uv_timer_get_due_in(&session->timer);

    session->deadline = uv_now(&session->proxy->worker.loop) + ms;
    session->on_deadline = on_deadline;
    if (!uv_is_active((uv_handle_t *)&session->timer) ||
        due > ms) /* else on_timer moves it: no heap work for each byte */
        uv_timer_start(&session->timer, on_timer, ms, 0);
}

static void on_agent_ready(void *ctx, int events)
{
    struct session *session = ctx;

    if (!session->ended && session->resume == NULL)
        session->on_agent(session, events);
}

/* Audit. */

void session_begin(struct session *session, enum audit_kind kind)
{
    struct exchange *x = &session->exchange;

    *x = (struct exchange){.kind = kind, .started_ns = uv_hrtime(), .rule = RULE_NONE};
    audit_id(x->id);
}

bool session_reserve(struct session *session, void (*resume)(struct session *session))
{
    if (session->reserved)
        return true;
    session->reserved = audit_sink_reserve(session->proxy->worker.audit);
    if (session->reserved)
        return true;
    session->resume = resume;
    session->deadline = 0;
    session->proxy->starved = true;
    stream_want(session->agent, 0);
    return false;
}

void session_emit(struct session *session, enum denial denial, const char *detail)
{
    struct exchange *x = &session->exchange;
    const struct hello *hello = session->hello;
    bool forwarded =
        x->bytes_out > 0 || session->tunnel != NULL; /* of raw TCP the server may be the first to speak */
    char covered[64];

    if (x->redacted > 0)
        snprintf(covered, sizeof covered, "redacted %" PRIu64, x->redacted);
    struct audit audit = {
        .kind = x->kind,
        .verdict = x->alarm || denial == DENIAL_SECRET_ELSEWHERE                       ? AUDIT_ALARM
                   : denial != DENIAL_NONE && (!forwarded || denial_by_search(denial)) ? AUDIT_BLOCK
                   : x->redacted + x->findings + x->marked > 0                         ? AUDIT_REDACT
                                                                                       : AUDIT_ALLOW,
        .rule = x->rule,
        .reason = denial,
        .detail = str_of(detail != NULL                         ? detail
                         : denial == DENIAL_SECRET_ELSEWHERE    ? x->leaked.name
                         : x->redacted > 0 && x->reason == NULL ? covered
                                                                : x->reason),
        .detector = x->detector,
        .pattern = x->pattern,
        .surface = x->surface,
        .host = str_of(x->host),
        .method = str_of(x->method),
        .path = str_of(x->path),
        .protocol = x->protocol,
        .alpn = str_of(hello != NULL ? hello->alpn : NULL),
        .tls_version = hello != NULL ? hello->version : NULL,
        .address = session->address,
        .port = session->port,
        .upstream = x->upstream[0] != '\0' ? x->upstream : NULL,
        .status = x->status,
        .bytes_in = x->bytes_in,
        .bytes_out = x->bytes_out,
        .duration_us = (uv_hrtime() - x->started_ns) / 1000,
        .generation = x->generation,
        .single = x->hold != 0, /* the operator was told of this very line */
    };

    memcpy(audit.id, x->id, sizeof audit.id);
    audit_sink_emit(session->proxy->worker.audit, &audit);
    session->reserved = false;
    hold_over(session);
    policy_unref(x->policy);
    x->policy = NULL;
    x->route = NULL;
}

void session_keep_text(char *into, size_t size, struct str text)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;

    for (size_t i = 0; i < len; i++)
        into[i] = text.ptr[i] != '\0' ? text.ptr[i] : '?';
    into[len] = '\0';
}

void session_keep_route(struct session *session, const struct route *route)
{
    struct exchange *x = &session->exchange;
    struct policy *policy = session->proxy->worker.policy;

    x->generation = policy != NULL ? policy->generation : 0;
    if (route == NULL)
        return;
    route_name(route, x->rule);
    policy_ref(policy);
    policy_unref(x->policy);
    x->policy = policy;
    x->route = route;
}

/* Life. */

void session_wait(struct session *session, enum wait wait)
{
    struct proxy *proxy = session->proxy;

    if (session->wait != WAIT_NONE) {
        *(session->wait_prev != NULL ? &session->wait_prev->wait_next : &proxy->waiting[session->wait]) =
            session->wait_next;
        *(session->wait_next != NULL ? &session->wait_next->wait_prev : &proxy->waiting_last[session->wait]) =
            session->wait_prev;
    }
    session->wait = wait;
    session->wait_prev = session->wait_next = NULL;
    if (wait == WAIT_NONE)
        return;
    session->waits_since = uv_now(&proxy->worker.loop);
    session->wait_prev = proxy->waiting_last[wait];
    *(session->wait_prev != NULL ? &session->wait_prev->wait_next : &proxy->waiting[wait]) = session;
    proxy->waiting_last[wait] = session;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void session_end(struct session *session, bool reset)
{
    struct proxy *proxy = session->proxy;

    if (session->ended)
        return;
    session->ended = true;
    hold_over(session);
    session_wait(session, WAIT_NONE);
    session_tls_ended(session);
    if (session->reserved)
        audit_sink_release(proxy->worker.audit);
    policy_unref(session->exchange.policy);
    dial_cancel(session->dial);
    http_free(session);
    stream_close(session->agent, reset);
    buf_fini(&session->in);
    buf_fini(&session->out);
    free(session->hello);
    if (session->prev != NULL)
        session->prev->next = session->next;
    else
        proxy->sessions = session->next;
    if (session->next != NULL)
        session->next->prev = session->prev;
    proxy->count--;
    uv_close((uv_handle_t *)&session->timer, on_timer_closed);
}

static void on_linger_deadline(struct session *session)
{
    session_end(session, session->out.len > 0);
}

static void linger(struct session *session, int events)
{
    (void)events;
    bool unsent = session->out.len > 0;
    if (unsent && stream_flush(session->agent, &session->out) < 0) {
        session_end(session, true);
        return;
    }
    if (unsent && session->out.len == 0)
        stream_shutdown(session->agent);
    ssize_t got = stream_read(session->agent, &session->in, READ_SIZE);
    buf_fini(&session->in);
    if (got > 0)
        session->lingered += (size_t)got;
    if (got == 0 || (got < 0 && got != -EAGAIN) || session->lingered > LINGER_BYTES_MAX)
        session_end(session, session->out.len > 0);
    else
        stream_want(session->agent, UV_READABLE | (session->out.len > 0 ? UV_WRITABLE : 0));
}

void session_linger(struct session *session)
{
    session_wait(session, WAIT_NONE);
    session->on_agent = linger;
    buf_fini(&session->in);
    if (session->out.len == 0)
        stream_shutdown(session->agent);
    stream_want(session->agent, UV_READABLE | (session->out.len > 0 ? UV_WRITABLE : 0));
    session_deadline(session, TIMEOUT_LINGER_MS, on_linger_deadline);
}

/* Refusals outside of HTTP. */

static void refuse_now(struct session *session)
{
    struct exchange *x = &session->exchange;
    const struct deny deny = {.denial = session->refusal, .id = x->id, .host = x->host, .rule = x->rule};
    bool ssh = x->protocol != NULL && strcmp(x->protocol, "ssh") == 0;
    bool h2 = x->protocol != NULL && strcmp(x->protocol, "h2") == 0;
    int said = -1;

    if (x->kind == AUDIT_TLS)
        said = deny_tls(&deny, &session->out);
    else if (ssh)
        said = deny_ssh(&deny, &session->out);
    else if (h2)
        said = deny_h2(&deny, &session->out);
    session_emit(session, session->refusal, NULL);
    if (said == 0)
        session_linger(session);
    else
        session_end(session, true);
}

void session_refuse(struct session *session, enum denial denial)
{
    session_wait(session, WAIT_NONE);
    session->refusal = denial;
    session->on_agent = linger; /* nothing more is looked at */
    stream_want(session->agent, 0);
    if (session_reserve(session, refuse_now))
        refuse_now(session);
}

/* HTTP. */

/* What the policy in force says of a request that was read. */
static enum denial judge(struct session *session, const struct h1_head *head, struct request *request,
                         struct judged *judged)
{
    request->approved = session->exchange.approved;
    if (canary_closed(session->proxy)) {
        *judged = (struct judged){.rule = CANARY_RULE};
        return DENIAL_EGRESS_CLOSED;
    }
    return judge_request(session->proxy->worker.policy, session->port, session->opened, head, request,
                         judged);
}

/* What goes before all other reasons: what is in the head belongs to another host. A request that is refused for another
 * reason may have been the attempt. */
static enum denial judge_leak(struct session *session, const struct route *route, const struct h1_head *head,
                              enum denial denial)
{
    int found = leak_head(session->proxy->worker.policy, route, head, &session->exchange.leaked);

    if (found > 0 && session->exchange.leaked.canary)
        canary_seen(session);
    return found == 0 ? denial : found > 0 ? DENIAL_SECRET_ELSEWHERE : DENIAL_OVERLOADED;
}

/* Text of the agent's for the audit, unless a value is in it. */
static void keep_without_values(struct session *session, char *into, size_t size, struct str text)
{
    struct policy *policy = session->proxy->worker.policy;
    bool holds = policy != NULL && leak_text(policy, text, NULL) != 0;

    session_keep_text(into, size, holds ? str_of("*") : text);
}

enum denial session_judge(struct session *session, const struct h1_head *head, struct request *request)
{
    struct exchange *x = &session->exchange;
    struct judged judged = {.route = NULL};

    session_tls_asked(session);
    enum denial denial = request_read(head, session->opened, request);
    session_keep_text(x->method, sizeof x->method, head->method);
    keep_without_values(session, x->path, sizeof x->path, request->path);
    keep_without_values(session, x->host, sizeof x->host,
                        request->host[0] != '\0' ? str_of(request->host) : request->host_sent);
    if (session->proxy->worker.policy == NULL)
        return DENIAL_NO_POLICY;
    if (denial == DENIAL_NONE)
        denial = session_tls_judge(session, request->host);
    if (denial == DENIAL_NONE)
        denial = judge(session, head, request, &judged);
    denial = judge_leak(session, judged.route, head, denial);
    session_keep_route(session, judged.route);
    if (judged.route != NULL || denial == DENIAL_EGRESS_CLOSED)
        memcpy(x->rule, judged.rule, sizeof x->rule);
    return denial;
}

enum denial session_judge_again(struct session *session, const struct h1_head *head,
                                const struct route **route)
{
    struct exchange *x = &session->exchange;
    const struct policy *policy = session->proxy->worker.policy;
    struct judged judged = {.route = NULL};
    struct request request;
    enum denial denial = request_read(head, session->opened, &request);

    if (denial == DENIAL_NONE)
        denial = judge(session, head, &request, &judged);
    if (policy != NULL)
        denial = judge_leak(session, judged.route, head, denial);
    *route = judged.route;
    if (denial != DENIAL_NONE) { /* else the line says what decided first */
        snprintf(x->rule, sizeof x->rule, "%s", judged.rule[0] != '\0' ? judged.rule : RULE_NONE);
        x->generation = policy != NULL ? policy->generation : 0;
    }
    return denial;
}

/* First bytes. */

static void refuse_other(struct session *session, const char *protocol, enum denial denial)
{
    session->exchange.protocol = protocol;
    session_refuse(session, session->proxy->worker.policy != NULL ? session_tcp_other(session, denial)
                                                                  : DENIAL_NO_POLICY);
}

/* Whether some route is served here, and so the client may be expected to speak. */
static bool reachable(const struct session *session)
{
    const struct policy *policy = session->proxy->worker.policy;

    return session->port == PORT_HTTP || session->port == PORT_HTTPS ||
           (policy != NULL && policy_has_port(policy, session->port));
}

static bool serves_http(const struct session *session)
{
    return session->port != PORT_HTTPS && reachable(session);
}

static void sniff(struct session *session, int events)
{
    (void)events;
    ssize_t got = stream_read(session->agent, &session->in, READ_SIZE);
    if (got == -EAGAIN)
        return;
    if (got <= 0) { /* gone before it said anything that could be judged */
        session_end(session, got < 0);
        return;
    }
    switch (sniff_first(buf_str(&session->in), serves_http(session))) {
    case SNIFF_MORE:
        break;
    case SNIFF_TLS:
        session_tls_start(session);
        break;
    case SNIFF_HTTP1:
        http_start(session);
        break;
    case SNIFF_H2:
        refuse_other(session, "h2", DENIAL_HTTP_VERSION);
        break;
    case SNIFF_SSH:
        refuse_other(session, "ssh", DENIAL_SSH);
        break;
    case SNIFF_OTHER:
        refuse_other(session, NULL, DENIAL_PROTOCOL_UNKNOWN);
        break;
    }
}

static void on_sniff_deadline(struct session *session)
{
    refuse_other(session, NULL,
                 reachable(session) || session->in.len == 0 ? DENIAL_CLIENT_SILENT : DENIAL_PORT_NOT_ALLOWED);
}

void session_new(struct proxy *proxy, int fd, const struct ip *ip, unsigned port)
{
    struct session *session = calloc(1, sizeof *session);
    struct stream *agent = stream_new(&proxy->worker.loop, fd, on_agent_ready, session);

    if (session == NULL || agent == NULL) {
        stream_close(agent, true);
        free(session);
        return;
    }
    session->proxy = proxy;
    session->wait = WAIT_NONE;
    session_wait(session, WAIT_FIRST);
    session->agent = agent;
    session->on_agent = sniff;
    session->port = port;
    ip_format(ip, session->address);
    buf_init(&session->in, IN_MAX);
    buf_init(&session->out, OUT_MAX);
    uv_timer_init(&proxy->worker.loop, &session->timer);
    session->timer.data = session;
    session->next = proxy->sessions;
    if (session->next != NULL)
        session->next->prev = session;
    proxy->sessions = session;
    proxy->count++;
    session_begin(session, AUDIT_TCP);
    if (session_tcp_start(session))
        return;
    session_deadline(session, reachable(session) ? TIMEOUT_SNIFF_MS : TIMEOUT_SNIFF_OTHER_MS,
                     on_sniff_deadline);
    stream_want(agent, UV_READABLE);
}

bool session_evict(struct proxy *proxy)
{
    struct session *session = proxy->waiting[WAIT_FIRST];
    struct session *kept = proxy->waiting[WAIT_NEXT];

    if (session == NULL ||
        (kept != NULL && uv_now(&proxy->worker.loop) - session->waits_since < WAIT_FIRST_MS))
        session = kept;
    if (session == NULL)
        return false;
    bool idle = http_idle(session);
    if (!idle) { /* what has begun is refused; an idle end needs no line, as when its time is over */
        if (!session->reserved && !audit_sink_reserve(proxy->worker.audit))
            return false;
        session->reserved = true;
        session_emit(session, DENIAL_OVERLOADED, "closed for a newer connection");
    }
    session_end(session, !idle || session->out.len > 0);
    return true;
}

/* What concerns all. */

void session_all_policy(struct proxy *proxy)
{
    struct session *next;

    for (struct session *session = proxy->sessions; session != NULL; session = next) {
        next = session->next;
        if (session->http != NULL)
            http_policy(session);
        else if (session->tunnel != NULL || session->dial != NULL)
            session_tunnel_policy(session);
    }
}

void session_all_room(struct proxy *proxy)
{
    struct session *next;

    for (struct session *session = proxy->sessions; session != NULL; session = next) {
        void (*resume)(struct session *) = session->resume;
        next = session->next;
        if (resume == NULL)
            continue;
        session->resume = NULL;
        if (session_reserve(session, resume))
            resume(session);
    }
}

void session_all_stop(struct proxy *proxy)
{
    struct session *next;

    listen_stop(proxy);
    for (struct session *session = proxy->sessions; session != NULL; session = next) {
        bool running = http_running(session);
        next = session->next;
        if (hold_waits(session)) {
            session_emit(session, DENIAL_HELD_ENDED, "the sidecar was stopped");
            session_end(session, true);
            continue;
        }
        if (session->tunnel != NULL) {
            session_tunnel_stop(session);
            continue;
        }
        if (running)
            session_emit(session, DENIAL_NONE, "the sidecar was stopped");
        session_end(session, running); /* nothing may happen to it any more: its line is written */
    }
}
