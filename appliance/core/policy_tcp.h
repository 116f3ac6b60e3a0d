/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy_tcp: routes for raw TCP. Raw bytes name no host, so each such route has an address of its own in
 * 198.18.0.0/15 (RFC 2544: nobody's on the internet), that the agent's resolver gives for its name and by which the
 * proxy knows it again. It is computed from the policy alone: two workers need not speak to each other.
 */
#ifndef CORE_POLICY_TCP_H
#define CORE_POLICY_TCP_H

#include <jansson.h>

#include "core/policy.h"

/* Reads the member "tcp" into the struct route `into`, as a member of core/json_in.h. Returns 0, or -1 with err. */
int policy_tcp_read(json_t *value, void *into, struct err *err);

/* What "tcp" and the rest of a route say together, its default ports filled in. Returns 0, or -1 with err. */
int policy_tcp_check(const struct route *route, struct err *err);

/* Why no raw TCP leads to this port; NULL when it may. */
const char *policy_tcp_problem(unsigned port);

/*
 * Gives every route with raw TCP its address; once, when all routes are there. An address is a candidate drawn by a hash
 * of the name, so it stays the same whatever else is in the policy. Where two names draw the same (of ten names, once
 * in 2,900 policies), the one that sorts later takes its next candidate. No address is one of the sidecar's own ranges
 * or ends with 0 or 255. Returns 0, or -1 with err: too many names, no room, no memory.
 */
int policy_tcp_assign(struct policy *policy, struct err *err);

/* The route whose address this is, or NULL. */
const struct route *policy_tcp_find(const struct policy *policy, const struct ip *ip);

/* Whether raw TCP leads to this route's port. */
bool route_has_tcp(const struct route *route, unsigned port);

#endif
