/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * credentials: the route's credential. The agent's own never goes upstream unless the route says so
 * (core/forward.h); the route's does, over verified TLS only, and what an upstream sends back of it is covered (redact.h).
 * Where the agent holds a placeholder the value goes where it stands; a request without it is served as one to a route
 * that has none.
 */
#ifndef PROXY_CREDENTIALS_H
#define PROXY_CREDENTIALS_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/denial.h"
#include "core/h1_head.h"
#include "core/policy.h"
#include "proxy/redact.h"

/* Writes a field of the agent's that forward_strips leaves behind, if the placeholder stands in it as a word of its own
 * (in Basic credentials: as the user or as the password) in Authorization or another place of the route's: with the
 * value in its place. Returns 1 when it did, 0 when nothing was written, -1 when it does not fit. */
int credentials_swap(const struct route *route, const struct h1_field *field, struct buf *out);

/* Writes the query ("?a=b", or empty): in the route's parameters the value for the placeholder; where anything else is in
 * them they are left out. Returns as credentials_swap; 0 when no value went in. */
int credentials_query(const struct route *route, struct str query, struct buf *out);

/* Writes the route's own fields, if it has any; swapped: the value has gone in already, in the agent's own way. Returns
 * 0, or -1 when they do not fit. */
int credentials_put(const struct route *route, bool swapped, struct buf *out);

/* What covers the route's value, made at its first use; it lives as long as the policy. NULL when memory is
 * out; only for routes that inject. */
const struct redactor *credentials_redactor(const struct route *route);

/* Covers the value in a response's fields and reason, in place: the head's slices must point into memory of
 * our own. Returns how often it was there. */
unsigned credentials_mask(const struct redactor *redactor, const struct h1_head *head);

/* Whether a response's body is in a coding in which the value could not be seen. */
bool credentials_coded(const struct h1_head *head);

#endif
