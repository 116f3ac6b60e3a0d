/* SPDX-License-Identifier: GPL-3.0-or-later */
/* agent: what a manifest gives the agent beside its command: skills and a prompt as read-only files below /stopper,
 * variables that lead there, and an identity for git. */
#ifndef HOSTCTL_AGENT_H
#define HOSTCTL_AGENT_H

#include "core/err.h"
#include "core/str.h"
#include "hostctl/layers.h"
#include "hostctl/mount.h"
#include "hostctl/state.h"

#define AGENT_PROMPT "/stopper/prompt.md"
#define AGENT_SKILLS "/stopper/skills"

/* Whether the operator has confirmed this content of a repository's agent: before now, by its digest (`given`, the
 * first 12 digits or more; may be NULL), or on the terminal that hostctl runs on. Remembered. Returns 0, or -1 with
 * err, which says how to confirm. */
int agent_confirm(const struct layers_agent *agent, const char *given, struct err *err);

/* Opens the skills of the manifest, folders in the user's configuration, and appends them to the mounts, which have
 * room. `state` is the state folder. Returns 0, or -1 with the errors in the report. */
int agent_skills(const struct manifest *manifest, const char *state, struct mount *mounts, size_t *count,
                 struct report *report);

/* Writes the prompt into the bottle's state folder, where it goes with the bottle, and opens it as a mount. */
int agent_prompt(const struct state *state, struct str prompt, struct mount *mount, struct err *err);

/* Appends the variables to the manifest's env: STOPPER_PROMPT (with a prompt) and STOPPER_SKILLS (with skills), which
 * the env of the manifest may override, and GIT_CONFIG_COUNT and what it counts (git-config(1)) for git-gate.user,
 * which it may not. Returns 0, or -1 with err. */
int agent_env(struct manifest *manifest, bool prompt, struct err *err);

#endif
