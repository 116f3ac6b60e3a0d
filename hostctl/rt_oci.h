/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_oci: the runtimes that drive a container engine's program (docs/ARCHITECTURE.md, "The container
 * runtimes"). Strict POSIX: they work where the engine is, on this machine or in a virtual one. */
#ifndef HOSTCTL_RT_OCI_H
#define HOSTCTL_RT_OCI_H

#include "hostctl/rt_oci_engine.h"
#include "hostctl/runtime.h"

#define OCI_INIT         "/stopper/stopper-init" /* in the sidecar's image */
#define OCI_SHIM_PROGRAM OCI_SHIM "/stopper-shim"
#define OCI_STORE        "/gate"         /* the same: where it keeps repositories */
#define OCI_SHIM         "/stopper/shim" /* a folder of it, and what the agent's container sees there too */

extern const struct runtime runtime_podman, runtime_docker, runtime_apple;

/* The functions of struct runtime, the same for all engines; rt_oci.c has those of the sidecar and of the
 * whole, rt_oci_agent.c those of the agent. */
int oci_sidecar(const struct bottle_spec *spec, struct state *state, struct err *err);
int oci_control(const struct state *state, const char *verb, const char *name, struct str in, struct buf *out,
                struct err *err);
int oci_ended(const struct state *state);
void oci_settle(const struct state *state);
int oci_keep(struct state *state, char name[100], struct err *err);
int oci_clean(struct state *state, struct err *err);
bool oci_alive(const struct state *state);
int oci_logs(const struct state *state, bool follow, struct err *err);
int oci_agent(const struct bottle_spec *spec, const struct command_spec *command, struct state *state,
              struct session *session, struct err *err);
int oci_exec(const struct command_spec *command, const struct state *state, struct session *session,
             struct err *err);
int oci_attach(const struct command_spec *command, struct state *state, struct session *session,
               struct err *err);

/* What the engines need of this machine (rt_oci_needs.c; apple_needs in rt_apple.c), and what all of them do. */
extern const struct need podman_needs[], docker_needs[];
int oci_look_program(const struct runtime *runtime, const char *sidecar_image, struct err *said);
int oci_look_engine(const struct runtime *runtime, const char *sidecar_image, struct err *said);
int oci_look_image(const struct runtime *runtime, const char *sidecar_image, struct err *said);
int oci_look_wall(const struct runtime *runtime, const char *sidecar_image, struct err *said);

#define OCI_FUNCTIONS                                                                                        \
    .images = true, .sidecar = oci_sidecar, .control = oci_control, .agent = oci_agent, .exec = oci_exec,    \
    .settle = oci_settle, .keep = oci_keep, .clean = oci_clean, .alive = oci_alive, .logs = oci_logs

/* Removes what the engine has of Stopper's and is in no state folder: the number, or -1 with err. */
int oci_gc(const struct engine *engine, struct err *err);

/* Lets the session watch the sidecar. Returns 0, or -1 with err. */
int oci_watch(const struct state *state, struct session *session, struct err *err);

#endif
