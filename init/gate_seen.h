/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_seen: the last fetch and the last push of each repository that the audit stream has told of, for status. */
#ifndef INIT_GATE_SEEN_H
#define INIT_GATE_SEEN_H

#include <jansson.h>
#include <stddef.h>

#include "init/audit_line.h"

struct gate_seen_of;

/* Zeros: nothing was seen. It lives as long as init, and holds GATE_REPOS_MAX names; others are not noted. */
struct gate_seen {
    struct gate_seen_of *of;
    size_t count;
};

/* Notes what a sound line tells, when it is one of the gate's about a repository of the policy. */
void gate_seen_note(struct gate_seen *seen, const struct audit_tally *tally);

/* Adds members "fetch" and "push" to `repository`, where there was one: {"time": …, "event_id": …, "verdict": …, "reason": …},
 * the texts of its audit line; of a push that of the ref that was told last. No reason where it was allowed.
 * A fetch of the gate's own (prefetch) has "by": "gate". */
void gate_seen_describe(const struct gate_seen *seen, const char *name, json_t *repository);

#endif
