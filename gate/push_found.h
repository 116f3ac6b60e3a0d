/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_found: what was found in a push: the list, who may be asked, and how it is told. Private to gate/push_*.c. */
#ifndef GATE_PUSH_FOUND_H
#define GATE_PUSH_FOUND_H

#include "gate/push_run.h"

/* How a text that the push chose is shown: what a detector finds in it is covered with '*', what is not printable ASCII is escaped,
 * what is too long is cut and ends in "...". */
void push_show(struct push_run *run, struct str raw, char *out, size_t size);

/* One more finding of this kind and rule; NULL when there are enough (the run is over) or it is known already. Its verdict is
 * "refuse"; push_found_ask says that somebody may be asked about it. */
struct push_finding *push_found_add(struct push_run *run, enum push_kind kind, const char *rule,
                                    const struct push_place *place, uint64_t line);

/* Somebody may be asked about it, if anybody may be at all: whoever approves, approves of these texts. */
void push_found_ask(struct push_run *run, struct push_finding *finding, struct str text, struct str more);

/* What a detector found in `text`, of which the bytes start to end are the value. */
void push_found_secret(struct push_run *run, const struct push_place *place,
                       const struct dlp_finding *finding, struct str text, size_t start, size_t end,
                       uint64_t line);

/* When all has been looked at: the answer, and each finding's text. */
void push_found_tell(struct push_run *run);

#endif
