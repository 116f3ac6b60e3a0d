/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_oci_image: what an image says about itself, and the engine's seccomp profile made stricter. */
#ifndef HOSTCTL_RT_OCI_IMAGE_H
#define HOSTCTL_RT_OCI_IMAGE_H

#include <jansson.h>

#include "core/err.h"
#include "hostctl/rt_oci_engine.h"

struct image {
    json_t *inspected;                                /* owned */
    const json_t *entrypoint, *command, *environment; /* arrays of strings, or NULL; inspected's */
    const char *user, *workdir;                       /* "" when it names none; inspected's */
    const char *id; /* as image_id has it: what is made of it is made of this, whatever its tag becomes */
};

/* Asks the engine, which is told to fetch the image when it is not there. Returns 0, then image_fini; or -1
 * with err. */
int image_open(const struct engine *engine, const char *reference, int interrupt, struct image *image,
               struct err *err);
void image_fini(struct image *image);

/* What an engine's inspect calls an image by its content ("sha256:" and 64 hexadecimal digits, or these alone), as a
 * reference that cannot come to mean another; `reference` itself where the engine takes no such. NULL: neither. */
const char *image_id(const struct engine *engine, const json_t *said, const char *reference);

/* Whether its user is root, or nobody has said who. */
bool image_is_roots(const struct image *image);

/* Writes the engine's default profile to `path`, without user namespaces, mounts and entering namespaces.
 * Returns 1; 0 when the default refuses these by itself and nothing was written; -1 with err. */
int profile_write(const struct engine *engine, const char *path, struct err *err);

#endif
