/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rollout: one policy from validation to being in force everywhere, or nowhere. What it searches for is compiled (compiler.h),
 * unless the version in force has the same; then the next version is offered to all workers that run; when all have taken it, it is current. When one refuses or does not answer in
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
#include "init/compiler.h"
#include "init/policy_store.h"
#include "init/supervise.h"

enum rollout_cause { ROLLOUT_APPLY, ROLLOUT_APPROVALS, ROLLOUT_EGRESS };

struct rollout {
    struct policy_store *policies;
    struct supervisor *supervisor;
    struct audit_mux *audit;
    struct compiler compiler;
    uv_timer_t timer;
    bool running;
    bool offered; /* the next version: else it is still compiled */
    void (*failed)(void *boot, const struct err *err);
    void *boot; /* of rollout_boot */
    enum rollout_cause cause;
    /* called once for each rollout that began: generation, or 0 with err */
    void (*done)(void *ctx, uint64_t generation, const struct err *err);
    void *ctx;
};

/* executable: as for compiler_init. */
void rollout_init(struct rollout *rollout, uv_loop_t *loop, struct policy_store *policies,
                  struct supervisor *supervisor, struct audit_mux *audit, const char *executable);

/* Compiles what the version searches for that is in force at boot; workers get it when that is done. `failed` is called from
 * the loop when it cannot be. Returns 0, or -1 with err. */
int rollout_boot(struct rollout *rollout, void (*failed)(void *boot, const struct err *err), void *boot,
                 struct err *err);

/* Begins. Returns 0: done will be called, from the loop or before this returns; or -1 with err: nothing has
 * begun. */
int rollout_begin(struct rollout *rollout, const json_t *policy, const json_t *secrets, const json_t *keys,
                  void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                  struct err *err);

/* The same for the policy in force, with these approvals over it. */
int rollout_approvals(struct rollout *rollout, json_t *approvals,
                      void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                      struct err *err);

/* The same for the policy in force with its approvals, closed or open as the store says. A closed one is not dropped: workers
 * that do not take it are ended, and get it when they start again. */
int rollout_egress(struct rollout *rollout,
                   void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                   struct err *err);

/* A key that policies to come may have (gate_keys_deploy); one that is made is a line of kind "control", too. */
const char *rollout_deploy_key(struct rollout *rollout, const char *name, struct err *err);

/* To be called whenever a worker has changed. */
void rollout_check(struct rollout *rollout);

#endif
