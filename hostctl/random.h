/* SPDX-License-Identifier: GPL-3.0-or-later */
/* random: names that nobody can guess, and that two hostctls never choose at once. */
#ifndef HOSTCTL_RANDOM_H
#define HOSTCTL_RANDOM_H

#include <stddef.h>

#include "core/err.h"

#define RANDOM_MAX 32 /* bytes at once */

/* Writes so many bytes of the kernel's generator (random(4)) as small hexadecimal digits, two for each and a NUL behind them: `out` has
 * 2 * bytes + 1. Returns 0, or -1 with err. */
int random_hex(char *out, size_t bytes, struct err *err);

#endif
