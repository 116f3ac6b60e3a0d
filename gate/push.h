/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push: the gate's answers to the two hooks of git-receive-pack. pre-receive: the objects lie in quarantine, and go no further
 * unless every ref and every object may. proc-receive: what may is sent on to the upstream, and its answer is the answer.
 * Both are called once in a push, in this order; a hook that comes otherwise fails.
 */
#ifndef GATE_PUSH_H
#define GATE_PUSH_H

#include "gate/relay.h"
#include "gate/session.h"

/* For struct run: ctx is the session. */
void push_hook(void *ctx, struct relay_call *call);

/* The push is over: tells the parent what became of each ref that it knows of. */
void push_over(struct session *session);

#endif
