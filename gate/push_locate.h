/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_locate: which commit brings an object in which something was found, and as what path. Private to gate/push_*.c. */
#ifndef GATE_PUSH_LOCATE_H
#define GATE_PUSH_LOCATE_H

#include "gate/push_run.h"

/* Walks the new commits once more, oldest first, when there is anything to find out. Returns 0, or -1: the run has failed. */
int push_locate(struct push_run *run);

#endif
