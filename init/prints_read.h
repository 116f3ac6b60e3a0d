/* SPDX-License-Identifier: GPL-3.0-or-later */
/* prints_read: the other end of init/gate_prints.h, in stopper-dlpc. */
#ifndef INIT_PRINTS_READ_H
#define INIT_PRINTS_READ_H

#include <jansson.h>

#include "core/err.h"
#include "dlpc/compile.h"

/* Reads what gate_prints_make makes; NULL: there are no keys. Names point into the object. Returns 0, or -1 with err; prints_free
 * after either. */
int prints_read(const json_t *object, struct dlp_prints *prints, struct err *err);
void prints_free(struct dlp_prints *prints);

#endif
