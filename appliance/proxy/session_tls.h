/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session_tls: the stages of a session that begins with a ClientHello. For session.c only. */
#ifndef PROXY_SESSION_TLS_H
#define PROXY_SESSION_TLS_H

#include "proxy/session.h"

/* Takes over an agent's connection whose first bytes, of TLS, are in session->in. */
void session_tls_start(struct session *session);

/* A request has come: the client trusts the certificate, when there is one. */
void session_tls_asked(struct session *session);

/* What the connection itself says to a request for this canonical host: NONE, or why it serves no such
 * request. NONE for a plain connection. */
enum denial session_tls_judge(struct session *session, const char *host);

/* The session ends: a client that came, saw the certificate and left is told of in the audit. */
void session_tls_ended(struct session *session);

#endif
