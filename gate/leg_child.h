/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_child: the ssh processes of stopper-push, which end with it whatever happens. */
#ifndef GATE_LEG_CHILD_H
#define GATE_LEG_CHILD_H

#include <sys/types.h>
#include <uv.h>

#include "core/err.h"
#include "gate/leg_command.h"

struct leg_child {
    pid_t pid;                                          /* 0 = none */
    void (*ended)(struct leg_child *child, int status); /* exit status, or 128 + the signal's number; once */
    struct leg_child *next;
};

/* Watches for ends; once in a process. Returns 0 or -1. */
int leg_child_watch(uv_loop_t *loop);

/* Starts ssh with these descriptors (-1 = /dev/null), which stay the caller's. `ended` is called from the loop. Returns 0, or
 * -1 with err. */
int leg_child_start(struct leg_child *child, const struct leg_command *command, const int fds[3],
                    struct err *err);

/* Kills it; `ended` is still called. Nothing happens to one that is not there. */
void leg_child_kill(const struct leg_child *child);

#endif
