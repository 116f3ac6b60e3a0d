/* SPDX-License-Identifier: GPL-3.0-or-later */
/* validate: what `hostctl validate` does, for `hostctl doctor` too. */
#ifndef HOSTCTL_VALIDATE_H
#define HOSTCTL_VALIDATE_H

#include <stddef.h>

#include "core/err.h"

/* Reads all bottles and agents of the user's folder, and says nothing. Returns 0 with how many there are and how many
 * are wrong, or -1 with err. */
int validate_count(const char *config, size_t *files, size_t *wrong, struct err *err);

#endif
