/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_door: how a container's PID 1 gets its configuration, since an engine hands over no descriptor: it
 * listens on a socket in the container, and `stopper-shim configure`, run through the engine's exec, brings
 * one line and takes one answer. The door is open until the first caller only, before any command runs.
 */
#ifndef INIT_SHIM_DOOR_H
#define INIT_SHIM_DOOR_H

#include "core/err.h"
#include "init/shim_peer.h"

/* Opens the door, waits for one caller of this user's or root's, and shuts it. A terminating signal meanwhile
 * ends the process as in shim_wait_line. Returns 0 with the peer, or -1 with err. */
int shim_door_wait(struct shim_peer *peer, int signals, struct err *err);

/* The caller: passes the line on stdin to the door, for which it waits if need be, and the answer to stdout.
 * Returns the exit status: 0 when the answer came, whatever it says. */
int shim_door_configure(void);

/* Commands that were started by `exec` have names, by which they can be sent signals. A name is 1 to 32 of
 * a-z and 0-9. Return 0, or -1 with err. */
int shim_door_name(const char *name, struct err *err); /* this process */
int shim_door_signal(const char *name, const char *number, struct err *err);

#endif
