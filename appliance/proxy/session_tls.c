/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_tls: the stages of a connection that begins with a ClientHello. The server name in it, and nothing
 * that TLS says later, decides: a route with tls.passthrough gets a tunnel, everything else is opened with a
 * forged leaf, whether it is allowed or not, so that a refusal can be read. The handshake with the agent
 * never waits for an upstream's.
 */
#include "proxy/session_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/decide.h"
#include "proxy/http.h"
#include "proxy/limits.h"
#include "proxy/outbound.h"
#include "proxy/session_tunnel.h"

/* What the policy in force now says to this session's name; the route is kept when it allows it. */
static enum denial judge_tls(struct session *session)
{
    struct exchange *x = &session->exchange;
    struct policy *policy = session->proxy->worker.policy;
    const struct route *route;
    enum denial denial = decide_tls(policy, x->host, session->port, session->hello->ech, &route);

    if (denial == DENIAL_NONE && x->ip.family != 0 && !policy_may_dial(policy, route, &x->ip))
        denial = DENIAL_ADDRESS_REFUSED;
    session_keep_route(session, route);
    return denial;
}

/* Opened connections. */

/* The name of the leaf: what the client asked for, else where it thinks to be. */
static const char *leaf_name(const struct session *session)
{
    return session->hello->name_len > 0 ? session->hello->name : session->address;
}

void session_tls_asked(struct session *session)
{
    if (session->opened && !session->asked)
        leaf_trusted(session->proxy->leaves, leaf_name(session));
    session->asked = true;
}

enum denial session_tls_judge(struct session *session, const char *host)
{
    if (!session->opened)
        return DENIAL_NONE;
    if (session->nameless != DENIAL_NONE)
        return session->nameless;
    return strcmp(host, session->hello->name) == 0 ? DENIAL_NONE : DENIAL_MISDIRECTED;
}

static void say_lost(struct session *session)
{
    session_emit(session, session->refusal, NULL);
    session->asked = true; /* said */
    session_end(session, false);
}

static void ignore(struct session *session, int events)
{
    (void)session;
    (void)events;
}

static void lose(struct session *session, enum denial denial, const char *reason)
{
    session_wait(session, WAIT_NONE);
    session->refusal = denial;
    session->exchange.reason = reason;
    session->on_agent = ignore;
    session->deadline = 0;
    stream_want(session->agent, 0);
    if (session_reserve(session, say_lost))
        say_lost(session);
}

#define REMEDY                                                                                               \
    " Let the client read the system's certificates or the file that SSL_CERT_FILE names; one that pins "    \
    "certificates needs tls.passthrough on its route."

static void shake_failed(struct session *session)
{
    struct tls_failure failure = tls_failure(session->agent);

    if (failure.refused)
        lose(session, DENIAL_CA_REFUSED, "The client refused the certificate by an alert." REMEDY);
    else if (failure.gone && failure.answered)
        lose(session, DENIAL_CA_REFUSED, "The client ended the connection at the certificate." REMEDY);
    else
        lose(session, DENIAL_TLS_HANDSHAKE, failure.reason);
}

static void shake(struct session *session, int events)
{
    int wanted;

    (void)events;
    int result = tls_handshake(session->agent, &wanted);
    if (result == -EAGAIN)
        stream_want(session->agent, wanted);
    else if (result == 0)
        http_start(session);
    else
        shake_failed(session);
}

static void on_shake_deadline(struct session *session)
{
    lose(session, DENIAL_TLS_HANDSHAKE, "The client did not finish the handshake in time.");
}

static void open_tls(struct session *session)
{
    struct proxy *proxy = session->proxy;
    struct hello *hello = session->hello;
    const struct leaf *leaf =
        leaf_get(proxy->leaves, leaf_name(session), session->nameless != DENIAL_NONE, time(NULL));

    hello_reframe(hello, &session->in);
    if (leaf == NULL ||
        tls_serve(proxy->tls, session->agent, leaf, hello->alpn[0] != '\0', &session->in) != 0) {
        session_refuse(session, DENIAL_OVERLOADED);
        return;
    }
    session->opened = true;
    session->on_agent = shake;
    session_deadline(session, TIMEOUT_TLS_MS, on_shake_deadline);
    shake(session, 0);
}

