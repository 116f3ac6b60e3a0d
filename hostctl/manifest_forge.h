/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_forge: where a repository of the git-gate with a key of a forge's lies there. */
#ifndef HOSTCTL_MANIFEST_FORGE_H
#define HOSTCTL_MANIFEST_FORGE_H

#include "hostctl/manifest.h"
#include "hostctl/report.h"

#define FORGE_NAME_MAX 100 /* bytes of an owner's or a repository's name; Gitea's own limits are 40 and 100 */
#define FORGE_URL_MAX  1024

struct manifest_forge {
    char url[FORGE_URL_MAX + 1]; /* of the server: api_url without "/" at its end, else https://HOST */
    char owner[FORGE_NAME_MAX + 1], repo[FORGE_NAME_MAX + 1];
};

/* Of a repository whose key's provider is gitea and that was checked. */
void manifest_forge(const struct manifest_repo *repo, struct manifest_forge *forge);

/* Complains of every such repository whose URL's path is not /OWNER/REPO.git, or whose api_url already holds what is put
 * behind it. */
void manifest_check_forges(const struct manifest *manifest, struct report *report);

#endif
