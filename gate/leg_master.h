/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_master: the ssh process that holds the connection of an upstream. It outlives its owner's interest by the moment that its
 * end takes. */
#ifndef GATE_LEG_MASTER_H
#define GATE_LEG_MASTER_H

#include <stdbool.h>

#include "core/str.h"
#include "gate/leg_child.h"
#include "gate/leg_stderr.h"

struct leg_master {
    struct leg_child child;
    struct leg_stderr words;
    void *owner;                                  /* NULL: nobody wants to know any more */
    void (*ended)(void *owner, struct str words); /* what it said; the master is gone afterwards */
    bool silent;                                  /* its stderr has ended */
};

/* Returns NULL with err. */
struct leg_master *leg_master_start(uv_loop_t *loop, const struct leg_target *target, void *owner,
                                    void (*ended)(void *owner, struct str words), struct err *err);

/* Kills it; the pointer is not to be used any more. NULL is fine. */
void leg_master_drop(struct leg_master *master);

#endif
