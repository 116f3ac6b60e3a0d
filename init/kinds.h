/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinds: what the sidecar's processes are, as a table: which program, with which listeners, and what each is given and may
 * say beside policies and answers. What is not in its row is refused as what no worker says. */
#ifndef INIT_KINDS_H
#define INIT_KINDS_H

#include <stdbool.h>
#include <stddef.h>

#include "init/listeners.h"
#include "init/policy_store.h"

#define GATE_DIRECTORY "/run/stopper-gate" /* root's, open to USER_GATE: where the leg's socket is */
#define GATE_LEG       GATE_DIRECTORY "/leg.sock"
#define PUSH_DIRECTORY "/run/stopper-push" /* root's, open to USER_PUSH: for keys, in memory */
#define GATE_STORAGE   "/gate"             /* given by whoever runs the sidecar; open to USER_GATE */

enum kind_may {
    KIND_CA = 1,       /* given the authority */
    KIND_SECRETS = 2,  /* given the secrets, before a policy */
    KIND_DATABASE = 4, /* given what is searched for, before a policy */
    KIND_HOLDS = 8,    /* asks the operator */
    KIND_CANARY = 16,  /* tells of the canary */
    KIND_KEYS = 32,    /* given the keys of repositories, before a policy */
};

struct kind {
    const char *name;
    enum policy_section section; /* POLICY_FOR_NOBODY: no policy, no audit socket (the meter) */
    unsigned may;                /* bits of enum kind_may */
    bool vital;                  /* its end is the sidecar's */
    bool many;                   /* as many as there are to be proxies */
    bool gates;                  /* there while a policy has repositories */
    struct listener listeners[LISTENERS_MAX + 1];
};

#define KINDS 5

extern const struct kind kinds[KINDS]; /* the meter is the first */

#endif
