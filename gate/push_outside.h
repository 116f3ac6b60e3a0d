/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_outside: a program of the operator's that looks at a push too ("scanner"). On its input are the contents of all new
 * objects, one after the other, with a line end behind each: blobs as they are, commits and tags as git has them, and
 * of what is added the paths, one a line. It has no argument (gitleaks, by its name, has "detect --pipe --no-banner"), no
 * environment, no other descriptor, no network, and what it writes nobody reads. Its exit status is its word: 0 is clean,
 * any other refuses the push. So does a program that ends before it has read all, or takes too long.
 * Private to gate/push_*.c.
 */
#ifndef GATE_PUSH_OUTSIDE_H
#define GATE_PUSH_OUTSIDE_H

#include "gate/push_run.h"

/* Starts it, when there is one. Returns 0, or -1: the run has failed. push_outside_free is to be called in any case. */
int push_outside_begin(struct push_run *run);

/* Gives it a text. The same. */
int push_outside_feed(struct push_run *run, struct str text);

/* Asks for its word, which becomes a finding when it is not "clean". The same. */
int push_outside_end(struct push_run *run);

void push_outside_free(struct push_run *run);

#endif
