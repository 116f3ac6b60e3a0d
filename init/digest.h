/* SPDX-License-Identifier: GPL-3.0-or-later */
/* digest: SHA-256 (FIPS 180-4) of what init ties together: lines of the audit, policies. */
#ifndef INIT_DIGEST_H
#define INIT_DIGEST_H

#include <stddef.h>

#include "core/str.h"

/* The first `digits`, at most 64, of the digest in lower-case hexadecimal, NUL-terminated; text has room for one
 * more. Returns 0, or -1 (text is unchanged). */
int digest_hex(struct str bytes, size_t digits, char *text);

#endif
