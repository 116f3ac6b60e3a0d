/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rules: what is searched for, as a compiled database that workers map read-only from a sealed memfd, so that all of them
 * share its pages. It is made by dlp_compile (dlpc/compile.h) in a short-lived program of its own: a worker links the
 * scanning half of the library alone. The database holds the known secrets' values (of the gate's keys fingerprints
 * alone): its pages are as secret as they are, locked where the limit allows it, and left out of core dumps.
 *
 * The table of tokens is in both programs. The database names its rows by index, and is refused when it was made from
 * another table.
 */
#ifndef DLP_RULES_H
#define DLP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

/* Detectors, as bits of a set. Structural violations are not among them: they are looked for always. */
#define DLP_TOKENS  1u /* token_patterns */
#define DLP_KNOWN   2u /* known_secrets */
#define DLP_ENTROPY 4u /* entropy: only where a route lists it */
#define DLP_PHRASES 8u /* naive_injection_detection: inbound */

#define DLP_MATCH_MAX                                                                                        \
    1024 /* bytes of a token or phrase, decoded: the most that an expression's max_len may be */
#define DLP_KNOWN_MAX 1024 /* known secrets in one database */
#define DLP_FRAGMENT  12   /* characters of a known secret in a row that are a finding */

enum dlp_known_kind {
    DLP_INJECTED, /* a value that the proxy adds to requests */
    DLP_ENV,      /* {from_env}: the agent may have read it */
    DLP_CANARY,   /* nobody's: whoever sends it has searched for it */
    DLP_HOSTS,    /* any other value of the host's that the sidecar was told of */
    DLP_GATE_KEY, /* a private key of the git-gate, known by its fingerprints alone (prints.h) */
};

struct dlp_rules;

/* One rule, as audit lines and denials name it. */
struct dlp_rule {
    const char *
        name; /* the token's or phrase's of the table; the secret's, never its value; "gate_key:REPOSITORY" */
    unsigned detector;        /* one of the bits above */
    enum dlp_known_kind kind; /* of DLP_KNOWN */
};

/* Maps the database that `fd` holds (it stays the caller's, and may be closed). Errors: not sealed, cut short, made by
 * another version, from other tables, or for another processor. NULL and *err then. */
struct dlp_rules *dlp_rules_open(int fd, struct err *err);
void dlp_rules_free(struct dlp_rules *rules); /* NULL is fine */

/* The rule with this index, which findings carry; NULL when there is none. Lives as long as the rules. */
const struct dlp_rule *dlp_rules_get(const struct dlp_rules *rules, size_t index);
size_t dlp_rules_count(const struct dlp_rules *rules);

#endif
