/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_netns_needs: what bottles without a container engine need of this machine. */
#ifndef HOSTCTL_RT_NETNS_NEEDS_H
#define HOSTCTL_RT_NETNS_NEEDS_H

#include <limits.h>

#include "core/err.h"
#include "hostctl/runtime.h"

extern const struct need netns_needs[];

/* The folder with stopper-init and its like: beside hostctl, or ../libexec/stopper. Returns 0, or -1 with err. */
int programs_find(char folder[PATH_MAX], struct err *err);

#endif
