/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_oci_seal: the agent's network namespace, led to the sidecar and closed before its command runs, and
 * other things that want a right which the agent's own container never has. */
#ifndef HOSTCTL_RT_OCI_SEAL_H
#define HOSTCTL_RT_OCI_SEAL_H

#include "core/err.h"
#include "hostctl/rt_oci_engine.h"
#include "hostctl/runtime.h"

#define SEAL_ADDRESS_MAX 16                  /* of an IPv4 address in text */
#define SEAL_NETWORK_MAX (OCI_NAME_MAX + 64) /* of the value of --network */

/* What the engine says of the sidecar (json_decref), with its address on the network that it shares with the
 * agent. NULL with err. */
json_t *seal_sidecar(const struct state *state, char gateway[SEAL_ADDRESS_MAX], struct err *err);

/* Seals the namespace of the agent's container, which is created and not started. Returns 0, or -1 with err.
 */
int seal_own(const struct bottle_spec *spec, const struct state *state, const char *gateway, struct err *err);

/* Makes a container that holds a sealed namespace on the network `inner`, for an agent to be created in;
 * `network` is the value of its --network. Returns 0, or -1 with err. */
int seal_paused(const struct bottle_spec *spec, const struct state *state, const char *inner,
                const char *gateway, char network[SEAL_NETWORK_MAX], struct err *err);

/* Gives the home's volume to the agent's user, if it is still root's. Returns 0, or -1 with err. */
int seal_home(const struct bottle_spec *spec, const struct command_spec *command, const struct state *state,
              struct err *err);

/* Adds spec->ca to the roots in the agent's container, which is created and not started; what is below its
 * mounts, and `home` (NULL: none), is left alone. Returns 0, or -1 with err. */
int seal_trust(const struct bottle_spec *spec, const struct state *state, const char *home, struct err *err);

#endif
