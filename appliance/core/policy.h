/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy: what the sidecar enforces. hostctl compiles manifests into this JSON; init checks it, adds what
 * only the sidecar knows (`sidecar`, `generation`) and hands every worker its own section. A policy is
 * immutable.
 *
 *   {"protocol": 1,
 *    "dns": {"upstreams": ["203.0.113.53"]},                     resolvers, IPv4 literals, port 53, 1 to 8
 *    "routes": [{"host": "api.example.com",                      or "*.example.com"
 *                "allow_private": ["10.0.0.0/8"],                 optional
 *                "tls": {"passthrough": true, "ech": "allow"}}],  optional
 *    "generation": 3,                                             by init only
 *    "sidecar": {"agent_address": "10.7.7.1", "own": ["10.7.7.0/30", "192.0.2.7/32"]}}
 *
 * Unknown members, wrong types and duplicate hosts are errors: an older sidecar never drops a rule silently.
 */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cidr.h"
#include "core/err.h"
#include "core/host.h"
#include "core/str.h"

#define POLICY_PROTOCOL      1
#define POLICY_MAX_BYTES     (16u << 20) /* of JSON text */
#define POLICY_MAX_UPSTREAMS 8

struct route {
    char host[HOST_MAX + 1]; /* canonical; of a wildcard the part behind "*." */
    bool wildcard;
    bool tls_passthrough;
    bool tls_ech; /* a ClientHello with Encrypted ClientHello is let through */
    struct cidr *allow_private;
    size_t allow_private_count;
};

struct policy {
    uint64_t generation;
    struct ip dns_upstreams[POLICY_MAX_UPSTREAMS];
    size_t dns_upstream_count;
    struct route *routes;
    size_t route_count;
    struct ip agent_address; /* the sidecar's own address on the agent's side; family 0 when not known */
    struct cidr *own;        /* the sidecar's own ranges: never dialled */
    size_t own_count;
    /* private */
    unsigned references;
    size_t *table; /* open addressing over routes, index + 1 */
    size_t table_size;
};

/* Parses the text above. On success *policy has one reference, to be given back with policy_unref. Returns 0,
 * or -1 with err naming the member. `internal` says that the text comes from init and may hold generation and
 * sidecar. */
int policy_parse(struct str json, bool internal, struct policy **policy, struct err *err);

struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy); /* NULL is fine */

/* The route for a canonical host name: the exact one, else the wildcard with the most labels; NULL = not
 * allowed. Costs one hash lookup a label, whatever the number of routes. */
const struct route *policy_find(const struct policy *policy, const char *host);

/* "api.example.com" or "*.example.com", for the audit's "rule". */
void route_name(const struct route *route, char out[HOST_MAX + 3]);

/* Whether this route may lead to this address: public, or private and named by allow_private; never
 * forbidden, never the sidecar's own. */
bool policy_may_dial(const struct policy *policy, const struct route *route, const struct ip *ip);

#endif
