/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deploy_key: the keys of repositories with `key: {provider: gitea}`. The sidecar makes each and keeps its private half; its
 * public half is registered at the forge while the bottle lives:
 *
 *   `up`, when the sidecar runs     what earlier bottles left is deleted; what is about to be registered is recorded; it is
 *                                   registered; its id is recorded
 *   the bottle's end                it is deleted, then forgotten
 *
 * So at every moment at which hostctl may be killed the record names each key that can be there: by its id, or by its title,
 * which is one of this bottle, this repository and this state folder (state_label). Whoever cleans up after a bottle goes by
 * that. What cannot be deleted stays in the record, and the bottle's folder with it, until it can.
 */
#ifndef HOSTCTL_DEPLOY_KEY_H
#define HOSTCTL_DEPLOY_KEY_H

#include <stdbool.h>

#include "core/err.h"
#include "hostctl/forge.h"
#include "hostctl/gitea.h"
#include "hostctl/manifest.h"
#include "hostctl/report.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

#define DEPLOY_KEY_VARIABLE "variable" /* in a record: the name of the token's */

/* Takes the tokens that a manifest names, and looks for curl where one is. Complains of what is missing. */
void deploy_keys_ready(const struct manifest *manifest, struct forge *forge, struct report *report);

/* Complains of every such repository that a bottle that runs has no key for: none is made while it runs. */
void deploy_keys_kept(const struct manifest *manifest, const struct state *state, struct report *report);

/* Registers a key for each such repository, with a sidecar that runs. Needs the lock. Returns 0, or -1 with err; what was
 * registered by then is in the record. */
int deploy_keys_register(const struct manifest *manifest, const struct forge *forge,
                         const struct runtime *runtime, struct state *state, int interrupt, struct err *err);

/* Deletes all that are recorded. Needs the lock. Each that stays is said on stderr, with its id and why. Returns 0 when none
 * does (or forge->forget), else -1 with err. */
int deploy_keys_remove(struct state *state, const struct forge *forge, struct err *err);

/* A key's title, and what it says; take_title returns whether it is one of this label. */
void deploy_key_title(char title[GITEA_TITLE_MAX + 1], const char *repo, const char *bottle,
                      const char *label);
bool deploy_key_take_title(const char *title, const char *label, char bottle[BOTTLE_NAME_MAX + 1]);

#endif
