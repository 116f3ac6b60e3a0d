/* SPDX-License-Identifier: GPL-3.0-or-later */
/* up_load: the manifest that `up` or `apply` is given, with all that makes it and all that it names: layers, secrets,
 * authorities, skills. Everything that is wrong is said on stderr. */
#ifndef HOSTCTL_UP_LOAD_H
#define HOSTCTL_UP_LOAD_H

#include <stdbool.h>

#include <jansson.h>

#include "core/err.h"
#include "core/secret.h"
#include "hostctl/fixed.h"
#include "hostctl/forge.h"
#include "hostctl/layers.h"
#include "hostctl/mount.h"
#include "hostctl/options.h"
#include "hostctl/placeholder.h"
#include "hostctl/state.h"

struct up_load {
    const char *command;       /* "up": who says what is wrong */
    const char *file;          /* a bottle's; of an agent its own, after up_load_choose */
    const char *agent_name;    /* NULL: a bottle's file */
    bool is_agent;             /* by its name, or as recorded */
    const char *confirm;       /* a digest, or NULL */
    struct forge *forge;       /* gets the tokens of forges; NULL: none are needed */
    struct layers_agent agent; /* of a bottle's file empty */
    struct manifest *manifest; /* the agent's, or own */
    char *policy;              /* what the sidecar gets */
    struct secrets *secrets;
    char *keys;                  /* the text of its member "keys"; NULL: no repositories */
    json_t *remotes;             /* gate_remotes.h; likewise */
    char seed[PLACEHOLDER_SEED]; /* of placeholders; "": a new one is made */
    struct fixed fixed;          /* what no apply changes */
};

/* What is to run: a file, or an agent by its name. Returns 0, or -1 with err: the words are wrong. */
int up_load_choose(struct up_load *load, const struct operands *operands, struct err *err);

/* What a bottle was made from, as up_load_record wrote it: the text is the state's, which has to outlive the load.
 * Returns 0, or -1 with err when the record names nothing. */
int up_load_recorded(struct up_load *load, const struct state *state, struct err *err);

/* Takes what the agent of a bottle that runs was given, which does not change: the seed of its placeholders. */
void up_load_same(struct up_load *load, const struct state *state);

/* Writes down, after up_load, what up_load_recorded and `apply` need. Needs the lock. Returns 0, or -1 with err. */
int up_load_record(const struct up_load *load, struct state *state, struct err *err);

/* Reads all but the skills. Returns 0, or -1 after complaints; up_load_fini is due in both cases. */
int up_load(struct up_load *load);

/* Appends the skills to the mounts, which have room for MANIFEST_SKILLS_ALL. Returns 0, or -1 after complaints. */
int up_load_skills(const struct up_load *load, struct mount *mounts, size_t *count);

void up_load_fini(struct up_load *load);

#endif
