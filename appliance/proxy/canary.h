/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * canary: what follows when the bottle's canary (core/secret.h) was found on its way out. With on_canary: stop this worker
 * denies everything at once and tells init, which closes the egress of the whole bottle by a policy that says so
 * (core/policy.h's `closed`) and opens it again when the operator says so. Until that policy is here, the worker's own
 * word holds, whatever other policy comes.
 */
#ifndef PROXY_CANARY_H
#define PROXY_CANARY_H

#include <stdbool.h>
#include <uv.h>

#include "core/audit.h"
#include "core/str.h"

#define CANARY_RULE "egress.on_canary" /* what the audit calls it */

struct proxy;
struct session;

/* All zero: nothing was seen. */
struct canary {
    bool seen;  /* and init's policy is not here yet */
    bool ended; /* what ran then has been judged again */
    char event[AUDIT_ID_MAX];
    uv_timer_t timer; /* what has to be done when the sighting's own session is done with its turn */
};

void canary_init(struct proxy *proxy);

/* It was found in what this session's exchange would send. May be called as often as it is found. */
void canary_seen(struct session *session);

/* Whether everything is to be denied. */
bool canary_closed(const struct proxy *proxy);

/* The worker's policy is new. */
void canary_policy(struct proxy *proxy);

#endif
