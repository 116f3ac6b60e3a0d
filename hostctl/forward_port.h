/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward_port: "PORT[:AGENTPORT]", a port of the host and the one in the bottle that it leads to. */
#ifndef HOSTCTL_FORWARD_PORT_H
#define HOSTCTL_FORWARD_PORT_H

#include "core/err.h"

struct forward_port {
    unsigned short host;  /* 0: any that is free */
    unsigned short agent; /* never 0 */
};

/* Both are decimal numbers without sign or leading zeros, up to 65535; the host's is 0 only beside an agent's.
 * Returns 0, or -1 with err. */
int forward_port_parse(const char *text, struct forward_port *port, struct err *err);

#endif
