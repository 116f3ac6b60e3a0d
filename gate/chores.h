/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chores: what the gate does for its mirrors by itself, in sessions that no agent has asked for, one at a time: the fetch of a
 * repository that a policy has brought, so that its first clone finds a mirror (REQUEST_PREFETCH). It goes by the same turns as
 * requests (gate/turns.h): one that comes meanwhile waits for the objects, and then looks at the upstream itself. And upkeep of a
 * mirror to which much has come (REQUEST_UPKEEP, gate/upkeep.h), which begins when nobody uses it, keeps its turn, and is ended
 * when somebody asks. Sessions of requests are not counted against these, nor these against them.
 */
#ifndef GATE_CHORES_H
#define GATE_CHORES_H

#include "gate/conn.h"

void chores_init(struct server *server);

/* Another policy is in force: what it has and `old` (NULL: none) had not, or had elsewhere, is due. */
void chores_policy(struct server *server, const struct policy *old);

/* The next one may be possible now. It begins a little later, so that whoever asks at this moment is before it. */
void chores_later(struct server *server);

/* The session of a chore is over. */
void chores_over(struct conn *conn);

#endif
