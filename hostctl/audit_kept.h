/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_kept: the audit of bottles that are gone: one file a bottle, the caller's own, 0600, in
 * $XDG_STATE_HOME/stopper/audit (default ~/.local/state/stopper/audit), named NAME.TIME.jsonl with the time of its
 * end in UTC. Bounded in bytes, number and, by gc, in time.
 */
#ifndef HOSTCTL_AUDIT_KEPT_H
#define HOSTCTL_AUDIT_KEPT_H

#include <limits.h>
#include <stdint.h>

#include "core/err.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

#define AUDIT_KEPT_BYTES (16u * 1024 * 1024) /* of one: the last whole lines */
#define AUDIT_KEPT_COUNT 32                  /* of all bottles together: the latest */
#define AUDIT_KEPT_DAYS  30                  /* then gc removes them */

/* Before the runtime cleans: brings a stream that the runtime keeps into STATE_AUDIT. What cannot be had is gone. */
void audit_kept_fetch(const struct state *state, const struct runtime *runtime);

/* Moves STATE_AUDIT of a bottle that has ended to the others, and removes the oldest that are too many. Returns 0,
 * also when there is none or it is empty; or -1 with err. */
int audit_kept_add(const struct state *state, struct err *err);

/* The latest of this name. Returns 0, or -1 when there is none. */
int audit_kept_find(const char *name, char path[PATH_MAX]);

/* Calls `each` with the name of every bottle that has one, oldest first, so maybe several times. Returns the first value that is
 * not 0, or 0. */
int audit_kept_each(int (*each)(void *ctx, const char *name), void *ctx);

/* Removes those that ended more than `days` ago; 0 = all. Returns their number, or -1 with err. */
int audit_kept_gc(unsigned days, struct err *err);

#endif
