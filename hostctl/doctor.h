/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor: what `hostctl doctor` has found, a line each, and how it is shown. The lines are made by doctor_host.c (what
 * bottles need of this machine) and doctor_bottle.c (whether the walls of one that runs stand).
 */
#ifndef HOSTCTL_DOCTOR_H
#define HOSTCTL_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "core/err.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

enum doctor_state {
    DOCTOR_OK,
    DOCTOR_FAIL,
    DOCTOR_ABSENT /* a runtime that nobody has to have */
};

struct doctor {
    const char *area; /* what the next lines are about: "host", a runtime's name, "bottle", "sidecar" */
    json_t *lines;    /* owned */
    unsigned failed;
};

void doctor_init(struct doctor *doctor);
void doctor_fini(struct doctor *doctor);

/* One more line. `said` may hold what others have said: it is made printable ASCII, and cut. The remedy is a sentence of
 * ours, and shown unless all is well. */
void doctor_add(struct doctor *doctor, const char *name, enum doctor_state state, const char *said,
                const char *remedy);

/* Writes all of it as lines, or as one JSON object. `bottle`: its name, or NULL. */
void doctor_print(const struct doctor *doctor, const char *bottle, bool json, FILE *to);

/* What there has to be on this machine. runtime: only this one, which then has to be usable; NULL: at least one. */
void doctor_host(struct doctor *doctor, const struct runtime *runtime, const char *sidecar_image);

/* Whether every wall of a bottle that runs stands. Needs signals_open. Returns 0, or -1 with err when that could not
 * be found out; what is not as it should be are lines. */
int doctor_bottle(struct doctor *doctor, const struct runtime *runtime, const struct state *state,
                  struct err *err);

#endif
