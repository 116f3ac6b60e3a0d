/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compile: makes the database of rules.h. It needs the compiling half of vectorscan, so it is a layer of its own (dlpc) and
 * is linked only into stopper-dlpc, which lives for a moment and reads nothing of the agent's.
 */
#ifndef DLPC_COMPILE_H
#define DLPC_COMPILE_H

#include <stdio.h>

#include "core/err.h"
#include "dlp/print.h"
#include "dlp/rules.h"

/* One known secret. */
struct dlp_known {
    const char *name; /* SECRET_NAME_MAX at most */
    struct str value; /* SECRET_MIN (8) to SECRET_MAX (8192) bytes */
    enum dlp_known_kind kind;
};

/* The fingerprints of the gate's keys (dlp/print.h). */
struct dlp_prints {
    uint8_t key[DLP_PRINT_KEY]; /* that they were made with */
    bool plain;                 /* some window is ASCII throughout */
    size_t count;
    struct dlp_prints_key {
        const char *name; /* the repository's */
        const uint64_t *prints;
        size_t count;
    } * keys;
};

/* Writes the database into `fd`, a memfd made with MFD_ALLOW_SEALING, and seals it against every change. `prints` may be NULL: there are no keys.
 * `base` is what dlp_base_write wrote: only secrets and prints are added to it then; or it is empty: all is compiled, for this processor. A base that
 * was made from other tables, by another version, for another processor or library, or that is cut or damaged is an error,
 * and `fd` can be used again. Errors name the token or the secret's name, and never hold a value. Returns 0 or -1. */
int dlp_compile(const struct dlp_known *known, size_t count, const struct dlp_prints *prints, struct str base,
                int fd, struct err *err);

/* Writes all that does not depend on the secrets, compiled: the same bytes wherever and whenever it is done. They are for every
 * processor of the architecture, except that amd64's has to have AVX2. Returns 0, or -1 with err. */
int dlp_base_write(FILE *to, struct err *err);

#endif
