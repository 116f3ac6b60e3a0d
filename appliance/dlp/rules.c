/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rules: see rules.h. The database comes from init's own child; it is checked against mix-ups, not against malice. */
#include "dlp/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <hs/hs_runtime.h>

#include "dlp/layout.h"
#include "dlp/phrases.h"
#include "dlp/tokens.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* FNV-1a. */
static uint64_t mix(uint64_t digest, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
    return digest;
}

uint64_t dlp_tables_digest(void)
{
    uint64_t digest = 0xcbf29ce484222325;

    for (size_t i = 0; i < dlp_token_count; i++) {
        const struct dlp_token *token = &dlp_tokens[i];
        digest = mix(digest, token->name, strlen(token->name) + 1);
        digest = mix(digest, token->expression, strlen(token->expression) + 1);
        digest = mix(digest, &token->flags, sizeof token->flags);
        digest = mix(digest, &token->max_len, sizeof token->max_len);
    }
    for (size_t i = 0; i < dlp_phrase_count; i++) {
        digest = mix(digest, dlp_phrases[i].name, strlen(dlp_phrases[i].name) + 1);
        digest = mix(digest, dlp_phrases[i].expression, strlen(dlp_phrases[i].expression) + 1);
        digest = mix(digest, dlp_phrases[i].anchors, strlen(dlp_phrases[i].anchors) + 1);
        if (dlp_phrases[i].end != NULL)
            digest = mix(digest, dlp_phrases[i].end, strlen(dlp_phrases[i].end) + 1);
    }
    return digest;
}

uint32_t dlp_rule_phrase(size_t phrase)
{
    return (uint32_t)(dlp_token_count + phrase);
}

uint32_t dlp_rule_entropy(void)
{
    return dlp_rule_phrase(dlp_phrase_count);
}

uint32_t dlp_rule_known(size_t value)
{
    return (uint32_t)(dlp_rule_entropy() + 1 + value);
}

uint32_t dlp_rule_print(const struct dlp_rules *rules, size_t key)
{
    return dlp_rule_known(rules->known.part != NULL ? rules->known.part->count : 0) + (uint32_t)key;
}

static bool inside(const struct dlp_layout *layout, struct dlp_part part)
{
    return part.at % DLP_PAGE == 0 && part.at <= layout->size && part.size <= layout->size - part.at;
}

int dlp_layout_check(const struct dlp_layout *layout, size_t size, const char *magic, struct err *err)
{
    if (size < sizeof *layout || memcmp(layout->magic, magic, sizeof layout->magic) != 0 ||
        layout->size != size) {
        err_set(err, "dlp: this is no database, or one of another version");
        return -1;
    }
    if (layout->tables != dlp_tables_digest() || layout->token_count != dlp_token_count ||
        layout->phrase_count != dlp_phrase_count) {
        err_set(err, "dlp: the database was made from other tables");
        return -1;
    }
    for (size_t i = 0; i < DLP_BASES; i++)
        if (!inside(layout, layout->bases[i])) {
            err_set(err, "dlp: the database is cut short");
            return -1;
        }
    if (!inside(layout, layout->known) || !inside(layout, layout->prints) ||
        (layout->prints.size > 0 && layout->prints.size < sizeof(struct dlp_prints_part)) ||
        (layout->bases[DLP_BASE_REST].size == 0) != (layout->rest_count == 0) ||
        (layout->known.size > 0 && layout->known.size < sizeof(struct dlp_known_part))) {
        err_set(err, "dlp: the database is cut short");
        return -1;
    }
    return 0;
}

