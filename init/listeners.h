/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listeners: the sockets that workers are born with (docs/ARCHITECTURE.md, "Listeners handed over"). init
 * binds them, hands them over and keeps no copy: a copy would go on taking connections for a worker that is
 * dead.
 */
#ifndef INIT_LISTENERS_H
#define INIT_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/cidr.h"
#include "core/err.h"

#define LISTENERS_MAX 3 /* of one worker */

struct listener {
    const char *what; /* for errors: "udp 9053"; NULL ends a list */
    int type;         /* SOCK_STREAM or SOCK_DGRAM; with a path SOCK_SEQPACKET */
    unsigned port;
    bool loopback;    /* on 127.0.0.1; else on the agent-side address */
    bool shared;      /* SO_REUSEPORT: several workers of a kind listen beside each other */
    const char *path; /* not NULL: a Unix socket there, in the place of an earlier life's, */
    gid_t group;      /* root's, which this group may connect to */
};

/* Binds a list (at most LISTENERS_MAX, or ended) in its order, non-blocking, those with connections listening. Needs SETGID for
 * paths. Returns their number; -1 with err, nothing is left open. */
int listeners_open(const struct listener *list, const struct ip *agent_address, int fds[LISTENERS_MAX],
                   struct err *err);

#endif
