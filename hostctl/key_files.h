/* SPDX-License-Identifier: GPL-3.0-or-later */
/* key_files: the private keys that git-gate.repos names as files of the host. They go to the sidecar beside the policy, and
 * nowhere else: no argument, no variable, no file of ours, no error ever holds a part of one. */
#ifndef HOSTCTL_KEY_FILES_H
#define HOSTCTL_KEY_FILES_H

#include "core/keys.h"
#include "hostctl/manifest.h"
#include "hostctl/report.h"

/* Reads the keys of all repositories with `key: {provider: static}`. Refused is what ssh(1) would not take either: a file that
 * others than its owner may use; and a key that somebody would have to type or touch something for. Returns the keys
 * (keys_free; an empty set where none is named), or NULL with errors in the report, which name file and line. */
struct keys *key_files_read(const struct manifest *manifest, struct report *report);

/* Whether the key at this path, as a manifest writes it, would be taken. Returns 0, or -1 with err: "is protected by …". */
int key_files_check(const char *path, struct err *err);

/* The member "keys" of what `ctl apply` takes: these keys, and null for a repository whose key the sidecar makes. To be
 * given back with secrets_text_free; NULL when memory is out. */
char *key_files_text(const struct manifest *manifest, const struct keys *keys);

#endif
