/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy_store: the policy in force and, while it is rolled out, the next one. What comes from outside is
 * validated here with the same code that the workers use, completed with what only the sidecar knows, and cut
 * into one section for each kind of worker: nobody gets what it does not need.
 */
#ifndef INIT_POLICY_STORE_H
#define INIT_POLICY_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/audit_seal.h"
#include "core/err.h"
#include "core/keys.h"
#include "core/policy.h"
#include "core/secret.h"
#include "init/gate_keys.h"
#include "init/gate_prints.h"
#include "init/net.h"

enum policy_section {
    POLICY_FOR_DNS,
    POLICY_FOR_PROXY,
    POLICY_FOR_GATE,
    POLICY_FOR_PUSH,
    POLICY_SECTIONS,
    POLICY_FOR_NOBODY
};

struct policy_version {
    uint64_t generation; /* 0 = none */
    char digest[AUDIT_POLICY_TEXT +
                1];           /* of the policy as the operator sent it: compact JSON, keys sorted; "" */
    int fds[POLICY_SECTIONS]; /* sealed memfds, valid when generation is not 0 */
    struct secrets *secrets;  /* for the proxy only; NULL = none */
    struct keys *keys;        /* for stopper-push only; NULL = none */
    uint64_t base;            /* generation of what the operator sent; approvals lie over it */
    json_t *policy;           /* what that was */
    json_t *approvals;        /* core/policy.h's "approvals"; NULL = none */
    json_t *budgets;          /* for status: [{"host": …, "bytes": a minute}]; NULL = no version */
    bool closed;              /* the egress is, whatever the operator sent */
    bool searches;            /* something is searched for, on a route or in pushes: a database is needed */
    bool gates;               /* it has repositories */
    int source;               /* of the database: what init/compiler.h takes, sealed; -1 = none is needed */
    char source_digest[AUDIT_POLICY_TEXT + 1];
    int database; /* sealed memfd, for proxy and gate; -1 = none yet */
};

struct policy_store {
    const struct net *net;
    unsigned proxies;
    uint64_t last; /* generation given out; none is used twice */
    bool closed;   /* what is staged from now on is (shutter.h) */
    bool keeps;    /* there is a place for repositories; without it no policy with any is taken */
    char value_key[2 * APPROVAL_KEY +
                   1]; /* in hexadecimal digits; "": there was no randomness, and no value is asked for */
    uint8_t print_key[DLP_PRINT_KEY]; /* of fingerprints of keys; lives as long as init */
    bool has_print_key;      /* there was randomness: without, no policy with repositories is taken */
    struct gate_keys deploy; /* keys that were made here; they live as long as init */
    struct policy_version current, next;
};

/* net is borrowed for the store's life. proxies: how many there are, 1 at least; each gets its part of every budget. `keeps` is
 * the caller's to set.
 * Takes new keys for hashes of values and for fingerprints. */
void policy_store_init(struct policy_store *store, const struct net *net, unsigned proxies);

/* Validates a policy as operators send it (no generation, no sidecar) with its secrets (an object of names
 * and values; NULL = none) and the keys of its repositories (core/keys.h; NULL = none) and keeps them as `next`, of which there must be none. Returns 0, or -1 with err:
 * nothing has changed. What was approved before stays so, where the new policy still lets denied hosts be asked for and
 * says nothing about the host itself. */
int policy_store_stage(struct policy_store *store, const json_t *policy, const json_t *secrets,
                       const json_t *keys, struct err *err);

/* The same with the policy that is current, its secrets, and these approvals in the place of its own. */
int policy_store_stage_approvals(struct policy_store *store, json_t *approvals, struct err *err);

/* The same with the approvals that it has: nothing but `closed` is new. */
int policy_store_stage_egress(struct policy_store *store, struct err *err);

/* The secrets of a version, which has some, as a sealed memfd, to be closed when it is sent. Returns -1 with
 * errno. */
int policy_version_secrets(const struct policy_version *version);

/* Whether the workers may have the version: its database is there, if it needs one. */
bool policy_version_ready(const struct policy_version *version);

/* Gives the version its database, which it takes; or the one of `other`, if that was made from the same source: returns
 * whether it was. */
void policy_version_database(struct policy_version *version, int database);
bool policy_version_share(struct policy_version *version, const struct policy_version *other);

/* The next one is now current; or is dropped. */
void policy_store_commit(struct policy_store *store);
void policy_store_drop(struct policy_store *store);

#endif
