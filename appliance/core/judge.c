/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge: see judge.h. The fields that decide are those that forward.c lets into the request for the upstream:
 * what is stripped, or ours, decides nothing. */
#include "core/judge.h"

#include <stdio.h>
#include <string.h>

#include "core/decide.h"
#include "core/forward.h"
#include "core/gitfetch.h"

/* By the route's lists. */
static enum denial judge_rules(const struct h1_head *head, const struct request *request,
                               struct judged *judged)
{
    const struct match_rules *rules = &judged->route->rules;
    struct match_field fields[FIELDS_MAX];
    struct match_request seen = {
        .method = head->method, .path = request->path, .query = request->query, .fields = fields};

    if (rules->matches.count + rules->deny.count == 0)
        return DENIAL_NONE;
    for (size_t i = 0; i < head->field_count; i++)
        if (forward_field(head, judged->route, &head->fields[i]))
            fields[seen.field_count++] = (struct match_field){head->fields[i].name, head->fields[i].value};
    enum denial denial = match_judge(rules, &seen, &judged->entry);
    if (judged->entry != NULL) {
        size_t len = strlen(judged->rule);
        char name[MATCH_NAME_MAX];
        match_entry_name(rules, judged->entry, name);
        snprintf(judged->rule + len, JUDGE_RULE - len, " %s", name);
    }
    return denial;
}

enum denial judge_request(const struct policy *policy, unsigned port, bool tls, const struct h1_head *head,
                          struct request *request, struct judged *judged)
{
    *judged = (struct judged){.route = NULL};
    enum denial denial = decide_http(policy, request->host, port, request->host_port, tls, &judged->route);

    request->secure = tls; /* then its upstream is verified */
    if (judged->route != NULL)
        route_name(judged->route, judged->rule);
    if (denial == DENIAL_NONE)
        denial = forward_judge(judged->route, tls);
    if (denial == DENIAL_NONE)
        denial = gitfetch_judge(judged->route, head, request);
    if (denial == DENIAL_NONE)
        denial = judge_rules(head, request, judged);
    return denial;
}
