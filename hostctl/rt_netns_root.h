/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_root: what the sidecar and the agent find in the file system. Both functions run in a fresh mount
 * namespace, as `prepare` of a proc_plan, and end with the new root in place.
 */
#ifndef HOSTCTL_RT_NETNS_ROOT_H
#define HOSTCTL_RT_NETNS_ROOT_H

#include "core/err.h"
#include "hostctl/runtime.h"

#define ROOT_PROGRAMS "/stopper"                  /* in the sidecar: the folder of its programs */
#define ROOT_STORE    "/gate"                     /* in the sidecar: where its repositories are kept */
#define ROOT_SHIM     "/run/stopper/stopper-shim" /* in the agent */
#define ROOT_HOME     "/home/agent"

struct root_sidecar {
    const char *programs; /* the host's folder; its files stopper-* enter */
    const char *store;    /* the host's folder that becomes ROOT_STORE; NULL: there is none */
};

struct root_agent {
    const char *name; /* hostname */
    const char *shim; /* the host's file */
    const char *resolver;
    uid_t uid;
    gid_t gid;
    const struct mount *mounts;
    size_t mount_count;
    int *trees; /* by root_trees_open, one for each mount */
};

/* Detached copies of the user's mounts, made in hostctl's own mount namespace from the descriptors that were
 * checked. Returns a list of `count` for root_trees_close, or NULL with err. */
int *root_trees_open(const struct mount *mounts, size_t count, struct err *err);
void root_trees_close(int *trees, size_t count);

int root_sidecar(void *ctx, struct err *err); /* ctx: struct root_sidecar */
int root_agent(void *ctx, struct err *err);   /* ctx: struct root_agent */

#endif
