/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signals: hostctl's own signals as bytes in two pipes, so that whoever waits can wait for them too. A child
 * between fork and exec shares the pipes: it must not be sent signals before it has executed or reset its
 * handlers. */
#ifndef HOSTCTL_SIGNALS_H
#define HOSTCTL_SIGNALS_H

#include "core/err.h"

/* Catches the signals below and ignores SIGPIPE. Once a process. Returns 0, or -1 with err. */
int signals_open(struct err *err);

/* Readable while one of SIGINT, SIGQUIT, SIGTERM, SIGHUP waits to be taken. */
int signals_interrupt_fd(void);

/* Readable while one of SIGCHLD, SIGWINCH, SIGUSR1, SIGUSR2 waits to be taken. */
int signals_event_fd(void);

/* Takes the oldest signal from one of the two. Returns its number, or 0. */
int signals_take(int fd);

#endif
