/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listen: accepts the agent's redirected connections and asks the kernel where they were meant to go. */
#ifndef PROXY_LISTEN_H
#define PROXY_LISTEN_H

#include "proxy/session.h"

/* Begins to watch the inherited listener; the descriptor is listening and non-blocking. Returns 0, or a libuv
 * error. */
int listen_start(struct proxy *proxy, int fd);

/* Accepts no more: the worker ends. */
void listen_stop(struct proxy *proxy);

/* The audit queue has room again: goes on accepting. */
void listen_resume(struct proxy *proxy);

/* The RLIMIT_NOFILE that all CONNECTIONS_MAX need, and how many connections may be open at once with another
 * one. */
uint64_t listen_files(void);
size_t listen_max(uint64_t open_files);

#endif
