/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session_tcp: raw TCP, for session.c only: a connection to the synthetic address of a route (core/policy_tcp.h). */
#ifndef PROXY_SESSION_TCP_H
#define PROXY_SESSION_TCP_H

#include "proxy/session.h"

/* Takes over a session that has only just begun, if its destination is such an address and its port one of the route's
 * raw ones: it is dialled before a byte is read, since servers may be the first to speak. Returns whether it did. */
bool session_tcp_start(struct session *session);

/* A connection to such an address that turned out to be neither TLS nor HTTP: keeps its name and rule for the audit, and
 * returns PORT_NOT_ALLOWED where its route is not served on the port; else what it was given. */
enum denial session_tcp_other(struct session *session, enum denial denial);

#endif
