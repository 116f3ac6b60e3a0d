/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: the order of things.
 *
 *   accept → original destination (listen.c) → first bytes (sniff.c)
 *     TLS     → ClientHello (hello.c) → decide → dial by name → tunnel (splice.c)
 *     HTTP/1  → request head (h1.c) → judge: request.c, decide.c → dial by name, or the kept upstream →
 * rewrite → upstream upstream → response head (h1.c) → rewrite → agent          (http.c moves the events, per
 * request) others  → refused in their own words (deny.c), or by RST
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

#include "proxy/credentials.h"
#include "proxy/decide.h"
#include "proxy/deny.h"
#include "proxy/gitfetch.h"
#include "proxy/http.h"
#include "proxy/limits.h"
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
    bool forwarded = x->bytes_out > 0;
    char covered[64];

    snprintf(covered, sizeof covered, "redacted %" PRIu64, x->redacted);
    const struct audit audit = {
        .kind = x->kind,
        .verdict = denial != DENIAL_NONE && !forwarded ? AUDIT_BLOCK
                   : x->redacted > 0                   ? AUDIT_REDACT
                                                       : AUDIT_ALLOW,
        .rule = x->rule,
        .reason = denial,
        .detail = str_of(detail == NULL && x->redacted > 0 ? covered : detail),
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
    };
    struct audit line = audit;

    memcpy(line.id, x->id, sizeof line.id);
    audit_sink_emit(session->proxy->worker.audit, &line);
    session->reserved = false;
    policy_unref(x->policy);
    x->policy = NULL;
    x->route = NULL;
}

static void keep_text(char *into, size_t size, struct str text)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;

    for (size_t i = 0; i < len; i++)
        into[i] = text.ptr[i] != '\0' ? text.ptr[i] : '?';
    into[len] = '\0';
}

/* The route that decided, for as long as the exchange runs. */
static void keep_route(struct session *session, const struct route *route)
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

static void refuse(struct session *session, enum denial denial)
{
    session->refusal = denial;
    session->on_agent = linger; /* nothing more is looked at */
    stream_want(session->agent, 0);
    if (session_reserve(session, refuse_now))
        refuse_now(session);
}

/* TLS. */

static void on_tunnel_progress(void *ctx);

static void tunnel_over(struct session *session, enum denial denial, const char *detail)
{
    struct tunnel_bytes bytes = tunnel_bytes(session->tunnel);

    session->exchange.bytes_in = bytes.in;
    session->exchange.bytes_out = bytes.out;
    session_emit(session, denial, detail);
}

static void on_tunnel_done(void *ctx, enum tunnel_end end)
{
    static const struct {
        enum denial denial;
        const char *detail;
    } ends[] = {
        [TUNNEL_DONE] = {DENIAL_NONE, NULL},
        [TUNNEL_BROKEN] = {DENIAL_NONE, "reset by one side"},
        [TUNNEL_NO_PIPE] = {DENIAL_OVERLOADED, "no descriptors left"},
    };
    struct session *session = ctx;

    tunnel_over(session, ends[end].denial, ends[end].detail);
    session->tunnel = NULL; /* it disposes of itself */
    session_end(session, false);
}

static void break_tunnel(struct session *session, enum denial denial, const char *detail)
{
    tunnel_over(session, denial, detail);
    tunnel_break(session->tunnel);
    session->tunnel = NULL;
    session_end(session, true);
}

static void on_tunnel_idle(struct session *session)
{
    break_tunnel(session, DENIAL_NONE, "idle for too long");
}

static void on_tunnel_progress(void *ctx)
{
    session_deadline(ctx, TIMEOUT_IDLE_MS, on_tunnel_idle);
}

/* What the policy in force now says to this session's name; the route is kept when it allows it. */
static enum denial judge_tls(struct session *session)
{
    struct exchange *x = &session->exchange;
    struct policy *policy = session->proxy->worker.policy;
    const struct route *route;
    enum denial denial = decide_tls(policy, x->host, session->port, session->hello->ech, &route);

    if (denial == DENIAL_NONE && x->ip.family != 0 && !policy_may_dial(policy, route, &x->ip))
        denial = DENIAL_ADDRESS_REFUSED;
    keep_route(session, route);
    return denial;
}

static void on_tls_dialled(void *ctx, const struct dial_result *result)
{
    struct session *session = ctx;
    struct exchange *x = &session->exchange;
    char ip[IP_TEXT];

    session->dial = NULL;
    enum denial denial = result->denial;
    x->ip = result->ip;
    if (x->ip.family != 0) {
        ip_format(&x->ip, ip);
        snprintf(x->upstream, sizeof x->upstream, "%s:%u", ip, session->port);
    }
    if (denial == DENIAL_NONE) {
        denial = judge_tls(session); /* the policy may have changed while it was dialled */
        if (denial == DENIAL_NONE)
            session->tunnel = tunnel_new(session->agent, result->stream, &session->in, on_tunnel_progress,
                                         on_tunnel_done, session);
        if (session->tunnel == NULL)
            stream_close(result->stream, true);
    }
    if (session->tunnel == NULL) {
        refuse(session, denial != DENIAL_NONE ? denial : DENIAL_OVERLOADED);
        return;
    }
    session->agent = NULL;
    session_deadline(session, TIMEOUT_IDLE_MS, on_tunnel_idle);
}

