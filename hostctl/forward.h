/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forward: ports of the host's loopback that lead to ports inside a bottle. Each connection is carried by one
 * exec of the runtime's, in which the shim gives up everything and then connects (core/duct.h); no engine
 * publishes a port and no rule is opened. One more exec always waits for the next connection: it makes that
 * one quick, and its end tells of the bottle's, or that it cannot be entered, whatever the runtime.
 */
#ifndef HOSTCTL_FORWARD_H
#define HOSTCTL_FORWARD_H

#include <stddef.h>

#include "core/err.h"
#include "hostctl/forward_port.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

#define FORWARD_PORTS_MAX 16

/* Listens, says so on stdout (one line a port), and carries connections until SIGINT, SIGQUIT, SIGTERM or
 * SIGHUP, or the bottle's end, which it tells on stderr; so it does why a connection failed. Needs
 * signals_open. Returns 0 after such an end, or -1 with err. */
int forward_run(const struct runtime *runtime, const struct state *state, const struct forward_port *ports,
                size_t count, struct err *err);

#endif
