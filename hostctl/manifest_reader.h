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
    bool multi_tenant;               /* said of this route */
    /* manifest_match.c's: the list, how many of its entries are begun, the last of them, the path or header */
    struct match_list *list;
    size_t filled;
    struct match_entry *entry;
    unsigned presets; /* a bit each: is there already */
    int match_type;   /* -1: not one */
    const struct node *header;
    char path[PATH_SIZE]; /* where we are: "egress.routes[2].host" */
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

/* The child of a map with this key, or NULL. */
const struct node *manifest_child(const struct node *map, const char *key);

/* Takers of manifest_match.c. */
int manifest_take_matches(struct manifest_reader *reader, const struct node *node);
int manifest_take_deny(struct manifest_reader *reader, const struct node *node);
int manifest_take_match(struct manifest_reader *reader, const struct node *node);
int manifest_take_paths(struct manifest_reader *reader, const struct node *node);
int manifest_take_path(struct manifest_reader *reader, const struct node *node);
int manifest_take_path_type(struct manifest_reader *reader, const struct node *node);
int manifest_take_path_value(struct manifest_reader *reader, const struct node *node);
int manifest_take_methods(struct manifest_reader *reader, const struct node *node);
int manifest_take_method(struct manifest_reader *reader, const struct node *node);
int manifest_take_headers(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_entry(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_name(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_type(struct manifest_reader *reader, const struct node *node);
int manifest_take_header_value(struct manifest_reader *reader, const struct node *node);

/* Keys that other versions of Stopper have: a manifest that needs them must not run without them. Ended by
 * NULL. */
extern const char *const manifest_keys_elsewhere[];

#endif
