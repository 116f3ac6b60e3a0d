/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy: what the sidecar enforces. hostctl compiles manifests into this JSON; init checks it, adds what
 * only the sidecar knows (`sidecar`, `generation`) and hands every worker its own section. A policy is
 * immutable.
 *
 *   {"protocol": 1,
 *    "dns": {"upstreams": ["203.0.113.53"],                      resolvers, IPv4 literals, port 53, 1 to 8
 *            "denied": "refuse"},                                optional
 *    "routes": [{"host": "api.example.com",                      or "*.example.com"
 *                "allow_private": ["10.0.0.0/8"],                 optional
 *                "ports": [80, 443],                              optional; these are the default
 *                "tcp": [5432],                                   optional; ports of raw TCP, none of "ports"; no wildcard
 *                "auth": {"scheme": "Bearer",                     optional; "Bearer", "token", "basic" or "raw"
 *                         "secret": "NAME",                       a name in the set of secrets beside the policy
 *                         "header": "Authorization",              optional; this is the default
 *                         "placeholder": "agent-has-this",        optional; what the agent holds in the value's place
 *                         "in": ["query:key", "header:x-key"]},   optional, beside it; see below
 *                    or "auth": "passthrough"
 *                "cookies": true, "insecure": true,               optional
 *                "git_fetch": true,                               optional
 *                "matches": [ENTRY], "deny": [ENTRY],             optional; see below
 *                "dlp": {…},                                      optional; core/dlp_rules.h, with its defaults
 *                "tls": {"passthrough": true, "ech": "allow"}}],  optional; beside it only host, ports, tcp, allow_private
 *    "extra_ca": "-----BEGIN CERTIFICATE-----…",                  optional; PEM, trusted as issuers of upstreams
 *    "hold": {"denied": true, "seconds": 300},                    optional; without it nothing waits for the operator. With
 *                                                                 `denied` requests to hosts of no route do, and by
 *                                                                 "dlp" those in which something was found; so long (1
 *                                                                 to 3600; 300 is the default)
 *    "ignore": ["t.example.com", "*.t.example.com"],              optional; hosts whose requests never wait
 *    "gate": {"repos": […], …},                                    optional; core/gate.h
 *    "on_canary": "stop",                                         optional; once the canary is seen, the egress closes
 *    "generation": 3,                                             by init only
 *    "base": 2,                                                   by init only: the generation of what was sent, under
 *    "approvals": [APPROVAL],                                     by init only: what was approved since
 *    "closed": true,                                              by init only: the egress is closed, nothing is allowed
 *    "value_key": "00ff…",                                        by init only: APPROVAL_KEY bytes, for hashes of values
 *    "sidecar": {"agent_address": "10.7.7.1", "own": ["10.7.7.0/30", "192.0.2.7/32"],
 *                "host": "192.0.2.1"}}                            optional; where the machine is that runs the bottle
 *
 * The placeholder gives way to the value in Authorization, in the header and in what `in` names, and nowhere else.
 * A route for the host POLICY_HOST_SERVICE leads to the sidecar's `host`, on ports that it has to name (in ports, in tcp
 * or in both), and to nothing else; no other route leads there, and no wildcard stands for this name.
 *
 * An ENTRY, whose meaning core/match.h has, holds at least one of the three lists:
 *
 *   {"name": "deny[0] github/hooks",                                optional; what the audit calls it
 *    "paths": [{"type": "prefix", "value": "/a%20b"}],              "prefix" (the default), "exact" or "regex"
 *    "methods": ["GET"],
 *    "headers": [{"name": "X-A", "type": "exact", "value": "b"}]}   "exact" (the default) or "regex"
 *
 * An APPROVAL is {"id": 7, "host": "a.example", "port": 443, "tls": true, "method": "GET", "path": "/a", "once": true};
 * of a value it has "value" and "surface" instead of "method" and "path". What it lets through is in core/approval.h.
 *
 * Unknown members, wrong types and duplicate hosts are errors: an older sidecar never drops a rule silently.
 */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/approval.h"
#include "core/cidr.h"
#include "core/dlp_rules.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/host.h"
#include "core/match.h"
#include "core/secret.h"
#include "core/str.h"

#define POLICY_PROTOCOL      1
#define POLICY_MAX_BYTES     (16u << 20) /* of JSON text */
#define POLICY_MAX_UPSTREAMS 8
#define POLICY_MAX_PORTS     16         /* of a route */
#define POLICY_MAX_EXTRA_CA  (1u << 20) /* bytes of PEM */
#define POLICY_MAX_HEADER    64         /* bytes of a field name */
#define POLICY_MAX_IN        8          /* places of a placeholder */
#define POLICY_MAX_TCP_NAMES 1024       /* routes with raw TCP */

#define POLICY_PLACEHOLDER_MAX 512 /* bytes; SECRET_MIN at least */

#define POLICY_HOST_SERVICE "host.stopper.internal"

/* What takes the place of the agent's own credential. */
enum auth_scheme {
    AUTH_NONE,        /* nothing: it is stripped */
    AUTH_PASSTHROUGH, /* it stays */
    AUTH_BEARER,      /* "Bearer VALUE", RFC 6750 */
    AUTH_TOKEN,       /* "token VALUE" */
    AUTH_BASIC,       /* "Basic BASE64", RFC 7617 */
    AUTH_RAW,         /* "VALUE" */
};

