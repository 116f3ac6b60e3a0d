/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_netns: bottles as plain Linux namespaces, no container engine. Needs root. */
#ifndef HOSTCTL_RT_NETNS_H
#define HOSTCTL_RT_NETNS_H

#include "hostctl/runtime.h"

extern const struct runtime runtime_netns;

#endif
