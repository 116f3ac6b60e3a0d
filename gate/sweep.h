/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sweep: removes from a mirror what a git that was killed left behind: quarantines, packs that were being written, locks of
 * refs. Only while nothing writes to the mirror. What it meets is the gate's own user's, and never followed.
 */
#ifndef GATE_SWEEP_H
#define GATE_SWEEP_H

#define SWEEP_NEW ".new" /* behind a mirror's name: one that is being made */
#define SWEEP_OLD ".old" /* one that another has replaced */

/* Of the mirror, which may not be there, and what lies beside it. Returns how many entries were removed, or -1 with errno: some
 * could not be. */
int sweep_mirror(const char *git_dir);

/* A folder beside a mirror, whole; fine when it is not there. Returns 0, or -1 with errno. */
int sweep_beside(const char *git_dir, const char *what);

/* Of all mirrors below root, and what `git init` left of those that never were. The same. */
int sweep_all(const char *root);

#endif
