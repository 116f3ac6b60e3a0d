/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * presets: deny entries that close a forge's own API where it leads around the git-gate: everything that writes
 * files or refs, publishes, hands out keys or tokens, or has the forge send things elsewhere. What only reads
 * stays open, GraphQL excepted, which is one address for everything.
 */
#ifndef HOSTCTL_PRESETS_H
#define HOSTCTL_PRESETS_H

#include <stdbool.h>
#include <stddef.h>

#define PRESET_PATHS 12

struct preset_entry {
    const char *name;                /* "hooks" */
    bool reading;                    /* reading is denied, too */
    const char *paths[PRESET_PATHS]; /* regular expressions; ended by NULL */
};

struct preset {
    const char *name; /* "github" */
    const struct preset_entry *entries;
    size_t count;
};

extern const struct preset presets[]; /* ended by a NULL name */

/* The methods of what writes; ended by NULL. */
extern const char *const preset_writes[];

#endif
