/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_user: whom an image's USER means. A container that begins as root, because its PID 1 has to seal it
 * first, is told the image's own word for the user; what it means is in the image's passwd(5) and group(5).
 */
#ifndef INIT_SHIM_USER_H
#define INIT_SHIM_USER_H

#include "core/err.h"
#include "core/str.h"

/* Replaces the member "user" ("NAME|UID[:GROUP|GID]") of a configuration by uid, gid and groups, and HOME in
 * env where it is missing: *made is then the new text (free), to which *text leads. A text without the member
 * stays, and *made is NULL. A group 0 becomes the user's own number. Returns 0, or -1 with err: no such user
 * or group, or root. To be called before anything of the image runs. */
int shim_user_resolve(struct str *text, char **made, struct err *err);

#endif
