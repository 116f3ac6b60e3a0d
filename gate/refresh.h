/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * refresh: makes the mirror what the upstream is now: its refs, its HEAD, and the objects that these need. One session at a
 * time does it for a repository (gate/turns.h). When it fails nothing is served: the agent never sees what is stale.
 */
#ifndef GATE_REFRESH_H
#define GATE_REFRESH_H

#include "core/err.h"
#include "gate/session.h"

/* Returns 0, or -1 with err: why the agent gets nothing, with the words of ssh and of the upstream. */
int refresh(struct session *session, struct err *err);

/* Tells the mirror which refs the upstream took. Never ahead of it: a ref that is no longer what the agent saw is left to the
 * next refresh. */
void refresh_taken(struct session *session);

#endif
