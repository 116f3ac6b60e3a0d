/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_oci: the runtimes that drive a container engine's program (docs/ARCHITECTURE.md, "The container
 * runtimes"). Strict POSIX: they work where the engine is, on this machine or in a virtual one. */
#ifndef HOSTCTL_RT_OCI_H
#define HOSTCTL_RT_OCI_H

#include "hostctl/rt_oci_engine.h"
#include "hostctl/runtime.h"

#define OCI_INIT         "/stopper/stopper-init" /* in the sidecar's image */
#define OCI_SHIM_PROGRAM OCI_SHIM "/stopper-shim"
#define OCI_SHIM         "/stopper/shim" /* a folder of it, and a volume that the agent's container sees too */

extern const struct runtime runtime_podman, runtime_docker;

/* The functions of struct runtime, the same for all engines; rt_oci.c has those of the sidecar and of the
 * whole, rt_oci_agent.c those of the agent. */
int oci_agent(const struct bottle_spec *spec, const struct command_spec *command, struct state *state,
              struct session *session, struct err *err);
int oci_exec(const struct command_spec *command, const struct state *state, struct session *session,
             struct err *err);
int oci_attach(const struct command_spec *command, struct state *state, struct session *session,
               struct err *err);

/* Lets the session watch the sidecar. Returns 0, or -1 with err. */
int oci_watch(const struct state *state, struct session *session, struct err *err);

#endif
