/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layers: a bottle or an agent with all that it is made of: the file, the parents that it extends, the bottle of an
 * agent. Fourth stage of a manifest: frontmatter -> node -> manifest -> layers -> compile. */
#ifndef HOSTCTL_LAYERS_H
#define HOSTCTL_LAYERS_H

#include <limits.h>
#include <stdbool.h>

#include "core/str.h"
#include "hostctl/frontmatter.h"
#include "hostctl/manifest.h"
#include "hostctl/report.h"
#include "hostctl/sha256.h"

#define LAYERS_DEPTH_MAX 16 /* of parents of parents */
#define LAYERS_MAX       64 /* files read for one bottle */

/* Reads the file report->file, a bottle, and its parents, which are in the user's folder. Returns the whole
 * (manifest_free), or NULL with every error in the report. */
struct manifest *layers_bottle(struct report *report);

struct layers_agent {
    struct frontmatter matter; /* owned: the file */
    struct manifest *manifest; /* owned: the bottle with what the agent says */
    struct str prompt;         /* inside matter: what stands below the front matter */
    char digest[SHA256_HEX];   /* of the file */
    bool repository;           /* the file is the current folder's, not the user's */
    char path[PATH_MAX];
    char bottle[65]; /* the name of its bottle */
};

/* Finds the agent's file. The user's own goes before the current folder's. Returns 0 with path and repository, or -1
 * with err, which names both places. */
int layers_find_agent(const char *name, struct layers_agent *agent, struct err *err);

/* Reads what was found, or the file report->file, and its bottle. Returns 0, or -1 with every error in the report;
 * layers_agent_fini is due in both cases. */
int layers_agent(struct layers_agent *agent, struct report *report);
void layers_agent_fini(struct layers_agent *agent);

#endif
