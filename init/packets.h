/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * packets: turns what the meter sends into audit lines (kind "packet"): what the wall refused, by address,
 * protocol and port, and an alarm when somebody changed the rule set or when something came where nothing may
 * come.
 */
#ifndef INIT_PACKETS_H
#define INIT_PACKETS_H

#include <jansson.h>
#include <stdint.h>

#include "core/str.h"
#include "init/audit_mux.h"

#define PACKETS_COUNTERS 6

struct packets {
    struct audit_mux *audit;
    uint32_t expected_generation; /* of the rule set */
    uint32_t generation;          /* last seen */
    uint64_t counters[PACKETS_COUNTERS];
    uint64_t told; /* packets of the counter "denied" that are in lines */
};

/* expected_generation: as it was after the wall was installed. */
void packets_init(struct packets *packets, struct audit_mux *audit, uint32_t expected_generation);

/* One CHANNEL_COUNTERS. Returns 0, or -1 when the text is not what init/meter.h says. */
int packets_take(struct packets *packets, struct str json);

/* {"denied": 3, …}; the caller's. */
json_t *packets_describe(const struct packets *packets);

#endif
