/* SPDX-License-Identifier: GPL-3.0-or-later */
/* node: one YAML document as a tree in which everything knows its line. What YAML offers beyond maps, lists
 * and scalars is kept visible here, so that its reader can refuse it where it stands. */
#ifndef HOSTCTL_NODE_H
#define HOSTCTL_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"
#include "hostctl/report.h"

#define NODE_MAX       100000 /* nodes in a document */
#define NODE_DEPTH_MAX 32

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP, NODE_ALIAS };

struct node {
    enum node_kind kind;
    unsigned line;    /* in the file, 1-based */
    bool plain;       /* a scalar without quotes */
    bool anchor, tag; /* it carries one */
    bool odd_key;     /* in a map: the key is no plain or quoted scalar; key is "" then */
    bool again;       /* for the tree's reader: a key that was given before */
    char *text;       /* of a scalar; NUL-terminated, may hold NUL */
    size_t len;       /* bytes of text */
    char *key;        /* in a map; NUL-terminated */
    size_t key_len;
    unsigned key_line;         /* = line outside maps */
    struct node *first, *last; /* children of a list or map, duplicates included, in order */
    struct node *next;         /* sibling */
    size_t count;              /* children */
};

/* Parses a text of which the first line is first_line of the file. Returns the tree (node_free), or NULL with
 * the error in the report. An empty document is an error. */
struct node *node_parse(struct str yaml, unsigned first_line, struct report *report);
void node_free(struct node *node);

#endif
