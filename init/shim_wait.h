/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_wait: PID 1's life beside the agent's command: signals go to the command's process group, orphans are
 * reaped, the peer's lines are obeyed, and the command's end is told.
 */
#ifndef INIT_SHIM_WAIT_H
#define INIT_SHIM_WAIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "init/shim_peer.h"

struct shim_wait {
    pid_t command; /* leads its own process group */
    int signals;   /* signalfd of every signal, all of which are blocked */
    int terminal;  /* a descriptor of the agent's pty, for its size; -1 = none */
    struct shim_peer *peer;
    bool die_with_parent; /* when the peer is gone, so are we */
};

/* Blocks every signal and returns their signalfd, or -1 with errno. */
int shim_wait_signals(void);

/* Waits for the peer's first line. Returns 0 and the line, or -1 with err; a terminating signal meanwhile
 * ends the process with 128 + its number (as PID 1 it would otherwise be deaf to it). */
int shim_wait_line(struct shim_peer *peer, int signals, struct str *line, struct err *err);

/* Runs until the command has ended. Returns the status for exit(3): the command's, or 128 + the signal that
 * killed it. */
int shim_wait(struct shim_wait *wait);

#endif
