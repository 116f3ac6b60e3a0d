/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guard: what an agent may leave in a mounted folder for the host to run. A repository's hooks and
 * configuration are mounted read-only over themselves; of the rest, what has changed is listed at the end.
 */
#ifndef HOSTCTL_GUARD_H
#define HOSTCTL_GUARD_H

#include <stdio.h>
#include <time.h>

#include "core/err.h"
#include "hostctl/mount.h"
#include "hostctl/state.h"

#define GUARD_MORE 3 /* mounts that guard_mounts may add for each that there is */

/* Adds, behind `count` mounts in an array with room for GUARD_MORE times as many more, for each writable
 * folder with a .git folder: that (so that it cannot be renamed), and read-only its hooks, which are made where there
 * are none, and its config, if there is one; and a .git that is a file, read-only. Returns 0 with the new count, or -1
 * with err. */
int guard_mounts(struct mount *mounts, size_t *count, struct err *err);

/* Records what guard_list has to look at: the writable mounts, and the time. Needs the lock. 0, or -1 with
 * err. */
int guard_record(struct state *state, const struct mount *mounts, size_t count, struct err *err);

/* What guard_list needs to know when the record is gone. */
struct guard {
    char **paths; /* NULL-terminated, or NULL; owned */
    time_t since;
};
void guard_read(const struct state *state, struct guard *guard);
void guard_free(struct guard *guard);

/* Writes, one a line behind `prefix`, the files that have changed since then and that are executable or that
 * common tools of the host run or obey (the table in guard.c). At most 100, then how many more; bytes of
 * names that a terminal could obey are escaped. */
void guard_list(const struct guard *guard, const char *prefix, FILE *to);

#endif
