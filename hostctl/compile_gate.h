/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compile_gate: the part of compile.c that is the git-gate's: a policy's member "gate" (core/gate.h). */
#ifndef HOSTCTL_COMPILE_GATE_H
#define HOSTCTL_COMPILE_GATE_H

#include <jansson.h>
#include <stdbool.h>

#include "core/gate.h"
#include "hostctl/manifest.h"

/* The member, for a manifest with repositories, of which every one has a host_key. */
json_t *compile_gate(const struct manifest *manifest);

/* Whether what was read of it says what the manifest says; NULL: no repositories. */
bool compile_gate_same(const struct gate *gate, const struct manifest *wanted);

#endif
