/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_peer: whoever started the shim, on an inherited descriptor: a Unix stream socket, or a pipe that is
 * only read. Lines of JSON each way.
 */
#ifndef INIT_SHIM_PEER_H
#define INIT_SHIM_PEER_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define SHIM_PEER_FD 3

struct shim_peer {
    int fd;      /* -1 = none */
    bool speaks; /* a socket: it can be answered */
    struct buf in;
    size_t line; /* bytes of the line that shim_peer_line gave out, to be dropped by its next call */
};

/* Takes the descriptor, makes it close-on-exec. Returns 0, or -1 with err when it is neither socket nor pipe
 * (then the peer has fd -1 and is fine to use). */
int shim_peer_open(struct shim_peer *peer, int fd, struct err *err);
void shim_peer_close(struct shim_peer *peer);

/* Reads once, which blocks unless poll(2) said that it will not. Returns 1, 0 at the end, -1 with errno
 * (EMSGSIZE for a line that is too long). */
int shim_peer_read(struct shim_peer *peer);

/* The next whole line without its LF; valid until the next call on this peer. Returns whether there was one.
 */
bool shim_peer_line(struct shim_peer *peer, struct str *line);

/* Says {"ok":true} with a descriptor (-1 = none), {"ok":false,"error":…}, or {KEY:number}. Returns 0, or -1
 * with errno. A peer that cannot be answered is passed over. */
int shim_peer_ok(const struct shim_peer *peer, int fd);
int shim_peer_error(const struct shim_peer *peer, const char *text);
int shim_peer_number(const struct shim_peer *peer, const char *key, unsigned number);

#endif
