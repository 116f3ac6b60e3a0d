/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forge: what commands need who register and delete deploy keys: the tokens of the forges, from variables of hostctl's own.
 * They are taken before anything is started and the variables are wiped, so that no program that hostctl starts has them;
 * they lie in locked memory as long as the command runs, and go to no sidecar.
 */
#ifndef HOSTCTL_FORGE_H
#define HOSTCTL_FORGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/secret.h"

struct forge {
    const char *command; /* "up": who says what is wrong */
    bool forget;         /* a key that cannot be deleted is said and forgotten */
    struct forge_token { /* private */
        char name[SECRET_NAME_MAX + 1];
        struct secret *value;
    } * tokens;
    size_t count;
};

void forge_init(struct forge *forge, const char *command);
void forge_fini(struct forge *forge);

/* Takes a variable's value, once; the variable stays until forge_wipe. Returns it, which lives as long as `forge`, or NULL
 * with an err that names the variable. */
const struct secret *forge_take(struct forge *forge, const char *variable, struct err *err);

/* What was taken; NULL: nothing of this name. */
const struct secret *forge_token(const struct forge *forge, const char *variable);

/* Takes what the records of all bottles name and the environment has. */
void forge_take_recorded(struct forge *forge);

/* Wipes the variables of all that was taken, which are gone afterwards. */
void forge_wipe(const struct forge *forge);

#endif
