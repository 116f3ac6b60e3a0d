/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_connect: the far end of `hostctl forward`: waits on stdin for a port, connects to it inside the
 * bottle, and carries that one connection over stdin and stdout (core/duct.h). An agent's ordinary process:
 * it comes in by `exec --`, which has given up everything before.
 */
#ifndef INIT_SHIM_CONNECT_H
#define INIT_SHIM_CONNECT_H

/* Returns the status for exit(3): 0 when the connection was whole or nobody asked for one, 1 when it was
 * not. */
int shim_connect(void);

#endif
