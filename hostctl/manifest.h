/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest: a bottle's manifest (stopper-manifest(5)), checked. The language is one table, manifest_keys:
 * what is not in it is an error with its line. */
#ifndef HOSTCTL_MANIFEST_H
#define HOSTCTL_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cidr.h"
#include "core/host.h"
#include "core/match.h"
#include "core/policy.h"
#include "hostctl/node.h"
#include "hostctl/report.h"

#define MANIFEST_ROUTES_MAX   10000
#define MANIFEST_CIDRS_MAX    64 /* in one allow_private */
#define MANIFEST_EXTRA_CA_MAX 16 /* files */

struct manifest_route {
    char host[HOST_MAX + 3]; /* canonical, with its "*." */
    struct cidr *allow_private;
    size_t allow_private_count;
    bool tls_passthrough;
    bool tls_ech;
    uint16_t ports[POLICY_MAX_PORTS]; /* none: the default */
    size_t port_count;
    struct {
        enum auth_scheme scheme;
        char *token_ref;     /* the host's variable; NULL without one */
        unsigned token_line; /* where it is named */
        char *header;        /* NULL: the default */
    } auth;
    bool cookies, insecure, git_fetch;
    struct match_rules rules;
};

struct manifest {
    struct ip dns[POLICY_MAX_UPSTREAMS]; /* none: the host's resolvers */
    size_t dns_count;
    struct manifest_route *routes;
    size_t route_count;
    struct manifest_file {
        char *path;
        unsigned line;
    } extra_ca[MANIFEST_EXTRA_CA_MAX];
    size_t extra_ca_count;
    char **env; /* "NAME=VALUE", env_count of them and NULL; NULL when there is no env */
    size_t env_count;
};

/* Reads and checks the file report->file. Returns the manifest (manifest_free), or NULL with every error in
 * the report. */
struct manifest *manifest_load(struct report *report);

/* The same from a parsed document. */
struct manifest *manifest_read(const struct node *root, struct report *report);
void manifest_free(struct manifest *manifest);

struct manifest_reader;

/* A choice is a string or a map: its taker says which words there are. */
enum manifest_type {
    MANIFEST_MAP,
    MANIFEST_LIST,
    MANIFEST_STRING,
    MANIFEST_BOOL,
    MANIFEST_NUMBER,
    MANIFEST_CHOICE
};

struct manifest_key {
    const char *path; /* "[]" is any entry of a list, ".*" any name in a map that chooses its own names */
    enum manifest_type type;
    bool required;
    const char *is; /* what a value is, in words: "a list of IPv4 addresses" */
    /* Checks and keeps a value of the right type. -1: complained, and what is inside is not looked at. May be
     * NULL. */
    int (*take)(struct manifest_reader *reader, const struct node *node);
};

extern const struct manifest_key manifest_keys[]; /* ended by a NULL path */

#endif
