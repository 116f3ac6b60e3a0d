/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server: the gate's one long-lived process. It accepts, reads the request line, starts a session for it, keeps the order of
 * refreshes (gate/turns.h), writes the audit lines, and clears up behind sessions. It never reads an object, and never waits.
 */
#ifndef GATE_SERVER_H
#define GATE_SERVER_H

#include "sys/worker.h"

#define SERVER_CONNECTIONS     64 /* at once */
#define SERVER_CONNECTIONS_OF  16 /* of one repository */
#define SERVER_REQUEST_SECONDS 10

struct server;

/* Takes the worker's listener and its callbacks. `self`: the program's own path; `lock`: an exclusive lock of GATE_LOCK, the
 * server's now. Returns NULL with err. */
struct server *server_new(struct worker *worker, int listener, const char *self, struct err *err);

/* Behind worker_jail, before the first connection: sweeps what an earlier life left, which may still be ending. Returns 0, or -1
 * with err. */
int server_ready(struct server *server, struct err *err);

#endif
