/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_apple: Apple's `container` as an engine of rt_oci, from its command reference
 * (github.com/apple/container, docs/command-reference.md; 0.12 and later). Its row is engine_apple; here is
 * what a row cannot say.
 */
#ifndef HOSTCTL_RT_APPLE_H
#define HOSTCTL_RT_APPLE_H

#include <jansson.h>

#include "core/err.h"
#include "hostctl/rt_oci_image.h"
#include "hostctl/runtime.h"

#define APPLE_SHIM "shim" /* a folder in the bottle's state folder */

/* Writes the shim of the sidecar's image, which the sidecar hands out, into that folder, for the agent's
 * container: the engine fills no volume from an image. Returns 0, or -1 with err. */
int apple_shim_fetch(const struct bottle_spec *spec, const struct state *state, struct err *err);

/* For create: where the agent's container has the shim and its resolver. */
void apple_places(const struct state *state, const char *gateway, struct words *words);

#endif
