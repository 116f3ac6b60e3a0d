/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rollout: offer, wait, commit or revoke. One at a time. Each end is an audit line of kind "control". */
#include "init/rollout.h"

#include <stdio.h>

#define ANSWER_LIMIT_MS 5000u  /* for all workers together */
#define START_LIMIT_MS  20000u /* when some have to start for it, as supervise gives them */

static void audit_end(struct rollout *rollout, uint64_t generation, const struct err *err)
{
    static const char *const rules[] = {
        [ROLLOUT_APPLY] = "apply", [ROLLOUT_APPROVALS] = "approvals", [ROLLOUT_EGRESS] = "egress"};
    struct audit line = {.kind = AUDIT_CONTROL,
                         .verdict = err == NULL ? AUDIT_ALLOW : AUDIT_BLOCK,
                         .rule = rules[rollout->cause],
                         .detail = str_of(err == NULL ? "the policy is in force" : err->text),
                         .generation = generation};
    audit_mux_emit(rollout->audit, &line);
}

static void rollout_end(struct rollout *rollout, const struct err *err)
{
    uint64_t generation = rollout->policies->next.generation;
    rollout->running = false;
    uv_timer_stop(&rollout->timer);
    if (err != NULL && rollout->cause == ROLLOUT_EGRESS && rollout->policies->next.closed) {
        supervisor_enforce(rollout->supervisor, generation);
        err = NULL;
    }
    if (err == NULL) {
        policy_store_commit(rollout->policies);
        audit_mux_in_force(rollout->audit, generation);
    } else {
        policy_store_drop(rollout->policies);
        supervisor_revoke(rollout->supervisor, generation);
    }
    supervisor_settle(rollout->supervisor);
    audit_end(rollout, generation, err);
    rollout->done(rollout->ctx, err == NULL ? generation : 0, err);
}

void rollout_check(struct rollout *rollout)
{
    struct err why;
    if (!rollout->running || !rollout->offered)
        return;
    switch (supervisor_offered(rollout->supervisor, &why)) {
    case OFFER_PENDING:
        break;
    case OFFER_TAKEN:
        rollout_end(rollout, NULL);
        break;
    case OFFER_REFUSED:
        rollout_end(rollout, &why);
        break;
    }
}

static void on_limit(uv_timer_t *timer)
{
    struct err why;
    if (supervisor_offered(((struct rollout *)timer->data)->supervisor, &why) == OFFER_PENDING) {
        err_prefix(&why, "the policy was not taken in time");
        rollout_end(timer->data, &why);
    }
}

static void offer(struct rollout *rollout)
{
    rollout->offered = true;
    bool starting = supervisor_offer(rollout->supervisor);
    uv_timer_start(&rollout->timer, on_limit, starting ? START_LIMIT_MS : ANSWER_LIMIT_MS, 0);
    rollout_check(rollout);
}

static void on_compiled(void *ctx, int database, const struct err *err)
{
    struct rollout *rollout = ctx;

    if (rollout->running && err == NULL) {
        policy_version_database(&rollout->policies->next, database);
        offer(rollout);
    } else if (rollout->running) {
        rollout_end(rollout, err);
    } else if (err == NULL) {
        policy_version_database(&rollout->policies->current, database);
        supervisor_current(rollout->supervisor);
    } else {
        rollout->failed(rollout->boot, err);
    }
}

const char *rollout_deploy_key(struct rollout *rollout, const char *name, struct err *err)
{
    char print[DEPLOY_PRINT_MAX] = "", detail[DEPLOY_PRINT_MAX + 16];
    struct audit told = {
        .kind = AUDIT_CONTROL, .verdict = AUDIT_ALLOW, .rule = "deploy-key", .repository = str_of(name)};
    bool made;

    if (!audit_mux_room(rollout->audit)) {
        err_set(err, "the audit stream is not read, so nothing can be recorded");
        return NULL;
    }
    const char *line = gate_keys_deploy(&rollout->policies->deploy, name, &made, err);
    if (made) {
        deploy_key_print(line, print);
        snprintf(detail, sizeof detail, "a key was made: %s", print);
        told.detail = str_of(detail);
        audit_mux_emit(rollout->audit, &told);
    }
    return line;
}

void rollout_init(struct rollout *rollout, uv_loop_t *loop, struct policy_store *policies,
                  struct supervisor *supervisor, struct audit_mux *audit, const char *executable)
{
    *rollout = (struct rollout){.policies = policies, .supervisor = supervisor, .audit = audit};
    compiler_init(&rollout->compiler, loop, executable, on_compiled, rollout);
    uv_timer_init(loop, &rollout->timer);
    rollout->timer.data = rollout;
}

/* What of a version is to be compiled. */
static int compile(struct rollout *rollout, const struct policy_version *version, struct err *err)
{
    return compiler_start(&rollout->compiler, version->source, err);
}

int rollout_boot(struct rollout *rollout, void (*failed)(void *boot, const struct err *err), void *boot,
                 struct err *err)
{
    const struct policy_version *current = &rollout->policies->current;

    rollout->failed = failed;
    rollout->boot = boot;
    return policy_version_ready(current) ? 0 : compile(rollout, current, err);
}

/* What was staged goes out, or err says why nothing was. */
static int begin(struct rollout *rollout, int staged,
                 void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                 struct err *err)
{
    struct policy_version *next = &rollout->policies->next;

    if (staged < 0) {
        audit_end(rollout, 0, err);
        return -1;
    }
    policy_version_share(next, &rollout->policies->current);
    if (!policy_version_ready(next) && compile(rollout, next, err) < 0) {
        policy_store_drop(rollout->policies);
        audit_end(rollout, 0, err);
        return -1;
    }
    audit_mux_policy(rollout->audit, rollout->policies->next.generation, rollout->policies->next.digest);
    rollout->running = true;
    rollout->done = done;
    rollout->ctx = ctx;
    rollout->offered = false;
    if (policy_version_ready(next))
        offer(rollout);
    return 0;
}

int rollout_begin(struct rollout *rollout, const json_t *policy, const json_t *secrets, const json_t *keys,
                  void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                  struct err *err)
{
    rollout->cause = ROLLOUT_APPLY;
    return begin(rollout, policy_store_stage(rollout->policies, policy, secrets, keys, err), done, ctx, err);
}

int rollout_approvals(struct rollout *rollout, json_t *approvals,
                      void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                      struct err *err)
{
    rollout->cause = ROLLOUT_APPROVALS;
    return begin(rollout, policy_store_stage_approvals(rollout->policies, approvals, err), done, ctx, err);
}

int rollout_egress(struct rollout *rollout,
                   void (*done)(void *ctx, uint64_t generation, const struct err *err), void *ctx,
                   struct err *err)
{
    rollout->cause = ROLLOUT_EGRESS;
    return begin(rollout, policy_store_stage_egress(rollout->policies, err), done, ctx, err);
}
