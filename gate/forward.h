/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forward: sends refs on to the upstream with the real git push, and finds out what became of each. The upstream compares and
 * swaps: a ref moves only from the object that the agent saw there. What the upstream says reaches the agent as it was said.
 */
#ifndef GATE_FORWARD_H
#define GATE_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "gate/relay.h"
#include "gate/session.h"

struct forward {
    struct update **updates; /* whose outcome is found out */
    size_t count;
    char *options[RELAY_OPTIONS]; /* push options */
    size_t option_count;
    bool atomic;
    int words; /* where what the upstream says is written, a line at a time */
};

/* Afterwards every update has its outcome, with a reason unless it was taken. */
void forward_push(struct session *session, struct forward *forward);

#endif
