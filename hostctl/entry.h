/* SPDX-License-Identifier: GPL-3.0-or-later */
/* entry: what `up`, `exec` and `shell` share: how a command enters a bottle and how its end is told. */
#ifndef HOSTCTL_ENTRY_H
#define HOSTCTL_ENTRY_H

#include "core/err.h"
#include "hostctl/runtime.h"

struct entry {
    struct command_spec spec;
    char term[80]; /* "TERM=…" */
    const char **env;
};

/* Fills the spec from where hostctl runs: terminal and its size, TERM, who the agent is (the user who called
 * sudo, else 1000), our signals. argv NULL means a login shell. env ("NAME=VALUE", NULL-terminated, or NULL)
 * wins over TERM; it and cwd are borrowed. Returns 0, or -1 with err; entry_fini frees. */
int entry_init(struct entry *entry, char *const *argv, char *const *env, const char *cwd, struct err *err);
void entry_fini(struct entry *entry);

#endif
