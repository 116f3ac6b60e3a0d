/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_seal: the members at the end of every line of the audit stream that tie it to the line before. Only
 * stopper-init, the one writer of the stream, seals; hostctl reads seals. Text only: who calls brings the
 * digests (SHA-256 over a whole line, its LF included, in lower-case hexadecimal digits).
 *
 *   …,"generation":3,"policy_digest":"HEX","boot":"HEX","end":true,"seq":7,"prev":"HEX"}
 *
 * generation and policy_digest where they are known, boot on the first line, end on the last. The order is fixed
 * and a seal is read from the end of the line, so that nothing in front of it can look like one.
 */
#ifndef CORE_AUDIT_SEAL_H
#define CORE_AUDIT_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/audit.h"
#include "core/str.h"

#define AUDIT_DIGEST_TEXT 64 /* hexadecimal digits of a line's digest */
#define AUDIT_POLICY_TEXT 32 /* of a policy's digest: the first 128 bits of SHA-256 */
#define AUDIT_BOOT_TEXT   32 /* of a boot's id: 128 random bits */
#define AUDIT_SEAL_BEGIN  "0000000000000000000000000000000000000000000000000000000000000000" /* first prev */

struct audit_seal {
    uint64_t generation;       /* to be added; 0 = the line has it, or there is none */
    const char *policy_digest; /* NULL = not known */
    const char *boot;          /* the first line; NULL = another one */
    bool end;                  /* the last line */
    uint64_t seq;              /* number of the line, from 1 on */
    const char *prev;          /* digest of the line before, AUDIT_SEAL_BEGIN for the first */
};

/* The generation that a line of audit_format names; 0 = none. */
uint64_t audit_seal_generation(struct str line);

/* Adds the seal to a line of len bytes, at most AUDIT_UNSEALED_MAX, that ends in "}\n". Returns the new length.
 */
size_t audit_seal_put(const struct audit_seal *seal, char line[AUDIT_LINE_MAX], size_t len);

struct audit_seal_read {
    uint64_t seq;
    char prev[AUDIT_DIGEST_TEXT + 1], boot[AUDIT_BOOT_TEXT + 1]; /* boot: "" on all but the first line */
    bool end;
};

/* Reads the seal of a line, LF included. Returns 0, or -1 when there is none. */
int audit_seal_read(struct str line, struct audit_seal_read *out);

#endif