static void dial_tls(struct session *session)
{
    struct exchange *x = &session->exchange;
    struct proxy *proxy = session->proxy;

    enum denial denial =
        judge_tls(session); /* again: the policy may have changed while the session was parked */
    if (denial == DENIAL_NONE)
        session->dial = dial_start(&proxy->worker.loop, proxy->resolver, x->policy, x->route, x->host,
                                   session->port, on_tls_dialled, session);
    if (session->dial == NULL)
        refuse(session, denial != DENIAL_NONE ? denial : DENIAL_OVERLOADED);
}

/* The whole ClientHello is there. */
static void decide_hello(struct session *session)
{
    struct exchange *x = &session->exchange;
    const struct hello *hello = session->hello;
    struct str name = {hello->name, hello->name_len};

    keep_text(x->host, sizeof x->host, name);
    enum denial denial = DENIAL_NONE;
    if (session->proxy->worker.policy == NULL)
        denial = DENIAL_NO_POLICY;
    else if (name.len == 0)
        denial = DENIAL_TLS_NO_NAME;
    else if (host_is_address(name))
        denial = DENIAL_ADDRESS_LITERAL;
    else if (host_canon(name, x->host) != 0)
        denial = DENIAL_TLS_MALFORMED;
    else
        denial = judge_tls(session);
    if (denial != DENIAL_NONE) {
        refuse(session, denial);
        return;
    }
    session->deadline = 0;
    stream_want(session->agent, 0);
    if (session_reserve(session, dial_tls))
        dial_tls(session);
}

static void read_hello(struct session *session)
{
    struct str bytes = buf_str(&session->in);

    switch (hello_parse(session->hello, bytes.ptr, bytes.len)) {
    case HELLO_MORE:
        break;
    case HELLO_BAD:
        refuse(session, session->proxy->worker.policy != NULL ? DENIAL_TLS_MALFORMED : DENIAL_NO_POLICY);
        break;
    case HELLO_OK:
        decide_hello(session);
        break;
    }
}

/* HTTP. */

enum denial session_judge(struct session *session, const struct h1_head *head, struct request *request)
{
    struct exchange *x = &session->exchange;
    const struct route *route = NULL;

    enum denial denial = request_read(head, request);
    keep_text(x->method, sizeof x->method, head->method);
    keep_text(x->path, sizeof x->path, request->path);
    keep_text(x->host, sizeof x->host, request->host[0] != '\0' ? str_of(request->host) : request->host_sent);
    if (session->proxy->worker.policy == NULL)
        return DENIAL_NO_POLICY;
    if (denial == DENIAL_NONE)
        denial = decide_http(session->proxy->worker.policy, request->host, session->port, request->host_port,
                             &route);
    if (denial == DENIAL_NONE)
        denial = credentials_judge(route, request->secure);
    if (denial == DENIAL_NONE)
        denial = gitfetch_judge(route, head, request);
    keep_route(session, route);
    return denial;
}

/* First bytes. */

static void start_hello(struct session *session)
{
    session->hello = malloc(sizeof *session->hello);
    if (session->hello == NULL) {
        refuse(session, DENIAL_OVERLOADED);
        return;
    }
    session->exchange.kind = AUDIT_TLS;
    hello_init(session->hello);
    read_hello(session);
}

static void refuse_other(struct session *session, const char *protocol, enum denial denial)
{
    session->exchange.protocol = protocol;
    refuse(session, session->proxy->worker.policy != NULL ? denial : DENIAL_NO_POLICY);
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
    if (session->hello != NULL) {
        read_hello(session);
        return;
    }
    switch (sniff_first(buf_str(&session->in), session->port == PORT_HTTP)) {
    case SNIFF_MORE:
        break;
    case SNIFF_TLS:
        start_hello(session);
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
    bool reachable = session->port == PORT_HTTP || session->port == PORT_HTTPS;

    refuse_other(session, NULL,
                 reachable || session->in.len == 0 ? DENIAL_CLIENT_SILENT : DENIAL_PORT_NOT_ALLOWED);
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
    session_deadline(session,
                     port == PORT_HTTP || port == PORT_HTTPS ? TIMEOUT_SNIFF_MS : TIMEOUT_SNIFF_OTHER_MS,
                     on_sniff_deadline);
    stream_want(agent, UV_READABLE);
}

/* What concerns all. */

static void tls_policy(struct session *session)
{
    enum denial denial = judge_tls(session);

    if (denial == DENIAL_NONE)
        return;
    if (session->tunnel != NULL) {
        break_tunnel(session, denial, "closed by a new policy");
        return;
    }
    dial_cancel(session->dial);
    session->dial = NULL;
    refuse(session, denial);
}

void session_all_policy(struct proxy *proxy)
{
    struct session *next;

    for (struct session *session = proxy->sessions; session != NULL; session = next) {
        next = session->next;
        if (session->http != NULL)
            http_policy(session);
        else if (session->tunnel != NULL || session->dial != NULL)
            tls_policy(session);
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
    for (struct session *session = proxy->sessions; session != NULL; session = session->next) {
        if (session->tunnel != NULL)
            tunnel_over(session, DENIAL_NONE, "the sidecar was stopped");
        else if (http_running(session))
            session_emit(session, DENIAL_NONE, "the sidecar was stopped");
    }
}
