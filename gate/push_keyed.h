/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_keyed: a keyed hash by which what was found in a push is known (HMAC, RFC 2104, with SHA-256; cut to HOLD_VALUE digits), as the proxy
 * has it for requests: equal values are equal, and nobody without the key learns one from it. */
#ifndef GATE_PUSH_KEYED_H
#define GATE_PUSH_KEYED_H

#include <stdint.h>

#include "core/approval.h"
#include "core/hold.h"
#include "core/str.h"

/* Of two texts, the second one behind a NUL when it is not empty. `key`: APPROVAL_KEY bytes. Returns 0, or -1: it failed. */
int push_keyed(const uint8_t *key, struct str text, struct str more, char out[HOLD_VALUE + 1]);

#endif
