/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jail: a worker gives up, for good, everything that it does not need to serve. In this order, each step
 * verified: stack out of core dumps, empty root, resource limits, capability bounding set, groups/gid/uid,
 * capabilities, no_new_privs, seccomp allowlist. Call it once, after everything is open and warm, before the first hostile byte. There is
 * no way back.
 */
#ifndef SYS_JAIL_H
#define SYS_JAIL_H

#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

enum jail_profile { JAIL_DNS, JAIL_PROXY, JAIL_METER, JAIL_COMPILER }; /* seccomp allowlists, sys/seccomp.c */

struct jail {
    const char *root; /* an empty directory that becomes "/" */
    uid_t uid;
    gid_t gid;
    uint64_t capabilities; /* bits (1 << CAP_X) that stay in permitted, effective and bounding sets; 0 for all
                              but the meter */
    uint64_t open_files;   /* RLIMIT_NOFILE, up to the hard limit; core dumps, processes: 0 */
    uint64_t file_size;    /* RLIMIT_FSIZE, in bytes: 0 for all but the compiler, which fills a memfd */
    enum jail_profile profile;
};

/* Returns 0, or -1 with err: the caller must end at once. */
int jail_enter(const struct jail *jail, struct err *err);

#endif
