/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_words: the smaller tables of the language: the keys of agents, the keys whose enforcement comes later, old
 * spellings, keys of other versions. A bottle's keys are in manifest_keys.c. */
#include "hostctl/manifest_reader.h"

const struct manifest_key manifest_agent_keys[] = {
    {"bottle", MANIFEST_STRING, true, "the name of a bottle", manifest_take_bottle},
    {"skills", MANIFEST_LIST, false, "a list of names", manifest_take_skill_list},
    {"skills[]", MANIFEST_STRING, false, "the name of a skill", manifest_take_skill},
    {"git-gate", MANIFEST_MAP, false, "a map", NULL},
    {"git-gate.user", MANIFEST_MAP, false, "a map with the keys name and email", NULL},
    {"git-gate.user.name", MANIFEST_STRING, false, "a name", manifest_take_user_name},
    {"git-gate.user.email", MANIFEST_STRING, false, "an e-mail address", manifest_take_user_email},
    {"name", MANIFEST_STRING, false, "a string", NULL},
    {"description", MANIFEST_STRING, false, "a string", NULL},
    {"model", MANIFEST_STRING, false, "a string", NULL},
    {"color", MANIFEST_STRING, false, "a string", NULL},
    {"memory", MANIFEST_STRING, false, "a string", NULL},
    {NULL, MANIFEST_MAP, false, NULL, NULL},
};

/* None at present; a route's role may be kept for later, too. */
const struct manifest_later_key manifest_later_keys[] = {
    {NULL, NULL},
};

const struct manifest_old_key manifest_old_keys[] = {
    {"identity", NULL, "key: {provider: static, path: FILE}"},
    {"provisioned_key", NULL, "key: {provider: gitea, forge_token_env: VARIABLE}"},
    {"token_env", "egress.routes[].auth", "token_ref"},
    {"token_env", NULL, "auth: {scheme: SCHEME, token_ref: VARIABLE}"},
    {"path_allowlist", NULL, "matches: [{paths: [{value: PATH}]}]"},
    {"git", "", "git-gate"},
    {NULL, NULL, NULL},
};

const char *const manifest_keys_elsewhere[] = {
    "egress.explicit_proxy",
    "egress.upstream_proxy",
    NULL,
};
