/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_oci_tell: what the shim in the agent's container is told (docs/ARCHITECTURE.md, "Boot of an agent"). */
#ifndef HOSTCTL_RT_OCI_TELL_H
#define HOSTCTL_RT_OCI_TELL_H

#include <stddef.h>

#include "hostctl/rt_oci_engine.h"
#include "hostctl/rt_oci_image.h"
#include "hostctl/runtime.h"

#define TELL_HOME "/home/agent" /* where the image has no user of its own */

/* The agent's home as far as it is ours to make; NULL: the image's user has one. */
const char *tell_home(const struct bottle_spec *spec, const struct image *image);

/* The configuration of PID 1, a line of *len bytes with the line's end in the place of its NUL; its values may be
 * secrets (secret_wipe, secret_json_free). NULL: memory is out, or a text is not UTF-8. */
char *tell_first(const struct engine *engine, const struct bottle_spec *spec,
                 const struct command_spec *command, const struct image *image, const char *gateway,
                 size_t *len);

/* What a later command puts over that; not secret, and seen in the bottle only. To be freed; NULL as above. */
char *tell_later(const struct command_spec *command);

#endif
