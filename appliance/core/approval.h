/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * approval: what of a policy is decided by a person while the bottle runs: whether requests to hosts of no route wait for
 * the operator (core/hold.h), which never do, and what was approved. Members of the policy, whose format core/policy.h
 * has. An approval lets through requests with exactly its method, host, port and path; no other power comes with it: its
 * host has no credential, no private address, no git. That of a value lets this value, written as it was, out to its host
 * and port in that part of a request which it was found in; it opens no host, and is known by a keyed hash alone.
 */
#ifndef CORE_APPROVAL_H
#define CORE_APPROVAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/hold.h"
#include "core/host.h"
#include "core/str.h"

#define APPROVALS_MAX 256 /* in force at once */
#define IGNORE_MAX    1000
#define APPROVAL_KEY  32 /* bytes, of which the keyed hashes are made */

struct policy;
struct request;

struct approval {
    uint64_t id; /* of the request that was held; 0 = only the host counts (the section of stopper-dns) */
    char host[HOST_MAX + 1];
    char method[HOLD_METHOD_MAX + 1];
    char path[HOLD_PATH_MAX + 1]; /* decoded: core/url.h's one reading */
    char value[HOLD_VALUE + 1];   /* "" = of a host; else of this value, and then without method and path */
    char surface[32];             /* where that was found */
    uint16_t port;
    bool tls;
    bool once; /* for that one request only */
};

struct ignored {
    char host[HOST_MAX + 1]; /* of a wildcard the part behind "*." */
    bool wildcard;
};

/* All zero: nothing is held, and nothing approved. */
struct approvals {
    bool asks; /* the policy says that somebody may be asked */
    bool hold_denied;
    unsigned hold_seconds; /* 0 = HOLD_SECONDS */
    struct ignored *ignored;
    size_t ignored_count;
    struct approval *list;
    size_t count;
    uint64_t
        base; /* generation of the policy that the operator sent, over which the approvals lie; 0 = unknown */
    bool has_key;
    uint8_t key[APPROVAL_KEY];
};

/* Readers of the policy's members "hold", "ignore", "approvals", "base" and "value_key" (core/json_in.h). Return 0, or -1 with err. */
int approvals_read_hold(json_t *value, void *policy, struct err *err);
int approvals_read_ignore(json_t *value, void *policy, struct err *err);
int approvals_read_list(json_t *value, void *policy, struct err *err);
int approvals_read_base(json_t *value, void *policy, struct err *err);
int approvals_read_key(json_t *value, void *policy, struct err *err);

/* Once all is read, gives each approved host a route (struct route's `approved`), served where it was approved. Returns 0,
 * or -1 with err. */
int approvals_add_routes(struct policy *policy, struct err *err);

void approvals_fini(struct approvals *approvals);

/* Whether this canonical name is one that is never held. */
bool approvals_ignore(const struct approvals *approvals, const char *host);

/* The approval that lets this request through, which came to `port`; NULL = none. A path that can be read in two ways is
 * nobody's. */
const struct approval *approvals_find(const struct approvals *approvals, unsigned port, bool tls,
                                      struct str method, const struct request *request);

/* The approval by which this value may leave to this host there; `approved`: that of the request itself. NULL = none. */
const struct approval *approvals_find_value(const struct approvals *approvals, const char *host,
                                            unsigned port, bool tls, const char *surface, const char *value,
                                            uint64_t approved);

#endif
