/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine: see engine.h and scan.h. */
#include "dlp/engine.h"

#include <stdlib.h>

#include "core/secret.h"
#include "dlp/classes.h"
#include "dlp/phrases.h"
#include "dlp/tokens.h"

#define ROOM        (DLP_HELD_MAX + 16384) /* for a body's step, and for a head in one go */
#define SLACK       128
#define MATCH_LIMIT 100000
#define HEAP_LIMIT  4096 /* KiB */

static void release(struct dlp_engine *engine)
{
    for (size_t i = 0; i <= DLP_DEPTH; i++) {
        free(engine->texts[i]);
        free(engine->values[i]);
        engine->texts[i] = NULL;
        engine->values[i] = NULL;
    }
    free(engine->letters);
    free(engine->plain);
    free(engine->found);
    free(engine->spots);
    engine->letters = engine->plain = engine->found = NULL;
    engine->spots = NULL;
    for (size_t i = 0; i < DLP_PLACES; i++) {
        free(engine->places[i].all);
        engine->places[i].all = NULL;
    }
    engine->room = 0;
}

int dlp_engine_room(struct dlp_engine *engine, size_t len)
{
    if (len <= engine->room)
        return 0;
    release(engine);
    bool good =
        (engine->letters = malloc(len + SLACK)) != NULL && (engine->plain = malloc(len + SLACK)) != NULL &&
        (engine->found = malloc(len + SLACK)) != NULL && (engine->spots = malloc(len / 8 + SLACK)) != NULL;
    for (size_t i = 0; i < DLP_PLACES; i++)
        good =
            (engine->places[i].all = malloc(DLP_PLACES_ROOM(len) * sizeof(struct dlp_place))) != NULL && good;
    for (size_t i = 0; i <= DLP_DEPTH; i++)
        good = (engine->texts[i] = malloc(len + SLACK)) != NULL &&
               (engine->values[i] = malloc(len + SLACK)) != NULL && good;
    if (!good) {
        release(engine);
        return -1;
    }
    engine->room = len;
    return 0;
}

static int allocate(struct dlp_engine *engine)
{
    const struct dlp_prints_part *prints = engine->rules->prints.part;

    if (prints != NULL && (engine->printer = dlp_printer_new(prints->key)) == NULL)
        return -1;
    for (size_t i = 0; i < DLP_BASES; i++)
        if (engine->rules->bases[i] != NULL &&
            hs_alloc_scratch(engine->rules->bases[i], &engine->scratch) != HS_SUCCESS)
            return -1;
    engine->expressions = calloc(dlp_token_count + dlp_phrase_count, sizeof *engine->expressions);
    engine->match = pcre2_match_data_create(1, NULL);
    engine->limits = pcre2_match_context_create(NULL);
    for (size_t i = 0; i < DLP_DEPTH; i++)
        if ((engine->folds[i] = malloc(sizeof *engine->folds[i])) == NULL)
            return -1;
    for (size_t i = 0; i <= DLP_DEPTH; i++) {
        if ((engine->words[i] = malloc(sizeof *engine->words[i])) == NULL)
            return -1;
        engine->words[i]->count = engine->words[i]->len = 0;
    }
    engine->hits = malloc(sizeof *engine->hits);
    engine->joined = malloc(DLP_JOINED_MAX);
    if (engine->hits == NULL || engine->joined == NULL || engine->expressions == NULL ||
        engine->match == NULL || engine->limits == NULL || dlp_engine_room(engine, ROOM) != 0)
        return -1;
    pcre2_set_match_limit(engine->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(engine->limits, HEAP_LIMIT);
    return 0;
}

struct dlp_engine *dlp_engine_new(int fd, struct err *err)
{
    struct dlp_engine *engine = calloc(1, sizeof *engine);

    if (engine == NULL) {
        err_set(err, "dlp: no memory");
        return NULL;
    }
    engine->references = 1;
    engine->rules = dlp_rules_open(fd, err);
    if (engine->rules == NULL || allocate(engine) != 0) {
        if (engine->rules != NULL)
            err_set(err, "dlp: no memory for scanning");
        dlp_engine_unref(engine);
        return NULL;
    }
    return engine;
}

struct dlp_engine *dlp_engine_ref(struct dlp_engine *engine)
{
    engine->references++;
    return engine;
}

void dlp_engine_unref(struct dlp_engine *engine)
{
    if (engine == NULL || --engine->references > 0)
        return;
    release(engine);
    free(engine->hits);
    free(engine->joined);
    for (size_t i = 0; i < DLP_DEPTH; i++)
        free(engine->folds[i]);
    for (size_t i = 0; i <= DLP_DEPTH; i++)
        free(engine->words[i]);
    if (engine->expressions != NULL)
        for (size_t i = 0; i < dlp_token_count + dlp_phrase_count; i++)
            pcre2_code_free(engine->expressions[i]);
    free(engine->expressions);
    pcre2_match_data_free(engine->match);
    pcre2_match_context_free(engine->limits);
    hs_free_scratch(engine->scratch);
    dlp_printer_free(engine->printer);
    dlp_rules_free(engine->rules);
    secret_wipe(engine->clean, sizeof engine->clean);
    free(engine);
}

const struct dlp_rules *dlp_engine_rules(const struct dlp_engine *engine)
{
    return engine->rules;
}
