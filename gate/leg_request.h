/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_request: reads a request of gate/leg.h, which whoever took the gate over may have written. */
#ifndef GATE_LEG_REQUEST_H
#define GATE_LEG_REQUEST_H

#include "gate/leg.h"

enum leg_request_read {
    LEG_REQUEST_GOOD,
    LEG_REQUEST_BAD,   /* it is none, or came with other than three descriptors */
    LEG_REQUEST_GONE,  /* the connection has ended */
    LEG_REQUEST_AGAIN, /* nothing is there yet */
};

/* Takes one packet off a socket. `fds`: those that came, the caller's to close, -1 for each that did not; no more stay open.
 */
enum leg_request_read leg_request_read(int sock, struct leg_request *request, int fds[LEG_FDS]);

#endif
