/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_exec: the last steps into the agent's command: a terminal of its own, default signals, no descriptor
 * but 0, 1 and 2, its environment, and the search along its own PATH. After the drop only.
 */
#ifndef INIT_SHIM_EXEC_H
#define INIT_SHIM_EXEC_H

#include "core/err.h"
#include "init/shim_config.h"

struct shim_terminal {
    int master, slave; /* -1 = no terminal */
};

/* A pty from the agent's own /dev, in the configured size; none when the config has no terminal. Both ends
 * are close-on-exec and no controlling terminal yet. Returns 0, or -1 with err. */
int shim_terminal_open(const struct shim_config *config, struct shim_terminal *terminal, struct err *err);

/* Executes argv in this process's place, in a session of its own, on the terminal where there is one. Returns
 * only when that failed, after words on descriptor 2: 127 = not found, 126 = found and not executable. */
int shim_exec(const struct shim_config *config, const struct shim_terminal *terminal, char *const argv[]);

#endif
