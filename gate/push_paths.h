/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_paths: names with slashes in them (paths, refs), looked through as they are and with their components joined, so that a
 * secret is found that is cut into folders. Private to gate/push_*.c.
 */
#ifndef GATE_PUSH_PATHS_H
#define GATE_PUSH_PATHS_H

#include "core/buf.h"
#include "gate/push_run.h"

/* Appends each run of two components or more, joined, and a line end; to `where` (unless it is NULL) for each of these bytes a uint32_t:
 * where in the path it comes from. Returns 0, or -1: it does not fit. */
int push_paths_joined(struct str path, struct buf *out, struct buf *where);

/* Looks through one name. Returns 0, or -1: the run has failed. */
int push_paths_scan(struct push_run *run, const struct push_place *place, struct str name);

/* Many of them, looked through some at a time. All zero at first. */
struct push_paths {
    struct buf text;
    struct push_path {
        size_t start, len; /* in text: the name as it is; what is behind it are its joined ones */
        char commit[PUSH_ID];
    } * all;
    size_t count;
};

/* Takes in a name that `commit` adds, and looks when there are enough. `more`: further text about it. Returns 0, or -1: the run has
 * failed. */
int push_paths_add(struct push_run *run, struct push_paths *paths, const char *commit, struct str name,
                   struct str more);

/* Looks through what is left. The same. push_paths_free in any case. */
int push_paths_end(struct push_run *run, struct push_paths *paths);
void push_paths_free(struct push_paths *paths);

#endif
