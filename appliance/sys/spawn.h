/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spawn: starts a program with exactly the descriptors and the environment that it is given, default signals
 * and an own session. Nothing else of the parent is inherited.
 */
#ifndef SYS_SPAWN_H
#define SYS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

struct spawn {
    const char *path;               /* absolute */
    const char *const *argv;        /* NULL-terminated */
    const int *fds;                 /* fds[i] becomes descriptor i; -1 = /dev/null */
    size_t fd_count;                /* at least 3 */
    const char *const *environment; /* "NAME=VALUE", NULL-terminated; NULL: an empty one */
    bool tied;                      /* killed when the thread that starts it ends */
    bool with_parent;               /* the same, and it stays in the parent's session and process group */
    /* The child's last act before the program: system calls only. Not 0: it is not started. NULL: none. */
    int (*last)(void);
};

/* Returns the pid, or -1 with err (an exec that fails is reported here too). The descriptors stay the
 * caller's. */
pid_t spawn_start(const struct spawn *spawn, struct err *err);

#endif
