/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handover: what belongs to a policy and goes to a worker before it: what is searched for, the secrets,
 * the keys of repositories. */
#ifndef INIT_HANDOVER_H
#define INIT_HANDOVER_H

#include "init/policy_store.h"

/* Sends into the worker's channel those that it may have: bits of enum kind_may (kinds.h). Returns 0, or -1 with errno. */
int handover_belongings(int channel, const struct policy_version *version, unsigned may);

#endif
