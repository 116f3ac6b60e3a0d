/* SPDX-License-Identifier: GPL-3.0-or-later */
/* child: starts the real git for a session, with the one environment and configuration that every git here has. */
#ifndef GATE_CHILD_H
#define GATE_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "gate/session.h"

struct child {
    const char *const *argv; /* behind "git"; NULL-terminated */
    int fds[3];              /* stdin, stdout, stderr; the caller's */
    int relay;               /* the relay's socket */
    uint64_t file_max;       /* bytes of a file that it writes */
    unsigned protocol;       /* GIT_PROTOCOL=version=N; 0 = not set */
};

/* In the process group of the session, and killed when that ends. Returns the pid, or -1 with err. */
pid_t child_start(const struct session *session, const struct child *child, struct err *err);

#endif
