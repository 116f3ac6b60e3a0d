/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ports: where the workers listen. Above 1024 so that init needs no NET_BIND_SERVICE; the wall redirects to
 * them, but for the gate's, which the agent dials. */
#ifndef SYS_PORTS_H
#define SYS_PORTS_H

#define PORT_PROXY    9443 /* tcp, agent-side address */
#define PORT_DNS      9053 /* udp and tcp, agent-side address */
#define PORT_GATE     9418 /* tcp, agent-side address: git's own port */
#define PORT_RESOLVER 9054 /* udp, 127.0.0.1: real answers for the proxy, unreachable from the agent */

#endif
