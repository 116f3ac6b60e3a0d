/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_refs: which refs may be pushed, and how. Private to gate/push_*.c. */
#ifndef GATE_PUSH_REFS_H
#define GATE_PUSH_REFS_H

#include "gate/push_run.h"

/* Names, allow, deny, delete, the pack's size, and what is said in names and push options. No object is looked at. Returns 0, or -1: the
 * run has failed. */
int push_refs_judge(struct push_run *run);

/* Whether the upstream has what moves or is deleted. To git push the name of another ref may end with that of one that is not there
 * (refs/heads/refs/heads/x for refs/heads/x). The same. */
int push_refs_exist(struct push_run *run);

/* Whether what moves follows what was there, where the rules ask for it. The same. */
int push_refs_follow(struct push_run *run);

/* For findings of several refs: says of each one with a commit which ref leads to it. The same. */
int push_refs_of_findings(struct push_run *run);

#endif
