/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_verify: whether the lines of an audit stream are those that the sidecar wrote, in their order and without
 * a gap: each carries its number and the SHA-256 digest of the line before (core/audit_seal.h). It cannot see a
 * stream that somebody wrote anew from the first changed line on: compare the last digest with one noted elsewhere.
 */
#ifndef HOSTCTL_AUDIT_VERIFY_H
#define HOSTCTL_AUDIT_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/audit_seal.h"
#include "core/err.h"
#include "core/str.h"

struct audit_verify {
    uint64_t lines;                     /* seen */
    uint64_t first, last;               /* numbers of the first and the last line, as the sidecar counts */
    char boot[AUDIT_BOOT_TEXT + 1];     /* of the stream's sidecar; "" when its first line is not here */
    char digest[AUDIT_DIGEST_TEXT + 1]; /* of the last line */
    bool ended;                         /* the last line is the stream's end */
};

/* {0} is the beginning. The next line, LF included. Returns 0, or -1 with err ("line 3: …"): the first that does
 * not fit; what follows is not to be looked at. */
int audit_verify_line(struct audit_verify *verify, struct str line, struct err *err);

/* After the last line. running: the sidecar may write on, so that there is no end yet. Returns 0 when all is there
 * from the first line to the last; else -1 with err. */
int audit_verify_end(const struct audit_verify *verify, bool running, struct err *err);

#endif
