/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fixed: what of a manifest is settled when a bottle starts, and what no `apply` changes: the agent's side. What is
 * recorded at `up` are digests, by which a later manifest is compared; mounts and the uplink are options of `up`, and
 * no manifest names them. */
#ifndef HOSTCTL_FIXED_H
#define HOSTCTL_FIXED_H

#include "core/err.h"
#include "core/str.h"
#include "hostctl/manifest.h"
#include "hostctl/sha256.h"
#include "hostctl/state.h"

enum {
    FIXED_ENV,
    FIXED_USER,
    FIXED_SKILLS,
    FIXED_IMAGE,
    FIXED_RUNTIME,
    FIXED_PROMPT,
    FIXED_HOST,
    FIXED_REPOS,
    FIXED_PARTS
};

struct fixed {
    char digest[FIXED_PARTS][SHA256_HEX];
};

/* The ports of the machine that runs the bottle (POLICY_HOST_SERVICE) that its route names, those of raw TCP among them, and
 * those of repositories there; each once. Returns how many. */
size_t fixed_host_ports(const struct manifest *manifest, uint16_t ports[MANIFEST_HOST_PORTS]);

/* The digests of a whole manifest to which agent_env has not added anything yet. The prompt may be empty. Returns 0, or
 * -1 when memory is out. */
int fixed_take(const struct manifest *manifest, struct str prompt, struct fixed *fixed);

/* Needs the lock. Returns 0, or -1 with err. */
int fixed_record(const struct fixed *fixed, struct state *state, struct err *err);

/* The names of the parts that are not as recorded, as the manifest spells them; host: the ports of the host's services are
 * one of them, as they are where the uplink has them from the start. Returns their number, or -1 when the
 * record has no digests that are understood. */
int fixed_changed(const struct fixed *fixed, const struct state *state, bool host,
                  const char *names[FIXED_PARTS]);

#endif
