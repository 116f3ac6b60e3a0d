/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_shim: hostctl's half of what the shim is told over its descriptor 3 (docs/ARCHITECTURE.md, "Boot
 * of an agent"), and the command's three pipes.
 */
#ifndef HOSTCTL_RT_NETNS_SHIM_H
#define HOSTCTL_RT_NETNS_SHIM_H

#include "core/err.h"
#include "hostctl/runtime.h"

struct shim {
    int fds[4];             /* the shim's descriptors 0 to 3; -1 = /dev/null */
    struct session session; /* ours */
};

/* Makes the socket and, without a terminal, the pipes, which belong to the agent's user so that /dev/stdout
 * can be opened anew. Returns 0, or -1 with err. */
int shim_open(struct shim *shim, const struct command_spec *command, uid_t uid, gid_t gid, struct err *err);

/* Closes the shim's ends; after the shim has been started. */
void shim_started(struct shim *shim);
void shim_close(struct shim *shim);

/* What PID 1 is told of its bottle. */
struct shim_bottle {
    const char *gateway; /* the sidecar's address */
    const char *ca, *ca_subject_hash;
    bool user_namespaces; /* the command may make some */
    const struct mount *mounts;
    size_t mount_count;
    const json_t *remotes; /* as bottle_spec's */
};

/* Tells the shim what to do and waits for its answer; with a terminal the pty's master is in session.pty
 * afterwards. `bottle`: for PID 1, NULL for an exec. Returns 0, or -1 with err. */
int shim_configure(struct shim *shim, const struct command_spec *command, const struct shim_bottle *bottle,
                   struct err *err);

#endif
