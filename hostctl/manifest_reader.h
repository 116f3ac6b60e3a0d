/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_reader: what manifest.c (the walk) and manifest_keys.c (the language) share. Nobody else includes
 * it. */
#ifndef HOSTCTL_MANIFEST_READER_H
#define HOSTCTL_MANIFEST_READER_H

#include "hostctl/manifest.h"

#define PATH_SIZE 512

struct manifest_reader {
    struct report *report;
    struct manifest *manifest;
    struct manifest_route *route;    /* the one being read */
    const struct node **route_hosts; /* by route; NULL where the host is missing or bad */
    char path[PATH_SIZE];            /* where we are: "egress.routes[2].host" */
};

#define COMPLAIN(reader, node, ...) report_add((reader)->report, (node)->line, (reader)->path, __VA_ARGS__)

#define OUT_OF_MEMORY(reader) (report_add((reader)->report, 0, "", "out of memory"), -1)

static inline struct str text_of(const struct node *node)
{
    return (struct str){node->text, node->len};
}

static inline struct str key_of(const struct node *node)
{
    return (struct str){node->key, node->key_len};
}

/* Keys that other versions of Stopper have: a manifest that needs them must not run without them. Ended by
 * NULL. */
extern const char *const manifest_keys_elsewhere[];

#endif
