/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session_tunnel: a session that is carried to its host unopened: TLS that is passed through by its server name
 * (session_tls.c), raw TCP (session_tcp.c). For those and session.c only. */
#ifndef PROXY_SESSION_TUNNEL_H
#define PROXY_SESSION_TUNNEL_H

#include "proxy/session.h"

/* Dials the exchange's host as soon as there is room for the audit line, and carries what is in session->in and both
 * directions from then on. Until it is connected nothing more is read from the agent. `judge` says what the policy in
 * force allows, keeping the route that decided (session_keep_route): it is asked before the dial, after it, and whenever
 * the policy is new; a tunnel that it no longer allows ends at once. */
void session_tunnel_start(struct session *session, enum denial (*judge)(struct session *session));

/* The policy has changed. */
void session_tunnel_policy(struct session *session);

/* The worker ends: a tunnel's line is written now. */
void session_tunnel_stop(struct session *session);

#endif
