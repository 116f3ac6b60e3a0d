/* SPDX-License-Identifier: GPL-3.0-or-later */
/* known_make: lays out known secrets as dlp/known.h searches them. */
#ifndef DLPC_KNOWN_MAKE_H
#define DLPC_KNOWN_MAKE_H

#include "core/err.h"
#include "dlp/known.h"
#include "dlpc/compile.h"

/* The part, in secret memory: *size bytes, to be given back with secret_release. NULL and *err when it cannot be made;
 * errors name the secret, never its value. count is at least 1. */
struct dlp_known_part *dlpc_known_make(const struct dlp_known *known, size_t count, size_t *size,
                                       struct err *err);

/* How many bytes in front of a value are nobody's secret: what a service puts in front of all of its tokens, or the
 * scheme of an address. */
size_t dlpc_known_fixed(struct str value);

#endif
