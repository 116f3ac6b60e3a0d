/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search: see search.h. One per worker process, so what is split over two connections that two workers took is not
 * joined. */
#include "proxy/search.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/host.h"
#include "proxy/limits.h"

static_assert(DLP_RULES_TOKENS == DLP_TOKENS && DLP_RULES_SECRETS == DLP_KNOWN &&
                  DLP_RULES_ENTROPY == DLP_ENTROPY && DLP_RULES_INJECTION == DLP_PHRASES,
              "policies and the search name detectors by the same bits");

struct host_carry {
    struct dlp_carry carry;           /* first: search_carry_back knows the whole by it */
    struct host_carry *older, *newer; /* of those that nobody uses */
    struct host_carry *next;          /* in its place of the table */
    char name[HOST_MAX + 3];
    unsigned users;
};

struct search {
    struct dlp_engine *arrived; /* for the policy of this generation */
    uint64_t generation;
    struct host_carry *table[CARRIES_TABLE];
    struct host_carry *oldest, *newest; /* of those that nobody uses, by their last use */
    size_t carries;                     /* all of them */
};

struct search *search_new(void)
{
    return calloc(1, sizeof(struct search));
}

int search_database(struct search *search, uint64_t generation, int fd, struct err *err)
{
    dlp_engine_unref(search->arrived);
    search->generation = generation;
    search->arrived = dlp_engine_new(fd, err);
    return search->arrived != NULL ? 0 : err_prefix(err, "what is searched for");
}

static void engine_free(void *engine)
{
    dlp_engine_unref(engine);
}

int search_offer(struct search *search, struct policy *policy, struct err *err)
{
    bool searches = policy->approvals.hold_denied; /* what is approved later is searched too */

    for (size_t i = 0; i < policy->route_count; i++)
        searches = searches || policy->routes[i].dlp.outbound + policy->routes[i].dlp.inbound > 0;
    if (!searches)
        return 0;
    if (search->arrived == NULL || search->generation != policy->generation)
        return err_set(err, "what the policy searches for did not arrive");
    policy->engine = search->arrived;
    policy->engine_free = engine_free;
    search->arrived = NULL;
    return 0;
}

struct dlp_engine *search_engine(const struct policy *policy)
{
    return policy->engine;
}

/* What is kept of hosts: a hash table of all, and a list of those that may be forgotten. */

static struct host_carry **place_of(struct search *search, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a: names are the policy's, not the agent's */

    for (const char *at = name; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    struct host_carry **place = &search->table[hash % CARRIES_TABLE];
    while (*place != NULL && strcmp((*place)->name, name) != 0)
        place = &(*place)->next;
    return place;
}

static void take_out(struct search *search, struct host_carry *entry)
{
    *(entry->older != NULL ? &entry->older->newer : &search->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &search->newest) = entry->older;
    entry->older = entry->newer = NULL;
}

static void put_newest(struct search *search, struct host_carry *entry)
{
    entry->older = search->newest;
    *(search->newest != NULL ? &search->newest->newer : &search->oldest) = entry;
    search->newest = entry;
}

/* Those that are in use stay: there are no more of them than there are connections. */
static void forget_oldest(struct search *search)
{
    while (search->carries > CARRIES_MAX && search->oldest != NULL) {
        struct host_carry *entry = search->oldest, **place = place_of(search, entry->name);
        take_out(search, entry);
        *place = entry->next;
        search->carries--;
        dlp_carry_wipe(&entry->carry);
        free(entry);
    }
}

struct dlp_carry *search_carry(struct search *search, const char *name)
{
    struct host_carry **place = place_of(search, name), *entry = *place;

    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL)
            return NULL;
        snprintf(entry->name, sizeof entry->name, "%s", name);
        *place = entry;
        search->carries++;
        forget_oldest(search); /* it is not on the list yet */
    } else if (entry->users == 0) {
        take_out(search, entry);
    }
    entry->users++;
    return &entry->carry;
}

void search_carry_back(struct search *search, struct dlp_carry *carry)
{
    struct host_carry *entry = (struct host_carry *)carry;

    if (entry == NULL || --entry->users > 0)
        return;
    put_newest(search, entry);
    forget_oldest(search);
}

void search_describe(const struct dlp_engine *engine, const struct dlp_finding *finding, char *text,
                     size_t size)
{
    const struct dlp_rule *rule = dlp_rules_get(dlp_engine_rules(engine), finding->rule);

    snprintf(text, size, "%s: %s in the %s%s", dlp_rules_detector_name(finding->detector),
             rule != NULL ? rule->name : "?", dlp_surface_name(finding->surface),
             finding->across ? ", begun in an earlier request" : "");
}

struct str search_codings(const struct h1_head *head, char *text, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < head->field_count; i++) {
        const struct h1_field *field = &head->fields[i];
        if (!str_equal_nocase(field->name, str_of("content-encoding")))
            continue;
        if (field->value.len + 1 > size - len)
            return str_of("too-long");
        if (len > 0)
            text[len++] = ',';
        memcpy(text + len, field->value.ptr, field->value.len);
        len += field->value.len;
    }
    return (struct str){text, len};
}
