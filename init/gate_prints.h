/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate_prints: the fingerprints of the gate's keys (dlp/print.h), which is all that leaves init of them besides the keys that go to
 * stopper-push: a part of what stopper-dlpc compiles.
 */
#ifndef INIT_GATE_PRINTS_H
#define INIT_GATE_PRINTS_H

#include <jansson.h>

#include "core/err.h"
#include "core/keys.h"
#include "dlp/print.h"

/* {"key": K, "plain": BOOL, "keys": {"NAME": PRINTS}}: of each key of a set, in hexadecimal digits: the key that prints are made with, and
 * prints of 16 digits each; `plain` as in dlp/prints.h. The caller's. NULL with err: a key is not understood, and it would
 * not be known again; or there are too many. The same keys give the same. */
json_t *gate_prints_make(const uint8_t key[DLP_PRINT_KEY], const struct keys *keys, struct err *err);

#endif
