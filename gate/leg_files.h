/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_files: what ssh reads of ours, as files in a folder of memory that stopper-push alone can enter: keys and pinned host
 * keys. A file is known by its number, so its path says nothing. The pages of a key are locked, so that they are never
 * swapped out, and overwritten when it goes.
 */
#ifndef GATE_LEG_FILES_H
#define GATE_LEG_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/secret.h"
#include "core/str.h"

#define LEG_FOLDER    "/run/stopper-push" /* made by init: root's, open to the group of stopper-push */
#define LEG_PATH_SIZE 64 /* of a path in there; ssh binds one with 17 bytes more as a socket */

struct leg_file {
    unsigned number;
    char path[LEG_PATH_SIZE];
    char *mapped; /* of a key: its pages */
    size_t len;
};

/* Empties the folder: what an earlier life left. Returns 0; or -1 with err, also when it is not in memory (tmpfs). */
int leg_files_sweep(struct err *err);

/* "/run/stopper-push/NUMBER.WHAT" */
void leg_files_path(unsigned number, const char *what, char path[LEG_PATH_SIZE]);

/* Writes a key. Returns 0, or -1 with an err that names no path. */
int leg_files_key(struct leg_file *file, unsigned number, const struct secret *key, struct err *err);

/* Whether the file has these bytes. */
bool leg_files_same(const struct leg_file *file, const struct secret *key);

/* Writes what is not secret. */
int leg_files_plain(struct leg_file *file, unsigned number, const char *what, struct str text,
                    struct err *err);

/* Overwrites a key, and removes the file. Of a struct of zeros nothing happens. */
void leg_files_end(struct leg_file *file);

#endif
