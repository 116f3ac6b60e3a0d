/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control: /run/stopper/control.sock, by which the operator speaks to the sidecar (docs/ARCHITECTURE.md,
 * "Control socket"). Root only, by file mode and by SO_PEERCRED. One JSON object a line each way; what is not
 * understood is an error.
 */
#ifndef INIT_CONTROL_H
#define INIT_CONTROL_H

#include <jansson.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"
#include "init/audit_mux.h"
#include "init/ca.h"
#include "init/desk.h"
#include "init/rollout.h"
#include "init/shutter.h"
#include "init/supervise.h"

#define CONTROL_DIRECTORY "/run/stopper"
#define CONTROL_SOCKET    CONTROL_DIRECTORY "/control.sock"
#define CONTROL_PROTOCOL  1

#define CONTROL_WAIT_MS     10000u  /* default of wait-ready */
#define CONTROL_WAIT_MAX_MS 600000u /* and the longest */

struct control;

struct control_setup {
    uv_loop_t *loop;
    struct supervisor *supervisor;
    struct rollout *rollout;
    struct desk *desk;
    struct shutter *shutter;
    struct audit_mux *audit;
    const struct ca *ca;
    json_t *(*describe)(
        void *ctx); /* status: members of what is not the supervisor's; the callee makes, control frees */
    void *ctx;
};

/* Listens. Returns NULL with err. */
struct control *control_open(const struct control_setup *setup, struct err *err);

/* To be called whenever a worker has changed: answers who waits for readiness, and goes on with an apply that waits for
 * another policy to be in force. */
void control_check(struct control *control);

/* For the desk: its on_approved. */
void control_approved(struct control *control, uint64_t id, const struct err *err);

/* For the shutter: its on_reopened. */
void control_reopened(struct control *control, const struct err *err);

#endif
