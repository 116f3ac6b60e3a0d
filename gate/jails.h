/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jails: what is left to the gate and to its ssh leg, and so to all that they start: the same list for stopper-gate, its
 * sessions, git, its hooks and an outside scanner; and one for stopper-push and ssh. Neither can live in an empty root, for git
 * and ssh want their libraries and /dev/null.
 */
#ifndef GATE_JAILS_H
#define GATE_JAILS_H

#include <limits.h>

#include "sys/jail.h"

#define JAILS_PATHS 32

/* A jail with the paths that it points to: not to be copied. */
struct jails {
    struct jail jail;
    /* private */
    struct landlock_path paths[JAILS_PATHS];
    char own[2][PATH_MAX];
};

/* Of the gate. self: stopper-gate's own path, beside which the relay lies; storage: where the repositories are kept. Both are
 * borrowed. */
void jails_gate(struct jails *jails, const char *self, const char *storage);

/* Of the leg. folder: where the keys are kept; borrowed. */
void jails_push(struct jails *jails, const char *folder);

#endif
