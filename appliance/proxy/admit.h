/* SPDX-License-Identifier: GPL-3.0-or-later */
/* admit: whether a route lets this one request through, by its path, method and fields (core/match.h). */
#ifndef PROXY_ADMIT_H
#define PROXY_ADMIT_H

#include "core/denial.h"
#include "core/policy.h"
#include "proxy/h1_head.h"
#include "proxy/request.h"

#define ADMIT_RULE (HOST_MAX + 4 + MATCH_NAME_MAX) /* bytes of a rule's name, NUL included */

/* Judges what would go upstream. `rule` gets the route's name, with that of the entry that decided behind it:
 * "api.example.com matches[1]". */
enum denial admit_judge(const struct route *route, const struct h1_head *head, const struct request *request,
                        char rule[ADMIT_RULE]);

#endif
