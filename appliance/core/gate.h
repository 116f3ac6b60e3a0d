/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate: the repositories that the agent reaches through the git-gate, and what may be pushed to each. The member "gate"
 * of a policy (core/policy.h):
 *
 *   {"repos": [{"name": "app",                                     as gate_is_name has it; each once
 *               "url": "ssh://git@h.example:22/org/app.git",       as core/gate_url.h takes it apart
 *               "host_key": "ssh-ed25519 AAAA…",                   the only key of the upstream's that is taken
 *               "push": {"allow": ["refs/heads/agent-*"],          optional; refs that may be pushed, all without it
 *                        "deny": ["refs/heads/main"],              optional; wins over allow
 *                        "force": true, "delete": true,            optional, true without it: whether a ref may be set to
 *                                                                  what does not follow it, and be deleted
 *                        "protect_paths": [".gitmodules"],         optional; files that no push may touch, or that somebody
 *                                                                  is asked about, where the policy has "hold"
 *                        "max_pack_mb": 100}}],                    optional; MiB of one push, 1 to 2048, the default
 *    "on_finding": "supervise",                                    optional; "block" (the default): what is found in a push
 *                                                                  refuses it; or somebody is asked
 *    "scanner": "/usr/bin/gitleaks",                               optional; a program that looks too: its absolute path
 *    "prefetch": true,                                             optional, true without it: whether the gate fetches before
 *                                                                  anybody asks
 *    "storage_mb": 20480}                                          optional; MiB of all mirrors, 1 to 16777216; 20480 without it
 *
 * Where a list of patterns is there it holds 1 to GATE_PATTERNS_MAX. Unknown members are errors. Private keys are no part
 * of a policy.
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/gate_url.h"

#define GATE_REPOS_MAX    1000
#define GATE_PATTERNS_MAX 256
#define GATE_PATTERN_MAX  512      /* bytes of one: printable, no space */
#define GATE_PACK_MB      2048     /* MiB of a push that says nothing */
#define GATE_STORAGE_MB   20480    /* MiB of all mirrors, when nothing is said */
#define GATE_STORAGE_MAX  16777216 /* MiB that may be said */
#define GATE_SCANNER_MAX  255      /* bytes of the program's path */

/* Texts with * and ** in them; none: whoever asks decides what that means. */
struct gate_patterns {
    char **list; /* NULL without any */
    size_t count;
};

/* What may be pushed. */
struct gate_push {
    struct gate_patterns allow; /* of whole ref names; none: every ref */
    struct gate_patterns deny;
    struct gate_patterns protect_paths; /* of paths in the repository */
    bool no_force, no_delete;
    unsigned max_pack_mb; /* never 0 */
};

struct gate_repo {
    char name[GATE_NAME_MAX + 1];
    char *url;            /* as it was given */
    struct gate_url from; /* the same, taken apart */
    char *host_key;
    struct gate_push push;
};

struct gate {
    struct gate_repo *repos;
    size_t repo_count;
    bool supervise; /* "on_finding" */
    bool no_prefetch;
    unsigned storage_mb; /* never 0 */
    char *scanner;       /* NULL: none */
};

/* Reads the policy's member "gate" into the struct policy `policy` (core/json_in.h). Returns 0, or -1 with err. */
int gate_read(json_t *value, void *policy, struct err *err);

void gate_free(struct gate *gate); /* NULL is fine */

/* The repository of this name; NULL when there is none. `gate` may be NULL. */
const struct gate_repo *gate_find(const struct gate *gate, struct str name);

/* The first repository at this host, by its canonical name; NULL when there is none. `gate` may be NULL. */
const struct gate_repo *gate_at(const struct gate *gate, const char *host);

#endif
