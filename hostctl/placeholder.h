/* SPDX-License-Identifier: GPL-3.0-or-later */
/* placeholder: what a bottle's agent holds in the place of the values that it must not see, the variables in which it
 * finds them, and the canary: a credential of nobody's that only who looks for credentials finds. A placeholder is no secret: it is fake, it is of one bottle, and away from its host it is an alarm. One that
 * the manifest does not say is made from the bottle's seed, so that it stays the same when the manifest is applied again. */
#ifndef HOSTCTL_PLACEHOLDER_H
#define HOSTCTL_PLACEHOLDER_H

#include "core/err.h"
#include "core/secret.h"
#include "hostctl/manifest.h"
#include "hostctl/report.h"

#define PLACEHOLDER_SEED 33 /* bytes of a seed, hexadecimal digits, NUL included */

#define PLACEHOLDER_CANARY SECRET_CANARY /* its name among the secrets: no variable of the host's */

/* Where placeholders of no bottle are wanted, to judge with them. */
extern const char placeholder_no_seed[PLACEHOLDER_SEED];

/* Returns 0, or -1 with err. */
int placeholder_seed(char seed[PLACEHOLDER_SEED], struct err *err);

/* Complains of a placeholder_for that names no route with auth, and of places (auth.in) that no placeholder is for. */
void placeholder_check(const struct manifest *manifest, struct report *report);

/* Gives every route whose placeholder some variable wants one, unless it says its own. Returns 0, or -1 when memory is out. */
int placeholder_fill(struct manifest *manifest, const char seed[PLACEHOLDER_SEED]);

/* Adds the variables that stand for a placeholder or for a value of hostctl's environment (secrets_take has it) to the
 * manifest's env. After placeholder_fill. Returns 0, or -1 with err. */
int placeholder_env(struct manifest *manifest, struct secrets *secrets, struct err *err);

/* Adds the bottle's canary to the secrets that the sidecar knows, which have room for it, and to the manifest's env, under a
 * name that is not there. After placeholder_env. Returns 0, or -1 with err. */
int placeholder_canary(struct manifest *manifest, const char seed[PLACEHOLDER_SEED], struct secrets *secrets,
                       struct err *err);

#endif
