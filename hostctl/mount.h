/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mount: the option --mount HOST[:AGENT[:ro]], checked and opened. A runtime mounts what `fd` names, never
 * the path again: an agent that can write a parent folder could have replaced a part of the path since the
 * check.
 */
#ifndef HOSTCTL_MOUNT_H
#define HOSTCTL_MOUNT_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct mount {
    int fd;      /* open on the host's folder or regular file, CLOEXEC */
    bool folder; /* else a regular file */
    bool read_only;
    char host[PATH_MAX];  /* resolved, for words and for engines that take paths only */
    char agent[PATH_MAX]; /* absolute, normal form: no empty, "." or ".." parts, no trailing slash */
};

/* Parses and checks one option value. AGENT defaults to /work/BASENAME. `state` is the state folder, which
 * may not be mounted. Returns 0 with mount->fd open (mount_close), or -1 with err. */
int mount_parse(const char *option, const char *state, struct mount *mount, struct err *err);
void mount_close(struct mount *mount);

/* Their places in the bottle as a JSON array, or NULL: memory is out, or one is not UTF-8. */
json_t *mount_places(const struct mount *mounts, size_t count);

/* Checks the mounts against each other: no two on one place, none that hides an earlier one. Returns 0, or -1
 * with err. */
int mount_check(const struct mount *mounts, size_t count, struct err *err);

#endif
