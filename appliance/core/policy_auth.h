/* SPDX-License-Identifier: GPL-3.0-or-later */
/* policy_auth: the member "auth" of a policy's route (core/policy.h has its form), for policy.c. */
#ifndef CORE_POLICY_AUTH_H
#define CORE_POLICY_AUTH_H

#include <jansson.h>

#include "core/policy.h"

/* Reads it into the struct route `into`, as a member of core/json_in.h. Returns 0, or -1 with err; policy_auth_fini is
 * due in both cases. */
int policy_auth_read(json_t *value, void *into, struct err *err);
void policy_auth_fini(struct route_auth *auth);

#endif
