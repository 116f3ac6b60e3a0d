/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compile: a manifest to the policy text that the sidecar takes (core/policy.h). Pure: it reads no file and
 * no variable. */
#ifndef HOSTCTL_COMPILE_H
#define HOSTCTL_COMPILE_H

#include "core/err.h"
#include "hostctl/manifest.h"

/* extra_ca: PEM of issuers that the manifest names, NULL = none. gate: with the repositories, of which every one then has
 * its host_key; else the policy is for judging requests only. Upstreams are the manifest's, or else the
 * ones given (none are needed where no route and no repository is). Returns the text, NUL-terminated and without a line break
 * (free), which policy_parse has accepted; or NULL with err. */
char *compile_policy(const struct manifest *manifest, const struct ip *upstreams, size_t upstream_count,
                     const char *extra_ca, bool gate, struct err *err);

#endif
