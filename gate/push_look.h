/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_look: looks at what a push brings: objects, and what its commits change. Private to gate/push_*.c. */
#ifndef GATE_PUSH_LOOK_H
#define GATE_PUSH_LOOK_H

#include "gate/push_run.h"

/* All of it. Returns 0, or -1: the run has failed. */
int push_look(struct push_run *run);

#endif
