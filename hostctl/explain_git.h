/* SPDX-License-Identifier: GPL-3.0-or-later */
/* explain_git: what would become of a fetch from a URL, or of a push of one ref to it, in a bottle of this manifest: where its
 * git is led (gate_remotes.h), and what the gate's rules say (core/gate.h). What is in a push nobody knows here. */
#ifndef HOSTCTL_EXPLAIN_GIT_H
#define HOSTCTL_EXPLAIN_GIT_H

#include <jansson.h>
#include <stdbool.h>

#include "core/err.h"
#include "hostctl/manifest.h"

/* Whether the word is "fetch" or "push", which no method of HTTP is. */
bool explain_git_is(const char *word);

/* ref: of a push, may be NULL: any. Returns the answer (json_decref), whose "verdict" is "allow" or "block" and whose
 * "repository" is null where there is none; or NULL with err when the words are no URL or ref of git's. */
json_t *explain_git(const struct manifest *manifest, const char *word, const char *url, const char *ref,
                    struct err *err);

void explain_git_print(const json_t *said, const char *file);

#endif
