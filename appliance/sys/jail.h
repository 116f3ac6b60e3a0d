/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jail: a worker gives up, for good, everything that it does not need to serve. In this order, each step
 * verified: stack out of core dumps, empty root, resource limits, capability bounding set, groups/gid/uid,
 * capabilities, no_new_privs, (instead of the empty root) Landlock, seccomp allowlist. Call it once, after everything is open
 * and warm, before the first hostile byte. There is
 * no way back.
 */
#ifndef SYS_JAIL_H
#define SYS_JAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "sys/landlock.h"

/* seccomp allowlists, sys/seccomp.c; the last two for workers that run programs, which inherit all of the jail */
enum jail_profile { JAIL_DNS, JAIL_PROXY, JAIL_METER, JAIL_COMPILER, JAIL_GATE, JAIL_PUSH };

struct jail {
    const char *root;                  /* an empty directory that becomes "/"; NULL: it stays, and of it */
    const struct landlock_path *paths; /* there are these (landlock.h), where the kernel has Landlock */
    bool connects;                     /* and TCP may be dialled, which otherwise it may not, the same */
    uid_t uid;
    gid_t gid;
    uint64_t capabilities; /* bits (1 << CAP_X) that stay in permitted, effective and bounding sets; 0 for all
                              but the meter */
    uint64_t open_files;   /* RLIMIT_NOFILE, up to the hard limit; core dumps: 0 */
    uint64_t processes;    /* RLIMIT_NPROC: of this user, wherever it runs on this machine */
    uint64_t file_size;    /* RLIMIT_FSIZE, in bytes; 0: nothing can be written */
    enum jail_profile profile;
};

/* Returns 0, or -1 with err: the caller must end at once. */
int jail_enter(const struct jail *jail, struct err *err);

#endif
