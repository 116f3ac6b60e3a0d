/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handover: what belongs to a policy and goes to a proxy before it: what is searched for, and the secrets. */
#ifndef INIT_HANDOVER_H
#define INIT_HANDOVER_H

#include "init/policy_store.h"

/* Sends them into the worker's channel. Returns 0, or -1 with errno. */
int handover_belongings(int channel, const struct policy_version *version);

#endif
