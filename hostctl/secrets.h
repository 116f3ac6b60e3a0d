/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * secrets: what a manifest names and does not hold: values from hostctl's own environment, certificates from
 * files of the host. The values go to the sidecar beside the policy, and nowhere else.
 */
#ifndef HOSTCTL_SECRETS_H
#define HOSTCTL_SECRETS_H

#include "core/buf.h"
#include "core/err.h"
#include "core/secret.h"
#include "hostctl/manifest.h"
#include "hostctl/report.h"

/* Takes the values of all token_ref and from_env out of the environment: their variables are wiped and gone afterwards. An
 * error for each that cannot be had, with its variable and line. Returns the values (secrets_free; an empty
 * set when none are named; with room for one more), or NULL with errors in the report, which names the manifest's file. */
struct secrets *secrets_take(const struct manifest *manifest, struct report *report);

/* The certificates of all extra_ca in PEM, NUL-terminated (free); NULL with no error when none are named.
 * Relative paths begin at the manifest's folder. Returns 0, or -1 with errors in the report. */
int extra_ca_read(const struct manifest *manifest, struct report *report, char **pem);

/* {"policy": …, "secrets": {…}, "keys": {…}}, NUL-terminated, to be freed with secrets_text_free; keys: a text of
 * key_files_text, or NULL for none. NULL when memory is out. */
char *secrets_apply_text(const char *policy, const struct secrets *secrets, const char *keys);

#endif