/* A place for the value, where the agent has put the placeholder. */
struct auth_place {
    bool query; /* a parameter of the query; else a field */
    char *name; /* of a parameter: decoded */
};

struct route_auth {
    enum auth_scheme scheme;
    char *header;                /* the field's name; NULL without injection */
    char *secret_name;           /* NULL without injection */
    struct secret_entry *secret; /* NULL before policy_take_secrets */
    char *placeholder;           /* NULL: none */
    struct auth_place in[POLICY_MAX_IN];
    size_t in_count;
};

struct route {
    char host[HOST_MAX + 1]; /* canonical; of a wildcard the part behind "*." */
    bool wildcard;
    bool tls_passthrough;
    bool tls_ech;  /* a ClientHello with Encrypted ClientHello is let through */
    bool cookies;  /* the agent's cookies go on */
    bool insecure; /* auth over plain HTTP */
    bool git_fetch;
    bool dlp_said;     /* the policy has the member */
    bool host_service; /* leads to the machine that runs the bottle */
    bool
        approved; /* no route of the policy's: it is there for an approval, which says what it lets through */
    uint16_t ports[POLICY_MAX_PORTS];
    size_t port_count;
    uint16_t tcp[POLICY_MAX_PORTS]; /* ports of raw TCP */
    size_t tcp_count;
    struct ip tcp_address; /* the name's synthetic one (core/policy_tcp.h); family 0 without tcp */
    struct route_auth auth;
    struct match_rules rules;
    struct dlp_rules dlp; /* with tls_passthrough of the names under a wildcard alone, else nothing */
    struct cidr *allow_private;
    size_t allow_private_count;
};

struct policy {
    uint64_t generation;
    struct ip dns_upstreams[POLICY_MAX_UPSTREAMS];
    size_t dns_upstream_count;
    bool canary_stop;
    bool closed;     /* whatever the routes say */
    bool dns_refuse; /* names of no route are refused, not led to the sidecar */
    struct route *routes;
    size_t route_count;
    struct ip agent_address; /* the sidecar's own address on the agent's side; family 0 when not known */
    struct cidr *own;        /* the sidecar's own ranges: never dialled */
    size_t own_count;
    struct ip host_address; /* of the machine that runs the bottle; family 0 when none leads there */
    struct approvals approvals;
    struct gate *gate;       /* NULL: no repositories */
    struct str extra_ca;     /* PEM; empty = none */
    struct secrets *secrets; /* of the proxy only; the policy's own */
    void *attached;          /* what a worker derives from the whole; goes with it */
    void (*detach)(void *attached);
    void *engine; /* of its search, likewise */
    void (*engine_free)(void *engine);
    /* private */
    unsigned references;
    size_t *table; /* open addressing over routes, index + 1 */
    size_t table_size;
    struct route **tcp_routes; /* those with tcp, by address */
    size_t tcp_route_count;
    uint8_t ports[65536 / 8]; /* a bit each: some route is served there */
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

/* Whether the route is served on this port, and whether any route is. */
bool route_has_port(const struct route *route, unsigned port);
bool policy_has_port(const struct policy *policy, unsigned port);

/* Whether a value is injected on this route. */
bool route_injects(const struct route *route);

/* The part of a value that is secret: of a "user:password" with basic, the password. */
struct str policy_sensitive(enum auth_scheme scheme, struct str value);

/* Whether all the secrets that the routes need are in the set (NULL = an empty one). Returns 0, or -1 with
 * err naming the first that is not. */
int policy_check_secrets(const struct policy *policy, struct secrets *secrets, struct err *err);

/* Gives the policy its secrets, which it owns from here on, also when this fails, as policy_check_secrets
 * says. */
int policy_take_secrets(struct policy *policy, struct secrets *secrets, struct err *err);

/* As policies and manifests write it: "Bearer", "token", "basic", "raw". */
const char *policy_scheme_name(enum auth_scheme scheme);

/* What is wrong with the name of a field that a value is to be injected in; NULL when nothing is. */
const char *policy_header_problem(struct str name);

/* What is wrong with a placeholder; NULL when nothing is. */
const char *policy_placeholder_problem(struct str text);

/* Splits "query:NAME" or "header:NAME". Returns NULL, or what is wrong with *name, which then may be the whole text. */
const char *policy_place(struct str text, bool *query, struct str *name);

/* "api.example.com" or "*.example.com", for the audit's "rule". */
void route_name(const struct route *route, char out[HOST_MAX + 3]);

/* Whether this route may lead to this address: public, or private and named by allow_private; never
 * forbidden, never the sidecar's own, never the host's. That is for the host service's route alone, and all of it. */
bool policy_may_dial(const struct policy *policy, const struct route *route, const struct ip *ip);

/* Whether the ssh leg of this repository may lead to this address: public or private, since the operator named the host;
 * never forbidden, never the sidecar's own. The host's address is for the name POLICY_HOST_SERVICE alone. */
bool policy_may_push(const struct policy *policy, const struct gate_repo *repo, const struct ip *ip);

#endif
