/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * privs: the single steps by which a process gives up users and capabilities (credentials(7),
 * capabilities(7)), each read back from the kernel. jail (workers) and the shim's privdrop put them in order;
 * init drops NET_ADMIN with them. A step whose effect cannot be seen is an error: the caller must end.
 */
#ifndef SYS_PRIVS_H
#define SYS_PRIVS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

#define PRIVS_BIT(capability) (UINT64_C(1) << (capability)) /* CAP_X of <linux/capability.h> */

/* All return 0, or -1 with err. */

/* Takes every capability that is not in `keep` out of the bounding set. Needs CAP_SETPCAP unless nothing has
 * to go. */
int privs_bound(uint64_t keep, struct err *err);

/* Sets and locks the securebits: uid 0 means nothing, neither at exec nor in a change of user, and nothing
 * becomes ambient. For processes that never start a privileged child. Needs CAP_SETPCAP. Afterwards
 * privs_become keeps capabilities. */
int privs_lock(struct err *err);

/* Changes groups, gid and uid: real, effective and saved. Needs CAP_SETGID and CAP_SETUID. */
int privs_become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count, struct err *err);

/* Permitted and effective become exactly `keep` (which must be permitted), inheritable and ambient empty;
 * then tries to take one capability back, which must fail. */
int privs_keep(uint64_t keep, struct err *err);

/* Sets no_new_privs and makes the process undumpable: exec adds nothing any more, and no process without
 * CAP_SYS_PTRACE looks inside or takes a core. */
int privs_seal(struct err *err);

/* Tries what the user `uid` without capabilities must not be able to do: become root, change groups, change
 * the root directory. An attempt that does not fail with EPERM is an error. */
int privs_probe(uid_t uid, struct err *err);

/* Gives a file of the caller's to this group, with this mode. Needs CAP_SETGID, and no right to change owners: the group is
 * taken for the moment. A link is an error. */
int privs_share(const char *path, gid_t group, mode_t mode, struct err *err);

#endif
