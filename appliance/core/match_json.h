/* SPDX-License-Identifier: GPL-3.0-or-later */
/* match_json: the lists of core/match.h as a policy holds them (core/policy.h has the format). */
#ifndef CORE_MATCH_JSON_H
#define CORE_MATCH_JSON_H

#include <jansson.h>

#include "core/match.h"

/* Reads "matches" or "deny" into a list that is all zero. Returns 0, or -1 with err naming the place; match_fini
 * frees what was read either way. */
int match_json_read(const json_t *value, bool deny, struct match_list *list, struct err *err);

/* The same list as it is read. A new reference, or NULL when memory is out. */
json_t *match_json_write(const struct match_list *list);

#endif
