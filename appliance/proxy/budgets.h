/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * budgets: how much the requests of each route with dlp.budget sent in the last minute (core/budget.h), in this worker, whose
 * policy has its part of the whole (init/policy_store.c). Counted are heads that were let through, and their bodies, as the agent
 * sent them: with the framing of chunks, and what is compressed as it is, also where it goes on unpacked. There is one count for
 * a route, whatever the number of hosts that a wildcard stands for.
 */
#ifndef PROXY_BUDGETS_H
#define PROXY_BUDGETS_H

#include <stddef.h>

#include "core/denial.h"
#include "core/err.h"
#include "core/h1_head.h"
#include "core/policy.h"

struct budgets;
struct session;

/* Nothing is counted yet. NULL when memory is out. */
struct budgets *budgets_new(void);

/* A policy that is in force from now on: routes that had a budget keep what they used, also when it is another one now.
 * Returns 0, or -1 with err: all is as before. */
int budgets_offer(struct budgets *budgets, const struct policy *policy, struct err *err);

/* A request that was let through, whose head has so many bytes. One whose length is known is refused here when the whole does not
 * fit: nothing of it leaves. */
enum denial budgets_begin(struct session *session, const struct h1_head *head, size_t head_bytes);

/* So many bytes more of its body, framing included. Both return DENIAL_NONE or DENIAL_DLP_BUDGET, with what the exchange says of it. */
enum denial budgets_go_on(struct session *session, size_t bytes);

#endif
