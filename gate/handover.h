/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handover: what a session is told of the policy: its member "gate", written anew as core/gate.h reads it. */
#ifndef GATE_HANDOVER_H
#define GATE_HANDOVER_H

#include <stdbool.h>

#include "core/gate.h"

/* A sealed memfd with the JSON, or -1. */
int handover_memfd(const struct gate *gate);

/* Whether both have this repository, say the same about a push to it, and lead to the same place. */
bool handover_same(const struct gate *one, const struct gate *other, struct str name);

#endif
