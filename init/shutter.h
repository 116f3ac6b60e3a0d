/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shutter: closes the bottle's egress when a worker has found the canary on its way out (core/policy.h's on_canary), and
 * opens it again when the operator says so; nothing else does. Closed is a change of the policy, rolled out as any is:
 * whatever is applied meanwhile is closed too. A worker that starts gets no policy that would be open (supervise.c), and one
 * that does not take the closed one is ended.
 */
#ifndef INIT_SHUTTER_H
#define INIT_SHUTTER_H

#include <jansson.h>
#include <uv.h>

#include "core/err.h"
#include "core/str.h"
#include "init/audit_mux.h"
#include "init/desk.h"
#include "init/policy_store.h"
#include "init/rollout.h"

struct shutter_setup {
    uv_loop_t *loop;
    struct rollout *rollout;
    struct policy_store *policies;
    struct audit_mux *audit;
    /* The egress is open again, or (err) is not going to be; called from the loop, after shutter_reopen. */
    void (*on_reopened)(void *ctx, const struct err *err);
    void *ctx;
};

struct shutter;

/* setup is copied, what it points to borrowed. NULL: memory is out. */
struct shutter *shutter_new(const struct shutter_setup *setup);

/* For the supervisor: its on_canary. event: the id of the audit line of the sighting. Returns 0, or -1: it is none. */
int shutter_seen(struct shutter *shutter, struct str event);

/* To be called whenever a worker has changed. */
void shutter_check(struct shutter *shutter);

/* Opens it. Returns 0: shutter_check begins to, and on_reopened is called in it or later; or -1 with err. */
int shutter_reopen(struct shutter *shutter, const struct desk_word *word, struct err *err);

/* "open", "closing" (workers that saw it deny everything already), "closed" or "opening". */
const char *shutter_state(const struct shutter *shutter);

/* {"state": …}, and unless it is open "event_id" and "since_s"; the caller's. */
json_t *shutter_describe(const struct shutter *shutter);

#endif
