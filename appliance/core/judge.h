/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge: whether a policy lets one request through: its host and port (core/decide.h), the credential that it would get
 * (core/forward.h), git (core/gitfetch.h), and path, method and fields (core/match.h), in this order. The proxy and
 * `hostctl explain` both ask here. */
#ifndef CORE_JUDGE_H
#define CORE_JUDGE_H

#include <stdbool.h>

#include "core/denial.h"
#include "core/h1_head.h"
#include "core/policy.h"
#include "core/request.h"

#define JUDGE_RULE (HOST_MAX + 4 + MATCH_NAME_MAX) /* bytes of a rule's name, NUL included */

/* What decided. It lives as long as the policy. */
struct judged {
    const struct route *route;       /* NULL: none */
    const struct match_entry *entry; /* NULL: none */
    char rule
        [JUDGE_RULE]; /* the route's name, with that of the entry behind it: "api.example.com matches[1]"; "" without
                              a route */
};

/* Judges what would go upstream of a request that request_read has read. port: where it came to. tls: over TLS that was
 * opened, so that its upstream is verified; sets request->secure. policy may be NULL. */
enum denial judge_request(const struct policy *policy, unsigned port, bool tls, const struct h1_head *head,
                          struct request *request, struct judged *judged);

/* Whether a request that was refused for its host alone is one that an approval could let through: the policy has such
 * requests wait, does not ignore the host, and nothing else about the request would be refused then (core/approval.h). */
bool judge_holdable(const struct policy *policy, unsigned port, bool tls, const struct h1_head *head,
                    const struct request *request);

#endif
