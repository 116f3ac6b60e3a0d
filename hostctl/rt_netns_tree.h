/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_tree: the mechanics of a root of one's own, for a process that has just got its mount namespace:
 * an empty tmpfs becomes the working directory, is filled by the calls below, and becomes "/", with the
 * host's tree gone. Paths into the new root ("at") are relative; what is missing on the way is made (root's,
 * 0755). Returns are 0, or -1 with err.
 */
#ifndef HOSTCTL_RT_NETNS_TREE_H
#define HOSTCTL_RT_NETNS_TREE_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

#define TREE_READ_ONLY 1u /* flags of binds; nosuid and nodev are always set */
#define TREE_OPTIONAL  2u /* a source that does not exist is fine */
#define TREE_DATA      4u /* noexec */

/* Cuts mount propagation and makes the empty root the working directory. */
int tree_begin(struct err *err);

/* Makes what is missing above the last part of `at`. */
int tree_parents(const char *at, struct err *err);

int tree_folder(const char *at, mode_t mode, uid_t uid, gid_t gid, struct err *err);
int tree_file(const char *at, const char *text, struct err *err);
int tree_link(const char *at, const char *target, struct err *err);

/* A new file system: tmpfs (with nosuid, nodev), for one owner. */
int tree_tmpfs(const char *at, const char *options, bool executable, struct err *err);

/* The host's file or folder (with what is mounted in it) appears at the same place, or at `at`. A symbolic
 * link is copied as such. */
int tree_bind(const char *host, const char *at, unsigned flags, struct err *err);

/* A detached copy of the mount that `fd` is open on, that can be placed later and from another mount
 * namespace; the descriptor is the caller's. -1 with err. */
int tree_detach(int fd, unsigned flags, struct err *err);

/* Places one. No symbolic link on the way is followed. `folder`: what it is. Missing parts of the path are
 * made, for this owner, below tmpfs only where `may_create`. */
struct tree_owner {
    uid_t uid;
    gid_t gid;
};
int tree_place(int tree, const char *at, bool folder, bool may_create, struct tree_owner owner,
               struct err *err);

/* /dev with null, zero, full, random, urandom; `terminals`: tty, a pts of its own, shm, fd links too. */
int tree_dev(bool terminals, struct err *err);

/* /proc of the new pid namespace, with what speaks of the whole machine masked and its settings read-only;
 * `net_settings`: /proc/sys/net stays writable. */
int tree_proc(bool net_settings, struct err *err);

/* The root becomes read-only and "/". */
int tree_end(struct err *err);

#endif
