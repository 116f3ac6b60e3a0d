/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_walk: what each new commit changes, as git says it: `git rev-list NEW… --not --all` into `git diff-tree --stdin -r -t -c --root`
 * (git-diff-tree(1)). Of a merge only what differs from all of its parents is told: the rest came in one of them, which is
 * told itself or is the upstream's already. Private to gate/push_*.c.
 */
#ifndef GATE_PUSH_WALK_H
#define GATE_PUSH_WALK_H

#include "gate/push_run.h"

#define PUSH_PATH_MAX 65536 /* bytes of a path; a longer one is refused */

#define PUSH_MODE_TREE   040000u
#define PUSH_MODE_LINK   0120000u
#define PUSH_MODE_COMMIT 0160000u /* a submodule's */

/* One entry, or a commit alone (path.ptr is NULL). Valid during the call. */
struct push_change {
    const char *commit; /* digits; "" below a tag of a tree */
    struct str path;
    unsigned mode; /* 0: it is gone */
    bool folder;   /* it is one, or was */
    bool added;    /* no parent has anything there */
    uint8_t id[PUSH_ID_BYTES];
    struct str before; /* ids in each parent, in digits, a blank between them; empty: there is none */
};

/* Returns 0, or -1: the run has failed. */
typedef int push_on_change(void *user, const struct push_change *change);

struct push_walk {
    struct push_run *run;
    struct push_child list, diff;
    char *bytes;
    size_t len;
    char commit[PUSH_ID];
};

/* Starts it. `oldest`: commits before those that follow them; else as it is quickest. `trees`: folders too. Returns 0, or -1: the run
 * has failed. push_walk_end is to be called in any case. */
int push_walk_begin(struct push_walk *walk, struct push_run *run, bool oldest, bool trees);

/* Reads what has come (walk->diff.out is readable, or it waits). Returns 1 while there is more, 0 when all was told, -1: the
 * run has failed. */
int push_walk_read(struct push_walk *walk, push_on_change *on_change, void *user);

void push_walk_end(struct push_walk *walk);

/* Whether any ref is to name something. */
bool push_walk_has_tips(const struct push_run *run);

/* The ids that refs are to have, one a line, as a child's input; -1: the run has failed. `suffix` stands behind each. */
int push_walk_tips(struct push_run *run, const char *suffix);

/* All that is below a tree, as if it were added. Returns 0, or -1: the run has failed. */
int push_walk_tree(struct push_run *run, const char *id, push_on_change *on_change, void *user);

#endif
