/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frontmatter: a manifest file as text: all of a .yaml or .yml, or what stands between two lines "---" at the
 * top of a .md. */
#ifndef HOSTCTL_FRONTMATTER_H
#define HOSTCTL_FRONTMATTER_H

#include <stddef.h>

#include "core/str.h"
#include "hostctl/report.h"

#define FRONTMATTER_MAX_BYTES (1u << 20) /* of a file */

struct frontmatter {
    char *bytes;         /* owned: the file */
    size_t len;          /* of bytes */
    struct str yaml;     /* inside bytes */
    struct str body;     /* inside bytes: what stands below the front matter; empty in YAML */
    unsigned first_line; /* the line of the file where yaml begins, 1-based */
};

/* Reads the file report->file. Returns 0, or -1 with the errors in the report: not readable, a folder, too
 * large, not UTF-8, a name that ends in none of the three, no front matter. */
int frontmatter_read(struct frontmatter *matter, struct report *report);

/* The same for bytes in memory; a copy is made. */
int frontmatter_parse(struct frontmatter *matter, struct str bytes, struct report *report);

void frontmatter_fini(struct frontmatter *matter);

#endif
