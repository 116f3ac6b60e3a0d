/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forward: what of a request goes on to the upstream, and whether the route's credential may go with it. The
 * agent's own credential stays behind unless the route says otherwise.
 */
#ifndef CORE_FORWARD_H
#define CORE_FORWARD_H

#include <stdbool.h>

#include "core/denial.h"
#include "core/h1_head.h"
#include "core/policy.h"

/* Whether a request may get this route's credential. secure: its upstream is reached over verified TLS. */
enum denial forward_judge(const struct route *route, bool secure);

/* Whether a field stays behind on this route for what it carries: '_' counts as '-', as it does for CGI. */
bool forward_strips(const struct route *route, struct str name);

/* Whether a field is one that carries a credential, cookies aside. */
bool forward_carries(struct str name);

/* The same, or because it belongs to one connection or is written anew. */
bool forward_may(const struct route *route, struct str name);

/* Whether a field of the agent's goes on: all that, and what Connection names. */
bool forward_field(const struct h1_head *head, const struct route *route, const struct h1_field *field);

#endif
