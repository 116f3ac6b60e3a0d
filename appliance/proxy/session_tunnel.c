/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session_tunnel: see session_tunnel.h. It must never connect a session to anything but a name that its judge has
 * allowed under the policy that is in force at that moment. */
#include "proxy/session_tunnel.h"

#include <stdio.h>

#include "proxy/limits.h"

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

/* None leads anywhere while the egress is closed. */
static enum denial judge_now(struct session *session)
{
    struct exchange *x = &session->exchange;

    if (!canary_closed(session->proxy))
        return session->tunnel_judge(session);
    snprintf(x->rule, sizeof x->rule, CANARY_RULE);
    return DENIAL_EGRESS_CLOSED;
}

static void on_dialled(void *ctx, const struct dial_result *result)
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
        denial = judge_now(session); /* the policy may have changed while it was dialled */
        if (denial == DENIAL_NONE)
            session->tunnel = tunnel_new(session->agent, result->stream, &session->in, on_tunnel_progress,
                                         on_tunnel_done, session);
        if (session->tunnel == NULL)
            stream_close(result->stream, true);
    }
    if (session->tunnel == NULL) {
        session_refuse(session, denial != DENIAL_NONE ? denial : DENIAL_OVERLOADED);
        return;
    }
    session->agent = NULL;
    session_deadline(session, TIMEOUT_IDLE_MS, on_tunnel_idle);
}

static void dial_now(struct session *session)
{
    struct exchange *x = &session->exchange;
    struct proxy *proxy = session->proxy;

    enum denial denial =
        judge_now(session); /* again: the policy may have changed while the session was parked */
    if (denial == DENIAL_NONE)
        session->dial = dial_start(&proxy->worker.loop, proxy->resolver, x->policy, x->route, x->host,
                                   session->port, NULL, on_dialled, session);
    if (session->dial == NULL)
        session_refuse(session, denial != DENIAL_NONE ? denial : DENIAL_OVERLOADED);
}

void session_tunnel_policy(struct session *session)
{
    enum denial denial = judge_now(session);

    if (denial == DENIAL_NONE)
        return;
    if (session->tunnel != NULL) {
        break_tunnel(session, denial, denial == DENIAL_EGRESS_CLOSED ? NULL : "closed by a new policy");
        return;
    }
    dial_cancel(session->dial);
    session->dial = NULL;
    session_refuse(session, denial);
}

void session_tunnel_stop(struct session *session)
{
    break_tunnel(session, DENIAL_NONE, "the sidecar was stopped");
}

void session_tunnel_start(struct session *session, enum denial (*judge)(struct session *session))
{
    session->tunnel_judge = judge;
    session->deadline = 0;
    session_wait(session, WAIT_NONE);
    stream_want(session->agent, 0);
    if (session_reserve(session, dial_now))
        dial_now(session);
}
