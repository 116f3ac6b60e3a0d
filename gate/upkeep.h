/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * upkeep: what makes a mirror quick to serve: a bitmap over its packs (gitformat-pack(5), multi-pack-index), with which git
 * counts nothing for a clone and copies a pack as it lies, and a graph of its commits. Packs stay as they came. It is done by a
 * session of the gate's own while nobody uses the mirror, and given up as soon as somebody asks (gate/chores.h).
 */
#ifndef GATE_UPKEEP_H
#define GATE_UPKEEP_H

#include "core/err.h"
#include "gate/session.h"

#define UPKEEP_SECONDS 1800 /* it may take */

/* Whether much has come since it was done last. */
bool upkeep_wanted(const struct session *session);

/* Returns 0, or -1 with err. */
int upkeep(struct session *session, struct err *err);

#endif
