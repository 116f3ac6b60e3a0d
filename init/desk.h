/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desk: where held requests wait for the operator, and what becomes of his verdicts. An approval is a change of the
 * policy: the one in force with one more request that it lets through, rolled out to every worker as any policy is, so
 * that names, addresses and all other walls are judged as ever; only then does the proxy that holds the request hear of
 * it. When an approval is over the policy is rolled out without it.
 */
#ifndef INIT_DESK_H
#define INIT_DESK_H

#include <jansson.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"
#include "init/audit_mux.h"
#include "init/holds.h"
#include "init/rollout.h"
#include "init/supervise.h"

#define DESK_TTL_MAX_S 604800 /* a week */

struct desk_setup {
    uv_loop_t *loop;
    struct supervisor *supervisor;
    struct rollout *rollout;
    const struct policy_store *policies;
    struct audit_mux *audit;
    /* An approval is in force, or (err) is not going to be; called from the loop, after desk_approve. */
    void (*on_approved)(void *ctx, uint64_t id, const struct err *err);
    void *ctx;
};

struct desk;

/* setup is copied, what it points to borrowed. NULL: memory is out. */
struct desk *desk_new(const struct desk_setup *setup);

/* For the supervisor: its on_hold and on_gone. */
int desk_hold(struct desk *desk, struct worker_ref worker, uint32_t type, uint64_t number, struct str text);
void desk_gone(struct desk *desk, struct worker_ref worker);

/* To be called whenever a worker has changed, and when a policy of the operator's has come into force. */
void desk_check(struct desk *desk);
void desk_applied(struct desk *desk);

/* Who, and why: texts of the operator's. */
struct desk_word {
    const char *by, *reason;
};

/* Chooses a held request to be approved; ttl_s: with HOLD_TTL. desk_check then begins to, and on_approved is called in it
 * or later. Returns 0, or -1 with err. */
int desk_approve(struct desk *desk, uint64_t id, enum hold_how how, uint64_t ttl_s,
                 const struct desk_word *word, struct err *err);

int desk_deny(struct desk *desk, uint64_t id, const struct desk_word *word, struct err *err);

/* Arrays of what waits and of what is approved, oldest first; the caller's. And how many wait. */
json_t *desk_pending(const struct desk *desk);
size_t desk_waiting(const struct desk *desk);
json_t *desk_approvals(const struct desk *desk);

#endif
