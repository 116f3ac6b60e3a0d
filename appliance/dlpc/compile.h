/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compile: makes the database of rules.h. It needs the compiling half of vectorscan, so it is a layer of its own (dlpc) and
 * is linked only into stopper-dlpc, which lives for a moment and reads nothing of the agent's.
 */
#ifndef DLPC_COMPILE_H
#define DLPC_COMPILE_H

#include "core/err.h"
#include "dlp/rules.h"

/* One known secret. */
struct dlp_known {
    const char *name; /* SECRET_NAME_MAX at most */
    struct str value; /* SECRET_MIN (8) to SECRET_MAX (8192) bytes */
    enum dlp_known_kind kind;
};

/* Writes the database into `fd`, an empty memfd made with MFD_ALLOW_SEALING, and seals it against every change. Errors name
 * the token or the secret's name, and never hold a value. Returns 0 or -1. */
int dlp_compile(const struct dlp_known *known, size_t count, int fd, struct err *err);

#endif
