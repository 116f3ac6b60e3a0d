/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inbound: phrases that address the agent, in what a reader would see of a piece of a response: with and without what HTML
 * makes of it, and with JSON's escapes undone.
 */
#include <string.h>

#include "dlp/decode.h"
#include "dlp/message.h"
#include "dlp/plain.h"
#include "dlp/tokens.h"

#define ENDS_MAX 128

struct ends {
    size_t count;
    struct end {
        unsigned phrase;
        size_t to;
    } all[ENDS_MAX];
};

static int on_phrase(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                     void *context)
{
    struct ends *ends = context;

    if (ends->count == ENDS_MAX)
        return 1;
    ends->all[ends->count++] = (struct end){id, (size_t)to};
    return 0;
}

/* Where the text that is read stands in the message. */
struct source {
    struct str text; /* of the message */
    uint64_t offset;
    struct str unescaped; /* the same without JSON's escapes; empty: it is the text itself */
    bool html;
};

static uint64_t place(const struct source *source, size_t at)
{
    struct str read = source->unescaped.len > 0 ? source->unescaped : source->text;

    at = dlp_plain_start(source->html, read, at);
    if (source->unescaped.len > 0)
        at = at < read.len ? dlp_decode_start(DLP_JSON, 0, source->text, at) : source->text.len;
    return source->offset + at;
}

static size_t begin_of(struct dlp_engine *engine, struct str plain, const struct end *end)
{
    const struct dlp_phrase *phrase = &dlp_phrases[end->phrase];
    const pcre2_code *code = dlp_expression(engine, (uint32_t)(dlp_token_count + end->phrase));
    size_t from = end->to > phrase->max_len ? end->to - phrase->max_len : 0;

    if (code != NULL && pcre2_match(code, (PCRE2_SPTR)plain.ptr, end->to, from, PCRE2_NO_UTF_CHECK,
                                    engine->match, engine->limits) >= 0)
        return pcre2_get_ovector_pointer(engine->match)[0];
    return from;
}

static void read_plain(struct dlp_scan *scan, const struct source *source, bool redactable)
{
    struct dlp_engine *engine = scan->engine;
    struct str read = source->unescaped.len > 0 ? source->unescaped : source->text;
    struct str plain = {engine->plain, dlp_plain(source->html, read, engine->plain)};
    struct ends ends = {.count = 0};
    hs_error_t error = hs_scan(engine->rules->bases[DLP_BASE_PHRASES], plain.ptr, (unsigned)plain.len, 0,
                               engine->scratch, on_phrase, &ends);

    if (error != HS_SUCCESS && error != HS_SCAN_TERMINATED)
        dlp_scan_refuse(scan, DLP_FAILED);
    for (size_t i = 0; i < ends.count; i++) {
        const struct end *end = &ends.all[i];
        uint64_t last = place(source, end->to - 1);
        if (!dlp_phrase_seen(&scan->score, end->phrase, last) || (redactable && last < scan->leave))
            continue; /* not enough, or told before it left */
        uint64_t start = place(source, begin_of(engine, plain, end));
        bool across = redactable && start < scan->leave; /* it began before a pause */
        dlp_scan_note(scan, &(struct dlp_finding){.rule = dlp_rule_phrase(end->phrase),
                                                  .detector = DLP_PHRASES,
                                                  .surface = DLP_BODY,
                                                  .start = across ? scan->leave : start,
                                                  .end = last + 1,
                                                  .redactable = redactable,
                                                  .across = across});
    }
}

void dlp_scan_phrases(struct dlp_scan *scan, struct str text, uint64_t offset, bool redactable)
{
    struct dlp_engine *engine = scan->engine;
    struct source source = {.text = text, .offset = offset};

    if (engine->rules->bases[DLP_BASE_PHRASES] == NULL || text.len == 0)
        return;
    if (dlp_engine_room(engine, text.len) != 0) {
        dlp_scan_refuse(scan, DLP_FAILED);
        return;
    }
    read_plain(scan, &source, redactable);
    if (scan->html && memchr(text.ptr, '<', text.len) != NULL) {
        source.html = true;
        read_plain(scan, &source, redactable);
        source.html = false;
    }
    if (memchr(text.ptr, '\\', text.len) != NULL) {
        source.unescaped = (struct str){engine->texts[0], dlp_decode(DLP_JSON, 0, text, engine->texts[0])};
        read_plain(scan, &source, redactable);
    }
}