void session_tls_ended(struct session *session)
{
    struct exchange *x = &session->exchange;

    if (!session->opened || session->asked || session->agent == NULL || tls_version(session->agent) == NULL)
        return;
    struct tls_failure failure = tls_failure(session->agent);
    const struct leaf *leaf =
        leaf_get(session->proxy->leaves, leaf_name(session), session->nameless != DENIAL_NONE, time(NULL));
    bool trusted = leaf != NULL && leaf->trusted;
    if (!failure.refused && (!failure.gone || trusted)) /* browsers open connections ahead of need */
        return;
    session->reserved = session->reserved || audit_sink_reserve(session->proxy->worker.audit);
    if (!session->reserved)
        return;
    x->reason = failure.refused ? "The client refused the certificate by an alert." REMEDY
                                : "The client left without a request; perhaps it does not trust the "
                                  "certificate." REMEDY;
    session_emit(session, DENIAL_CA_REFUSED, NULL);
}

/* The first bytes. */

/* A server name goes on with a tunnel, and into logs. */
static bool holds_secret(struct session *session, struct str name)
{
    struct exchange *x = &session->exchange;
    struct policy *policy = session->proxy->worker.policy;

    if (policy == NULL || leak_text(policy, name, &x->leaked) <= 0)
        return false;
    snprintf(x->host, sizeof x->host, "*");
    if (x->leaked.canary)
        canary_seen(session);
    return true;
}

/* What a name says under a wildcard is the agent's choice, and goes to whoever has that: in the letters that it was sent in, which a
 * canonical name has lost. `sent`: all of it; it is as long as the canonical one. */
static enum denial search_name(struct session *session, struct str sent)
{
    const struct route *route = session->exchange.route;

    if (!route->wildcard)
        return DENIAL_NONE;
    return outbound_search_name(session, (struct str){sent.ptr, sent.len - strlen(route->host) - 1});
}

/* The whole ClientHello is there. */
static void decide_hello(struct session *session)
{
    struct exchange *x = &session->exchange;
    struct policy *policy = session->proxy->worker.policy;
    struct hello *hello = session->hello;
    struct str name = {hello->name, hello->name_len};
    char sent[sizeof hello->name];

    memcpy(sent, hello->name, sizeof sent);
    if (holds_secret(session, name)) {
        session_refuse(session, DENIAL_SECRET_ELSEWHERE);
        return;
    }
    session_keep_text(x->host, sizeof x->host, name);
    if (name.len == 0)
        session->nameless = DENIAL_TLS_NO_NAME;
    else if (host_is_address(name))
        session->nameless = DENIAL_ADDRESS_LITERAL;
    else if (host_canon(name, x->host) != 0) {
        session_refuse(session, DENIAL_TLS_MALFORMED);
        return;
    }
    if (session->nameless != DENIAL_NONE)
        hello->name_len = 0;
    else
        strcpy(hello->name, x->host);
    if (session->nameless != DENIAL_NONE || canary_closed(session->proxy) ||
        !decide_tunnel(policy, x->host, session->port)) {
        open_tls(session);
        return;
    }
    enum denial denial = judge_tls(session);
    if (denial == DENIAL_NONE)
        denial = search_name(session, (struct str){sent, name.len});
    if (denial != DENIAL_NONE) {
        session_refuse(session, denial);
        return;
    }
    session_tunnel_start(session, judge_tls);
}

static void read_hello(struct session *session)
{
    struct str bytes = buf_str(&session->in);

    switch (hello_parse(session->hello, bytes.ptr, bytes.len)) {
    case HELLO_MORE:
        break;
    case HELLO_BAD:
        session_refuse(session,
                       session->proxy->worker.policy != NULL ? DENIAL_TLS_MALFORMED : DENIAL_NO_POLICY);
        break;
    case HELLO_OK:
        decide_hello(session);
        break;
    }
}

static void more_hello(struct session *session, int events)
{
    (void)events;
    ssize_t got = stream_read(session->agent, &session->in, READ_SIZE);
    if (got > 0)
        read_hello(session);
    else if (got != -EAGAIN) /* gone before it said anything that could be judged */
        session_end(session, got < 0);
}

void session_tls_start(struct session *session)
{
    session->hello = malloc(sizeof *session->hello);
    if (session->hello == NULL) {
        session_refuse(session, DENIAL_OVERLOADED);
        return;
    }
    session->exchange.kind = AUDIT_TLS;
    session->on_agent = more_hello;
    hello_init(session->hello);
    read_hello(session);
}
