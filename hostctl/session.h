/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: a running command as a runtime hands it over, and the relay between it and the user. The command
 * never gets a descriptor of the user's own: it has a terminal of its own, or three pipes.
 */
#ifndef HOSTCTL_SESSION_H
#define HOSTCTL_SESSION_H

#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

#define SESSION_WATCHED_MAX 8

struct session {
    int pty;          /* master of the command's terminal; -1: pipes */
    int in, out, err; /* our ends of its stdin, stdout, stderr; -1 with a terminal */
    int control; /* stream socket to the shim (docs/ARCHITECTURE.md, "Boot of an agent"): we write resize and
                    signal lines, it answers with exit or killed. -1: none; then `child` says how it ended */
    pid_t child; /* with control -1: our child that is (or waits for and imitates) the command; signals go to
                    it. Else 0 */
    struct {
        pid_t pid; /* our child */
        const char *what;
    } watched[SESSION_WATCHED_MAX]; /* their end before the command's ends the session: "the sidecar" */
    size_t watched_count;
};

/* All descriptors -1, nothing watched. */
void session_init(struct session *session);

/* Closes what is open; kills and reaps `child`, if it still lives. */
void session_close(struct session *session);

/*
 * Carries bytes, window sizes and signals both ways until the command ends; with a terminal the user's is in
 * raw mode meanwhile and is restored in every case. Children are looked at, not reaped: the watched ones are
 * the runtime's, `child` goes with session_close.
 * SIGINT, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on; SIGTERM and SIGHUP too, and then the command has 10
 * seconds (a second one of them ends the wait at once).
 * Returns 0 with the command's exit status (0..255; 128 + signal when it was killed), or -1 with err when the
 * session broke: a watched process ended, or the command outlived its 10 seconds.
 */
int session_relay(struct session *session, int *status, struct err *err);

#endif
