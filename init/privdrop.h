/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * privdrop: from root to the agent's user, for good. Whatever is executed afterwards has no capability,
 * cannot get one (by setuid programs, file capabilities or user namespaces), and cannot change its routes;
 * each of these is tried.
 */
#ifndef INIT_PRIVDROP_H
#define INIT_PRIVDROP_H

#include "core/err.h"
#include "init/shim_config.h"

/* Needs SETUID, SETGID and SETPCAP. Returns 0, or -1 with err: then nothing must be executed. */
int privdrop(const struct shim_config *config, struct err *err);

/* The same end for a process that was started without privileges, as in a container without capabilities:
 * looks that there are none, in the bounding set either, and that no_new_privs is set already, which holds
 * for whatever else is started in there. Returns 0, or -1 with err: then nothing must be executed. */
int privdrop_sealed(const struct shim_config *config, struct err *err);

#endif
