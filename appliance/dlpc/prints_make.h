/* SPDX-License-Identifier: GPL-3.0-or-later */
/* prints_make: lays out the fingerprints of keys as dlp/prints.h searches them. */
#ifndef DLPC_PRINTS_MAKE_H
#define DLPC_PRINTS_MAKE_H

#include "core/err.h"
#include "dlp/prints.h"
#include "dlpc/compile.h"

/* The part: *size bytes, to be freed. NULL and *err when it cannot be made. There is one key at least. */
struct dlp_prints_part *dlpc_prints_make(const struct dlp_prints *prints, size_t *size, struct err *err);

#endif
