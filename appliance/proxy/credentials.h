/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * credentials: the route's credential. The agent's own never goes upstream unless the route says so
 * (core/forward.h); the route's does, over verified TLS only, and what an upstream sends back of it is covered (redact.h).
 */
#ifndef PROXY_CREDENTIALS_H
#define PROXY_CREDENTIALS_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/denial.h"
#include "core/h1_head.h"
#include "core/policy.h"
#include "proxy/redact.h"

/* Writes the route's own fields, if it has any. Returns 0, or -1 when they do not fit. */
int credentials_put(const struct route *route, struct buf *out);

/* What covers the route's value, made at its first use; it lives as long as the policy. NULL when memory is
 * out; only for routes that inject. */
const struct redactor *credentials_redactor(const struct route *route);

/* Covers the value in a response's fields and reason, in place: the head's slices must point into memory of
 * our own. Returns how often it was there. */
unsigned credentials_mask(const struct redactor *redactor, const struct h1_head *head);

/* Whether a response's body is in a coding in which the value could not be seen. */
bool credentials_coded(const struct h1_head *head);

#endif
