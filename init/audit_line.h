/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_line: whether what a worker sent can stand in the audit stream. Workers read hostile bytes; one that was taken
 * over may lie about its own work, but must not break the stream, nor speak for init. */
#ifndef INIT_AUDIT_LINE_H
#define INIT_AUDIT_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/denial.h"
#include "core/str.h"

/* What a line counts: `count` denials for this reason; DENIAL_NONE when it tells of none that is known. And whom it is about:
 * borrowed from the line; empty when it does not say so, or in a text with an escape. */
struct audit_tally {
    enum denial reason;
    uint64_t count; /* at least 1 */
    struct str time, id, kind, verdict, host, method, repository;
};

/* Whether the line is one JSON object of printable ASCII, ended by LF, without room for doubt about the members that
 * tell whose it is: its kind, once and none of init's own (packet, control, lifecycle), and no member of the seal
 * (core/audit_seal.h). Then *tally is set. */
bool audit_line_sound(struct str line, struct audit_tally *tally);

#endif
