/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_git: the agent's git goes to the gate where it would go to a repository of git-gate.repos. SHIM_GIT_FILE takes the place
 * of the system's configuration (git-config(1), GIT_CONFIG_SYSTEM), which it includes; the user's and a repository's go
 * over it, as over that.
 */
#ifndef INIT_SHIM_GIT_H
#define INIT_SHIM_GIT_H

#include "core/buf.h"
#include "core/err.h"
#include "init/shim_config.h"
#include "init/shim_trust.h"

#define SHIM_GIT_FILE   SHIM_TRUST_FOLDER "/gitconfig" /* root's; everybody may read */
#define SHIM_GIT_SYSTEM "/etc/gitconfig"
#define SHIM_GIT_MAX    (4u << 20) /* bytes of the file */

/* Appends the file's text. `system`: what it includes. Returns 0, or -1 when it would be too large. */
int shim_git_text(const struct shim_config *config, const char *system, struct buf *text);

/* Writes the file and leads git to it, by config->env; a file to which the variable leads already is included. Without
 * repositories it does nothing. Returns 0, or -1 with err. */
int shim_git_setup(struct shim_config *config, struct err *err);

/* The variable alone, for whoever enters later. Returns 0, or -1 with err. */
int shim_git_environment(struct shim_config *config, struct err *err);

#endif
