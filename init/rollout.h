/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rollout: one policy from validation to being in force everywhere, or nowhere. The next version is offered
 * to all workers that run; when all have taken it, it is current. When one refuses or does not answer in
 * time, it is dropped, and every worker that may have taken it is ended and starts again with the version
 * that is still current: nothing half-applied is left, at the price of the connections of a case that
 * validation makes all but impossible.
 */
#ifndef INIT_ROLLOUT_H
#define INIT_ROLLOUT_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "core/err.h"
#include "init/audit_mux.h"
#include "init/policy_store.h"
#include "init/supervise.h"

struct rollout {
    struct policy_store *policies;
    struct supervisor *supervisor;
    struct audit_mux *audit;
    uv_timer_t timer;
    bool running;
    bool approving; /* by rollout_approvals */
    /* called once for each rollout that began: generation, or 0 with err */
    void (*done)(void *ctx, uint64_t generation, const struct err *err);
    void *ctx;
};

void rollout_init(struct rollout *rollout, uv_loop_t *loop, struct policy_store *policies,
                  struct supervisor *supervisor, struct audit_mux *audit);

/* Begins. Returns 0: done will be called, from the loop or before this returns; or -1 with err: nothing has
 * begun. */
int rollout_begin(struct rollout *rollout, const json_t *policy, const json_t *secrets,
                  void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                  struct err *err);

/* The same for the policy in force, with these approvals over it. */
int rollout_approvals(struct rollout *rollout, json_t *approvals,
                      void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                      struct err *err);

/* To be called whenever a worker has changed. */
void rollout_check(struct rollout *rollout);

#endif
