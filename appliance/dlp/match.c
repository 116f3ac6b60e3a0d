/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match: vectorscan says which expression ends where. Where it began is asked of PCRE2, which reads the same expression
 * (dlp/tokens.h), and whether it is a token of the table. Both are rare.
 */
#include <string.h>

#include "dlp/phrases.h"
#include "dlp/sketch.h"
#include "dlp/tokens.h"
#include "dlp/view.h"

#define REPORTS_MAX 64
#define LONG_WORD   1024 /* bytes of a word that is shown where it stands */
#define TRIES_MAX   4096 /* matches that PCRE2 finds and that are no tokens, for one report */

struct reports {
    size_t count;
    bool flood;
    struct report {
        unsigned id;
        size_t first, last; /* ends */
    } all[REPORTS_MAX];
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context)
{
    struct reports *reports = context;

    for (size_t i = 0; i < reports->count; i++)
        if (reports->all[i].id == id) {
            reports->all[i].last = (size_t)to;
            return 0;
        }
    if (reports->count == REPORTS_MAX) {
        reports->flood = true;
        return 1;
    }
    reports->all[reports->count++] = (struct report){id, (size_t)to, (size_t)to};
    return 0;
}

const pcre2_code *dlp_expression(struct dlp_engine *engine, uint32_t rule)
{
    bool token = rule < dlp_token_count;
    const char *text = token ? dlp_tokens[rule].expression : dlp_phrases[rule - dlp_token_count].expression;
    uint32_t options = token && dlp_tokens[rule].flags & DLP_TOKEN_CASELESS ? PCRE2_CASELESS : 0;
    int error;
    PCRE2_SIZE offset;

    if (engine->expressions[rule] == NULL)
        engine->expressions[rule] =
            pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &error, &offset, NULL);
    return engine->expressions[rule];
}

static void confirm(const struct dlp_view *view, const struct report *report, size_t start)
{
    const struct dlp_token *token = &dlp_tokens[report->id];
    const pcre2_code *code = dlp_expression(view->engine, report->id);
    size_t at = start + report->first > token->max_len ? start + report->first - token->max_len : 0;
    size_t last = start + report->last, limit = last + token->max_len + 1u;
    size_t len = limit < view->text.len ? limit : view->text.len;

    for (unsigned tries = 0; at < last; tries++) {
        int found = code == NULL || tries == TRIES_MAX
                        ? PCRE2_ERROR_MATCHLIMIT
                        : pcre2_match(code, (PCRE2_SPTR)view->text.ptr, len, at, PCRE2_NO_UTF_CHECK,
                                      view->engine->match, view->engine->limits);
        if (found == PCRE2_ERROR_NOMATCH)
            return;
        if (found < 0) { /* it cannot be asked: then what vectorscan said holds */
            dlp_view_hit(view, report->id, DLP_TOKENS, at, last, 0);
            return;
        }
        const PCRE2_SIZE *pair = pcre2_get_ovector_pointer(view->engine->match);
        size_t from = pair[0], to = pair[1];
        if (from >= last || to <= from)
            return;
        if (!dlp_token_holds(token, (struct str){view->text.ptr + from, to - from})) {
            at = from + 1;
            continue;
        }
        at = to;
        while (to < view->text.len && dlp_token_goes_on(token, view->text.ptr[to]))
            to++;
        size_t skip = token->skip < at - from ? token->skip : 0;
        dlp_view_hit(view, report->id, DLP_TOKENS, from + skip, to, skip);
    }
}

void dlp_view_match(const struct dlp_view *view, enum dlp_base base, size_t start, size_t end)
{
    const hs_database_t *database = view->engine->rules->bases[base];
    struct reports reports = {.count = 0};

    if (database == NULL)
        return;
    start -= start > 0; /* a byte on each side tells whether a word begins or ends there */
    end += end < view->text.len;
    hs_error_t error = hs_scan(database, view->text.ptr + start, (unsigned)(end - start), 0,
                               view->engine->scratch, on_match, &reports);
    if (error != HS_SUCCESS && error != HS_SCAN_TERMINATED)
        view->hits->failed = true;
    view->hits->flood = view->hits->flood || reports.flood;
    for (size_t i = 0; i < reports.count; i++)
        confirm(view, &reports.all[i], start);
}

static int on_word(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    struct dlp_words *words = context;
    size_t low = 0, high = words->count;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (words->all[middle].at < to)
            low = middle;
        else
            high = middle;
    }
    words->all[low].found = true;
    return 0;
}

/* What is found in one of them is looked for again where it stands. */
void dlp_view_words_end(const struct dlp_view *view)
{
    struct dlp_words *words = view->engine->words[view->depth];
    const hs_database_t *database = view->engine->rules->bases[DLP_BASE_WORDS];

    if (words->count == 0 || database == NULL)
        return;
    if (hs_scan(database, words->text, (unsigned)words->len, 0, view->engine->scratch, on_word, words) !=
        HS_SUCCESS)
        view->hits->failed = true;
    for (size_t i = 0; i < words->count; i++)
        if (words->all[i].found)
            dlp_view_match(view, DLP_BASE_WORDS, words->all[i].start,
                           words->all[i].start + words->all[i].len);
    words->count = words->len = 0;
}

void dlp_view_word(const struct dlp_view *view, struct dlp_span word, bool other, size_t from)
{
    struct dlp_words *words = view->engine->words[view->depth];
    size_t start = word.start, len = word.end - start;

    if (len > LONG_WORD) {
        if (!other && start < from)
            dlp_word_end(view->text.ptr, from < word.end ? from : word.end, start, &other);
        dlp_view_match(view, other ? DLP_BASE_WORDS : DLP_BASE_DIGITS, start, word.end);
        return;
    }
    if (words->count == DLP_WORDS_MAX || words->len + len + 2 > DLP_WORDS_SIZE)
        dlp_view_words_end(view);
    if (words->count == 0)
        words->text[words->len++] = '\n';
    words->all[words->count++] =
        (struct dlp_word){.start = start, .at = (uint32_t)words->len, .len = (uint32_t)len};
    memcpy(words->text + words->len, view->text.ptr + start, len);
    words->len += len;
    words->text[words->len++] = '\n';
}
