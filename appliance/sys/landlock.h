/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * landlock: which files a process and all that it starts may still use, and which TCP (landlock(7)). For workers that run
 * programs and so cannot live in an empty root. A kernel that has none of it, or too little (before 5.19: nothing could be
 * renamed from folder to folder), confines nothing: landlock_there says so.
 */
#ifndef SYS_LANDLOCK_H
#define SYS_LANDLOCK_H

#include <stdbool.h>

#include "core/err.h"

enum landlock_may {
    LANDLOCK_MAY_READ = 1, /* files and, of a folder, what is in it */
    LANDLOCK_MAY_EXECUTE = 2,
    LANDLOCK_MAY_WRITE = 4,   /* files; in a folder also make, rename, remove */
    LANDLOCK_MAY_BE_GONE = 8, /* no error when it is not there */
};

struct landlock_path {
    const char *path; /* a file, or a folder with all below; links are followed. NULL ends a list */
    unsigned may;
};

/* Whether this kernel confines. Not to be asked in a jail. */
bool landlock_there(void);

/* Confines the calling thread, and what it starts, to these paths, for good, and verifies it: everything else cannot be opened.
 * No TCP port can be bound, and with `connects` false none dialled, where the kernel knows of that (6.7); no process
 * outside can be signalled (6.12). Needs no_new_privs. Returns 0, also where landlock_there is false and nothing was done; or -1
 * with err. */
int landlock_confine(const struct landlock_path *paths, bool connects, struct err *err);

#endif
