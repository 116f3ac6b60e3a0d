/* SPDX-License-Identifier: GPL-3.0-or-later */
/* admit: see admit.h. The fields that decide are those that rewrite.c puts into the request for the upstream:
 * what is stripped, or ours, decides nothing. */
#include "proxy/admit.h"

#include <stdio.h>
#include <string.h>

#include "proxy/rewrite.h"

enum denial admit_judge(const struct route *route, const struct h1_head *head, const struct request *request,
                        char rule[ADMIT_RULE])
{
    const struct match_rules *rules = &route->rules;
    const struct match_entry *entry;
    struct match_field fields[FIELDS_MAX];
    struct match_request seen = {
        .method = head->method, .path = request->path, .query = request->query, .fields = fields};

    route_name(route, rule);
    if (rules->matches.count + rules->deny.count == 0)
        return DENIAL_NONE;
    for (size_t i = 0; i < head->field_count; i++)
        if (rewrite_forwards(head, route, &head->fields[i]))
            fields[seen.field_count++] = (struct match_field){head->fields[i].name, head->fields[i].value};
    enum denial denial = match_judge(rules, &seen, &entry);
    if (entry != NULL) {
        size_t len = strlen(rule);
        char name[MATCH_NAME_MAX];
        match_entry_name(rules, entry, name);
        snprintf(rule + len, ADMIT_RULE - len, " %s", name);
    }
    return denial;
}
