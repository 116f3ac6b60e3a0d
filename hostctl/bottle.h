/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bottle: what several commands do with a bottle that exists. */
#ifndef HOSTCTL_BOTTLE_H
#define HOSTCTL_BOTTLE_H

#include <stdbool.h>

#include "core/err.h"
#include "hostctl/command.h"
#include "hostctl/forge.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

/* The runtime that the record names. NULL with err when it names one that this build has not; NULL without
 * when nothing was recorded yet (err is the empty text then). */
const struct runtime *bottle_runtime(const struct state *state, struct err *err);

/* Whether it was left to run without a hostctl, and does. */
bool bottle_detached(const struct state *state);

/* Whether it has ended, and its agent's container was kept. */
bool bottle_kept(const struct state *state);

/* At the end of a session: a bottle whose command runs on, since the user has detached, is left so, and the
 * user is told; so is one to be kept; any other is removed; and what it left for the host to run is listed on stderr. `lived`: the
 * session was not broken off. Needs the lock and closes. Returns the status to end with: `status`, that of a
 * detachment, or of a failure that was said. */
int bottle_leave(struct state *state, bool lived, int status, const struct command *command,
                 const struct forge *forge);

/* Opens a bottle that runs, for reading. Returns its runtime, or NULL with err (nothing is open). */
const struct runtime *bottle_open_running(struct state *state, const char *name, struct err *err);

/* Whether all of it is gone but keys at forges, which could not be deleted there. */
bool bottle_ended(const struct state *state);

/* Cleans all that is recorded, keeps the audit (audit_kept.h), deletes its keys at forges and removes the folder. Needs the lock; the
 * state is closed in every case. Returns 0, or -1 with err; the folder is still there then. */
int bottle_remove(struct state *state, const struct forge *forge, struct err *err);

/* For gc: what is left to do for a bottle that was kept, without removing it. As above. */
int bottle_tidy(struct state *state, const struct forge *forge, struct err *err);

#endif
