/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mounted: a policy, and its secrets, from files: for a sidecar to which no hostctl speaks. What the files
 * hold is what `ctl apply` takes as its members `policy`, `secrets` and `keys`, and is checked by the same code.
 */
#ifndef INIT_MOUNTED_H
#define INIT_MOUNTED_H

#include "core/err.h"
#include "init/policy_store.h"

/* Makes the policy of a file the store's current version, before any worker has one. `secrets` is the path of
 * a file of root's that nobody else may read, or "" for none; so is `keys`. Returns 0, or -1 with an err that holds nothing
 * of a secret: the store is as it was. */
int mounted_load(struct policy_store *store, const char *policy, const char *secrets, const char *keys,
                 struct err *err);

#endif
