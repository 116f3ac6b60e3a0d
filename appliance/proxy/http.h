/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http: the HTTP/1 requests of one session, one after the other: decodes the agent's leg and the upstream's,
 * each with its own codec, and carries events between them. What a head's fate is, session.c says.
 */
#ifndef PROXY_HTTP_H
#define PROXY_HTTP_H

#include "proxy/session.h"

/* Takes over an agent's connection whose first bytes are in session->in. */
void http_start(struct session *session);

/* The policy has changed: what the new one does not allow ends now. */
void http_policy(struct session *session);

/* Whether a request has gone upstream and its line is not written. */
bool http_running(const struct session *session);

/* Whether it is between two requests, or before the first byte of one. */
bool http_idle(const struct session *session);

/* Frees it with its upstream connection; session->http may be NULL. */
void http_free(struct session *session);

#endif
