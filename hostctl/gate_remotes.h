/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_remotes: how the repositories of git-gate.repos are called by whoever clones them: the forms of their URLs that the
 * agent's git is to lead to the gate (init/shim_git.h). */
#ifndef HOSTCTL_GATE_REMOTES_H
#define HOSTCTL_GATE_REMOTES_H

#include <jansson.h>
#include <stddef.h>

#include "core/gate_url.h"
#include "core/str.h"
#include "hostctl/manifest.h"

#define REMOTE_FORMS 8                   /* of one URL, at most */
#define REMOTE_MAX   (GATE_URL_MAX + 64) /* bytes of one, NUL included */
#define REMOTES_MAX  (512u << 10)        /* bytes of all together */

/* The URL's path as forges take it with and without what may follow: "/" and ".git" at its end are left out. */
struct str gate_remote_path(const struct gate_url *url);

/* The forms of a URL, without ".git": with ssh:// and, for port 22, as scp has it; with https://, where a forge has the same
 * repository. Each is the beginning of what is written. Returns how many. */
size_t gate_remote_forms(const struct gate_url *url, char forms[REMOTE_FORMS][REMOTE_MAX]);

/* {"app": ["ssh://git@h.example/org/app", …], …} (json_decref); NULL where there are no repositories, or memory is out. */
json_t *gate_remotes(const struct manifest *manifest);

/* How many bytes of forms there are: REMOTES_MAX is what a bottle is told. */
size_t gate_remotes_size(const struct manifest *manifest);

#endif
