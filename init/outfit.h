/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outfit: the descriptors that one life of a process begins with (sys/worker.h has their numbers), and the
 * parent's ends of them.
 */
#ifndef INIT_OUTFIT_H
#define INIT_OUTFIT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cidr.h"
#include "core/err.h"
#include "init/listeners.h"
#include "sys/worker.h"

struct outfit {
    int fds[WORKER_FD_LISTENERS + LISTENERS_MAX]; /* the child's, in its order; -1 = /dev/null */
    size_t fd_count;
    int channel, audit, words; /* ours; audit is -1 for the meter */
};

/* For a worker with these listeners, or for the meter (NULL): a netlink socket and a channel. Returns 0, or
 * -1 with err and nothing open. */
int outfit_open(struct outfit *outfit, const struct listener *list, const struct ip *agent_address,
                struct err *err);

/* Closes the child's ends, which it has by now; and ours, if it could not be started. */
void outfit_close(struct outfit *outfit, bool ours);

#endif
