/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_netns: bottles as plain Linux namespaces, no container engine. Needs root. */
#ifndef HOSTCTL_RT_NETNS_H
#define HOSTCTL_RT_NETNS_H

#include "hostctl/runtime.h"

extern const struct runtime runtime_netns;

/* The hidden verb `netns-guard TABLE LINK`, which the runtime starts for --uplink=nat (rt_netns_uplink.c).
 * Returns the exit status. */
int rt_netns_guard(int argc, char **argv);

#endif
