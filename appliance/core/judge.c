/* SPDX-License-Identifier: GPL-3.0-or-later */
/* judge: see judge.h. The fields that decide are those that forward.c lets into the request for the upstream:
 * what is stripped, or ours, decides nothing. */
#include "core/judge.h"

#include <inttypes.h>
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

/* By all that a route says beside its host. */
static enum denial judge_route(bool tls, const struct h1_head *head, struct request *request,
                               struct judged *judged)
{
    enum denial denial = forward_judge(judged->route, tls);

    if (denial == DENIAL_NONE)
        denial = gitfetch_judge(judged->route, head, request);
    const struct match_rules *rules = &judged->route->rules;
    if (denial == DENIAL_NONE && (rules->matches.count + rules->deny.count > 0 || judged->route->approved))
        denial = judge_rules(head, request, judged);
    return denial;
}

/* A route that is there for approvals lets nothing else through, whatever of it would not fit: for all else its host is
 * one that no route names. */
static enum denial judge_approved(const struct policy *policy, unsigned port, bool tls,
                                  const struct h1_head *head, const struct request *request,
                                  struct judged *judged)
{
    const struct approval *approval = approvals_find(&policy->approvals, port, tls, head->method, request);

    if (approval == NULL) {
        *judged = (struct judged){.route = NULL};
        return DENIAL_HOST_NOT_ALLOWED;
    }
    size_t len = strlen(judged->rule);
    snprintf(judged->rule + len, JUDGE_RULE - len, " approval %" PRIu64, approval->id);
    return DENIAL_NONE;
}

enum denial judge_request(const struct policy *policy, unsigned port, bool tls, const struct h1_head *head,
                          struct request *request, struct judged *judged)
{
    *judged = (struct judged){.route = NULL};
    enum denial denial = decide_http(policy, request->host, port, request->host_port, tls, &judged->route);

    if (judged->route != NULL)
        route_name(judged->route, judged->rule);
    if (judged->route != NULL && judged->route->approved &&
        judge_approved(policy, port, tls, head, request, judged) != DENIAL_NONE)
        return DENIAL_HOST_NOT_ALLOWED;
    request->secure = tls; /* then its upstream is verified */
    if (denial == DENIAL_NONE)
        denial = judge_route(tls, head, request, judged);
    return denial;
}

bool judge_holdable(const struct policy *policy, unsigned port, bool tls, const struct h1_head *head,
                    const struct request *request)
{
    const struct approvals *approvals = &policy->approvals;
    const struct route route = {.approved = true, .rules = {.by_path = true, .by_method = true}};
    struct judged judged = {.route = &route};
    struct request copy = *request;

    if (!approvals->hold_denied || approvals_ignore(approvals, request->host) ||
        strcmp(request->host, POLICY_HOST_SERVICE) == 0 || /* by a route of the manifest's only */
        head->method.len > HOLD_METHOD_MAX || request->path.len > HOLD_PATH_MAX ||
        port == (tls ? PORT_HTTP : PORT_HTTPS) || (request->host_port != 0 && request->host_port != port) ||
        str_equal(request->path, str_of("*")))
        return false;
    return judge_route(tls, head, &copy, &judged) == DENIAL_NONE;
}
