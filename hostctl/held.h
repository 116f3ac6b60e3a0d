/* SPDX-License-Identifier: GPL-3.0-or-later */
/* held: requests that bottles hold for the operator, as commands name, ask for and decide them. */
#ifndef HOSTCTL_HELD_H
#define HOSTCTL_HELD_H

#include <stdbool.h>

#include <jansson.h>

#include "core/err.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

/* What waits in a bottle: an array (json_decref) of objects, of which "bottle" and "id" ("work/7") are ours; NULL with err.
 * *closed: whether the egress is not open; may be NULL. */
json_t *held_ask(const struct runtime *runtime, const struct state *state, bool *closed, struct err *err);

/* How one is approved; ttl_s: for so long, 0: not by time. Neither: once. */
struct held_how {
    unsigned long ttl_s;
    bool for_bottle;
};

/* Approves or (how NULL) denies the one that is called `id`; who does is who runs this. Returns 0, or -1 with err. */
int held_decide(const char *id, const struct held_how *how, const char *reason, struct err *err);

/* Opens the egress of a bottle that its canary has closed; who does is who runs this. Returns 0, or -1 with err. */
int held_reopen(const char *name, const char *reason, struct err *err);

#endif
