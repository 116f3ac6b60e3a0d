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
    struct dlp_carry carry; /* first: search_carry_back knows the whole by it */
    struct host_carry *older, *newer;
    char host[HOST_MAX + 1];
    unsigned users;
};

struct search {
    struct dlp_engine *arrived; /* for the policy of this generation */
    uint64_t generation;
    struct host_carry *oldest, *newest;
    size_t carries;
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

/* The list of hosts, by their last use. */

static void take_out(struct search *search, struct host_carry *entry)
{
    *(entry->older != NULL ? &entry->older->newer : &search->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &search->newest) = entry->older;
    search->carries--;
}

static void put_newest(struct search *search, struct host_carry *entry)
{
    entry->newer = NULL;
    entry->older = search->newest;
    *(search->newest != NULL ? &search->newest->newer : &search->oldest) = entry;
    search->newest = entry;
    search->carries++;
}

static struct host_carry *find(const struct search *search, const char *host)
{
    struct host_carry *entry = search->newest;

    while (entry != NULL && strcmp(entry->host, host) != 0)
        entry = entry->older;
    return entry;
}

/* Those that are in use stay: there are no more of them than there are connections. */
static void forget_oldest(struct search *search)
{
    struct host_carry *entry = search->oldest;

    while (entry != NULL && search->carries > CARRIES_MAX) {
        struct host_carry *next = entry->newer;
        if (entry->users == 0) {
            take_out(search, entry);
            dlp_carry_wipe(&entry->carry);
            free(entry);
        }
        entry = next;
    }
}

struct dlp_carry *search_carry(struct search *search, const char *host)
{
    struct host_carry *entry = find(search, host);

    if (entry != NULL)
        take_out(search, entry);
    else if ((entry = calloc(1, sizeof *entry)) == NULL)
        return NULL;
    snprintf(entry->host, sizeof entry->host, "%s", host);
    entry->users++;
    put_newest(search, entry);
    forget_oldest(search);
    return &entry->carry;
}

void search_carry_back(struct search *search, struct dlp_carry *carry)
{
    struct host_carry *entry = (struct host_carry *)carry;

    if (entry == NULL)
        return;
    entry->users--;
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