/* Finds the parts, and asks the library whether it can use them. */
static int open_parts(struct dlp_rules *rules, struct err *err)
{
    const char *base = (const char *)rules->layout;

    for (size_t i = 0; i < DLP_BASES; i++) {
        size_t size;
        if (rules->layout->bases[i].size == 0)
            continue;
        rules->bases[i] = (const hs_database_t *)(base + rules->layout->bases[i].at);
        if (hs_database_size(rules->bases[i], &size) != HS_SUCCESS || size != rules->layout->bases[i].size) {
            err_set(err, "dlp: the database is for another processor or another library");
            return -1;
        }
    }
    if (rules->layout->known.size > 0)
        rules->known.part = (const struct dlp_known_part *)(base + rules->layout->known.at);
    if (rules->layout->prints.size > 0)
        rules->prints.part = (const struct dlp_prints_part *)(base + rules->layout->prints.at);
    rules->quotes = dlp_known_has_any(&rules->known, "\"\\", false);
    rules->blanks = dlp_known_has_any(&rules->known, "", true);
    return 0;
}

static int name_rules(struct dlp_rules *rules)
{
    size_t known = rules->known.part != NULL ? rules->known.part->count : 0, at = 0;

    size_t keys = rules->prints.part != NULL ? rules->prints.part->keys : 0;
    rules->count = dlp_rule_known(known) + keys;
    rules->rules = calloc(rules->count + 1, sizeof *rules->rules);
    if (rules->rules == NULL)
        return -1;
    for (size_t i = 0; i < dlp_token_count; i++)
        rules->rules[at++] = (struct dlp_rule){.name = dlp_tokens[i].name, .detector = DLP_TOKENS};
    for (size_t i = 0; i < dlp_phrase_count; i++)
        rules->rules[at++] = (struct dlp_rule){.name = dlp_phrases[i].name, .detector = DLP_PHRASES};
    rules->rules[at++] = (struct dlp_rule){.name = "entropy", .detector = DLP_ENTROPY};
    for (size_t i = 0; i < known; i++)
        rules->rules[at++] =
            (struct dlp_rule){.name = dlp_known_name(&rules->known, i),
                              .detector = DLP_KNOWN,
                              .kind = (enum dlp_known_kind)dlp_known_value(&rules->known, i)->kind};
    for (size_t i = 0; i < keys; i++)
        rules->rules[at++] = (struct dlp_rule){
            .name = dlp_prints_name(&rules->prints, i), .detector = DLP_KNOWN, .kind = DLP_GATE_KEY};
    return 0;
}

struct dlp_rules *dlp_rules_open(int fd, struct err *err)
{
    struct stat stat;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS) {
        err_set(err, "dlp: the database is not sealed");
        return NULL;
    }
    if (fstat(fd, &stat) != 0 || stat.st_size < (off_t)sizeof(struct dlp_layout)) {
        err_set(err, "dlp: this is no database, or one of another version");
        return NULL;
    }
    struct dlp_rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL) {
        err_set(err, "dlp: no memory");
        return NULL;
    }
    rules->size = (size_t)stat.st_size;
    void *map = mmap(NULL, rules->size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        err_set(err, "dlp: mmap: %s", strerror(errno));
        free(rules);
        return NULL;
    }
    rules->layout = map;
    madvise(map, rules->size, MADV_DONTDUMP);
    mlock(
        map,
        rules
            ->size); /* as far as the limit allows: the pages are shared memory, which may be swapped out else */
    if (dlp_layout_check(rules->layout, rules->size, DLP_MAGIC, err) != 0 || open_parts(rules, err) != 0) {
        dlp_rules_free(rules);
        return NULL;
    }
    if (name_rules(rules) != 0) {
        err_set(err, "dlp: no memory");
        dlp_rules_free(rules);
        return NULL;
    }
    return rules;
}

void dlp_rules_free(struct dlp_rules *rules)
{
    if (rules == NULL)
        return;
    free(rules->rules);
    munmap((void *)rules->layout, rules->size);
    free(rules);
}

const struct dlp_rule *dlp_rules_get(const struct dlp_rules *rules, size_t index)
{
    return index < rules->count ? &rules->rules[index] : NULL;
}

size_t dlp_rules_count(const struct dlp_rules *rules)
{
    return rules->count;
}
