/* SPDX-License-Identifier: GPL-3.0-or-later */
/* budgets: see budgets.h. As many counts as the policy has budgets, sorted by the routes' names: the agent makes none. */
#include "proxy/budgets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/budget.h"
#include "proxy/session.h"

struct entry {
    char name[HOST_MAX + 3]; /* route_name */
    struct budget budget;
};

struct budgets {
    struct entry *entries;
    size_t count;
};

struct budgets *budgets_new(void)
{
    return calloc(1, sizeof(struct budgets));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static struct budget *find(const struct budgets *budgets, const struct entry *like)
{
    struct entry *entry =
        budgets->count > 0 ? bsearch(like, budgets->entries, budgets->count, sizeof *like, by_name) : NULL;

    return entry != NULL ? &entry->budget : NULL;
}

int budgets_offer(struct budgets *budgets, const struct policy *policy, struct err *err)
{
    size_t count = 0;

    for (size_t i = 0; i < policy->route_count; i++)
        count += policy->routes[i].dlp.budget > 0;
    struct entry *entries = calloc(count + 1, sizeof *entries), *next = entries;
    if (entries == NULL)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < policy->route_count; i++) {
        if (policy->routes[i].dlp.budget == 0)
            continue;
        route_name(&policy->routes[i], next->name);
        const struct budget *before = find(budgets, next);
        if (before != NULL)
            next->budget = *before;
        next++;
    }
    qsort(entries, count, sizeof *entries, by_name);
    free(budgets->entries);
    *budgets = (struct budgets){.entries = entries, .count = count};
    return 0;
}

static bool has_budget(const struct session *session)
{
    const struct route *route = session->exchange.route;

    return route != NULL && route->dlp.budget > 0;
}

/* The count of the exchange's route, which has a budget: of the policy in force, as the route is. */
static struct budget *budget_of(const struct session *session)
{
    struct entry like;

    route_name(session->exchange.route, like.name);
    return find(session->proxy->budgets, &like);
}

static uint64_t now_of(const struct session *session)
{
    return uv_now(&session->proxy->worker.loop);
}

/* wanted: what the request takes in all, as far as that is known. */
static enum denial refuse(struct session *session, struct budget *budget, uint64_t wanted)
{
    struct exchange *x = &session->exchange;
    uint64_t limit = x->route->dlp.budget;
    char text[BUDGET_TEXT], host[HOST_MAX + 3];

    x->retry_s = wanted > limit ? 0 : budget_wait(budget, limit, wanted, now_of(session));
    x->alarm = budget_alarm(budget, now_of(session)) || x->alarm;
    budget_format(limit, text);
    if (x->retry_s > 0)
        snprintf(x->found, sizeof x->found, "The budget is %s; %llu bytes fit in %u seconds.", text,
                 (unsigned long long)wanted, x->retry_s);
    else
        snprintf(x->found, sizeof x->found, "The budget is %s, and this request alone is larger.", text);
    x->reason = x->found;
    route_name(x->route, host);
    snprintf(x->rule, sizeof x->rule, "%s dlp.budget", host);
    return DENIAL_DLP_BUDGET;
}

enum denial budgets_begin(struct session *session, const struct h1_head *head, size_t head_bytes)
{
    struct exchange *x = &session->exchange;
    uint64_t whole = head_bytes;

    if (!has_budget(session))
        return DENIAL_NONE;
    struct budget *budget = budget_of(session);
    if (budget == NULL)
        return DENIAL_OVERLOADED;
    if (head->framing == H1_LENGTH)
        whole = head->length < UINT64_MAX - whole ? whole + head->length : UINT64_MAX;
    if (!budget_fits(budget, x->route->dlp.budget, whole, now_of(session)))
        return refuse(session, budget, whole);
    budget_spend(budget, x->route->dlp.budget, head_bytes, now_of(session));
    x->counted = head_bytes;
    return DENIAL_NONE;
}

enum denial budgets_go_on(struct session *session, size_t bytes)
{
    struct exchange *x = &session->exchange;

    if (!has_budget(session))
        return DENIAL_NONE;
    struct budget *budget = budget_of(session);
    if (budget == NULL)
        return DENIAL_OVERLOADED;
    if (!budget_spend(budget, x->route->dlp.budget, bytes, now_of(session)))
        return refuse(session, budget, x->counted + bytes);
    x->counted += bytes;
    return DENIAL_NONE;
}
