/* SPDX-License-Identifier: GPL-3.0-or-later */
/* templates: what agent_provider.template and a route's role stand for, as manifests in the language itself. A role has
 * one route, for its host, and variables; a template has routes with roles, and what keeps the agent's program quiet. */
#ifndef HOSTCTL_TEMPLATES_H
#define HOSTCTL_TEMPLATES_H

#include "hostctl/manifest.h"

/* What a manifest of this template extends; NULL for none. */
const char *template_text(enum manifest_template template);

/* The same for a role that this version enforces; NULL for another. */
const char *role_text(const char *role);

/* How a role's tokens begin, and how long they are; of another role, or NULL, an empty prefix and 0. */
struct role_shape {
    const char *prefix;
    size_t length; /* bytes; at most 128 */
};
struct role_shape role_shape(const char *role);

#endif
