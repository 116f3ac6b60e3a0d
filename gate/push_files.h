/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_files: what git itself, or git-lfs, reads in a repository: .gitmodules (gitmodules(5)), .gitattributes (gitattributes(5)),
 * .lfsconfig, and LFS pointers. A submodule may only name a declared repository; LFS has no way through the gate; a
 * filter means that what is stored is not what is worked on (git-crypt), so that a search finds nothing. What an older
 * version of the file says already is nothing new. Private to gate/push_*.c.
 */
#ifndef GATE_PUSH_FILES_H
#define GATE_PUSH_FILES_H

#include "gate/push_walk.h"

/* Notes a change of one of these files, for push_files_judge. Returns 0, or -1: the run has failed. */
int push_files_note(struct push_run *run, const struct push_change *change);

/* Looks into what was noted. The same. */
int push_files_judge(struct push_run *run);

void push_files_free(struct push_run *run);

/* Whether a blob is an LFS pointer (git-lfs/docs/spec.md). */
bool push_files_is_pointer(struct str blob);

/* Whether a submodule's URL, as .gitmodules of `repo` has it, is that of a declared repository: in the ssh, scp and https spellings, or
 * relative to the repository's own. */
bool push_files_is_declared(const struct gate *gate, const struct gate_repo *repo, struct str url);

#endif
