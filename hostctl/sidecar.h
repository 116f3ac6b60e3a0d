/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sidecar: what commands say to a bottle's sidecar, over the runtime's `control`. */
#ifndef HOSTCTL_SIDECAR_H
#define HOSTCTL_SIDECAR_H

#include <jansson.h>

#include "core/err.h"
#include "core/secret.h"
#include "core/str.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

/* One verb with `in` as its input. Returns the answer (json_decref) when it is {"ok": true, …}, else NULL
 * with err. */
json_t *sidecar_ask(const struct runtime *runtime, const struct state *state, const char *verb, struct str in,
                    struct err *err);

/* The bottle's certificate authority: members `pem` and `subject_hash` are strings. json_decref; NULL with
 * err. */
json_t *sidecar_ca(const struct runtime *runtime, const struct state *state, struct err *err);

/* The public half of the key that the sidecar makes, or has made, for a repository: the member `key` is a string.
 * json_decref; NULL with err. */
json_t *sidecar_deploy_key(const struct runtime *runtime, const struct state *state, const char *name,
                           struct err *err);

/* Puts the policy, its secrets and its keys (key_files_text; NULL: none) in force, once the sidecar is known to speak our protocol and to be ready. Returns the
 * generation, or -1 with err; then nothing has changed. */
json_int_t sidecar_apply(const struct runtime *runtime, const struct state *state, const char *policy,
                         const struct secrets *secrets, const char *keys, struct err *err);

#endif
