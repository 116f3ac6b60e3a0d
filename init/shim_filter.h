/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_filter: the few system calls that an agent must not make although its kernel would let a user without
 * capabilities. Everything else is allowed: compilers, debuggers and package managers run in here.
 */
#ifndef INIT_SHIM_FILTER_H
#define INIT_SHIM_FILTER_H

#include <stdbool.h>

#include "core/err.h"

/* Loads the filter for good and tries it; with user_namespaces it lets these through, for sandboxes inside.
 * no_new_privs must be set. Returns 0, or -1 with err. */
int shim_filter_load(bool user_namespaces, struct err *err);

#endif
