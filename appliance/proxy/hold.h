/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hold: exchanges that wait for the operator's verdict (core/hold.h). Whoever has a reason to ask calls hold_begin and is
 * called back once; until then it must neither read of the agent nor send to an upstream. A worker has at most HOLD_MAX
 * of them, the oldest makes room; the time is the caller's to watch. Nothing is ever approved by default.
 */
#ifndef PROXY_HOLD_H
#define PROXY_HOLD_H

#include "core/hold.h"
#include "proxy/session.h"

/* Asks. The record is complete but for its event and its base, which are the exchange's. Returns DENIAL_NONE: `then` is called once,
 * from the loop: with DENIAL_NONE when it was approved (exchange.approved is set then, and has to be judged again), else
 * with why not; or a denial: nothing waits. */
enum denial hold_begin(struct session *session, struct hold_request *request,
                       void (*then)(struct session *session, enum denial denial));

bool hold_waits(const struct session *session);

/* How long one waits, in ms, by the policy in force, of which there is one. */
uint64_t hold_ms(const struct session *session);

/* Nobody waits any more: `then` is not called. Fine when nobody did. */
void hold_stop(struct session *session);

/* The exchange is over: init may forget what it knows of it. Fine when it was never held. */
void hold_over(struct session *session);

/* CHANNEL_VERDICT. */
void hold_verdict(struct proxy *proxy, uint64_t number, struct str text);

#endif
