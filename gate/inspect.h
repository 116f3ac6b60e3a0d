/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inspect: what becomes of a push before it may go on: it is looked through (gate/push_check.h), what was found is told to the agent
 * and, where the operator is asked, it waits for his word. Fails closed: what could not be looked through is refused.
 */
#ifndef GATE_INSPECT_H
#define GATE_INSPECT_H

#include "core/str.h"
#include "gate/relay.h"
#include "gate/session.h"

/* Looks through the push that a hook was called for; session->check says what was found, also where it failed. Returns 0, or -1
 * with err: nothing could be looked at, and session->check may be NULL. */
int inspect_look(struct session *session, const struct relay_call *call, struct err *err);

/* What the ref is called where others read it. */
const char *inspect_ref(const struct session *session, size_t update);

/* Tells the agent (`words`: where lines to it are written) and asks the operator where there is a question; every ref has been
 * planned. Returns whether it may go on; if not, every update is refused, with its reason. */
bool inspect_judge(struct session *session, int words);

/* Refuses every update of the push for the same reason. */
void inspect_refuse(struct session *session, enum denial denial, const char *why);

/* What the audit is told of an update. */
void inspect_tell(const struct session *session, size_t update, struct talk_ref *ref);

#endif
