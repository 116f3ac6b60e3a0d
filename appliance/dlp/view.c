/* SPDX-License-Identifier: GPL-3.0-or-later */
/* view: see view.h. What the parts have in common: places, decoding, runs. */
#include "dlp/view.h"

#include <string.h>

#include "dlp/probe.h"

void dlp_view_hit(const struct dlp_view *view, uint32_t rule, unsigned detector, size_t start, size_t end,
                  size_t words)
{
    struct dlp_hits *hits = view->hits;
    size_t begin = start - words;

    for (; view->up != NULL; view = view->up) {
        size_t at = (size_t)(view->from.ptr - view->up->text.ptr);
        begin = at + dlp_decode_start(view->code, view->phase, view->from, begin);
        start = at + dlp_decode_start(view->code, view->phase, view->from, start);
        end = at + dlp_decode_end(view->code, view->phase, view->from, end);
    }
    for (size_t i = 0; i < hits->count; i++) {
        struct dlp_hit *hit = &hits->hits[i];
        if (hit->rule == rule && begin <= hit->end && hit->begin <= end) {
            hit->begin = begin < hit->begin ? begin : hit->begin;
            hit->start = start < hit->start ? start : hit->start;
            hit->end = end > hit->end ? end : hit->end;
            return;
        }
    }
    if (hits->count == DLP_HITS_MAX) {
        hits->flood = true;
        return;
    }
    hits->hits[hits->count++] =
        (struct dlp_hit){.rule = rule, .detector = detector, .start = start, .end = end, .begin = begin};
}

/* Whether a dozen characters of text follow each other, NULs between them or not. */
static bool promising(struct str text)
{
    size_t run = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool legible = (c >= ' ' && c < 0x7f) | (c >= '\t' && c <= '\r');
        run = legible ? run + 1 : c == 0 ? run : 0;
        if (run >= DLP_FRAGMENT)
            return true;
    }
    return run > 0 && run == text.len;
}

/* Whether a byte is written with a percent sign. */
static bool has_percent(struct str text)
{
    const char *end = text.ptr + text.len;

    for (const char *at = text.ptr; (at = memchr(at, '%', (size_t)(end - at))) != NULL; at++)
        if (end - at > 2 && dlp_hex_digit(at[1]) >= 0 && dlp_hex_digit(at[2]) >= 0)
            return true;
    return false;
}

/* Whether four letters of UTF-16 or UTF-32 follow each other somewhere. */
static bool wide(struct str text)
{
    const char *c = text.ptr;

    for (size_t i = 0; i + 8 <= text.len; i++) {
        bool two = !c[i] && c[i + 1] && !c[i + 2] && c[i + 3] && !c[i + 4] && c[i + 5] && !c[i + 6];
        bool four =
            c[i] && !c[i + 1] && !c[i + 2] && !c[i + 3] && c[i + 4] && !c[i + 5] && !c[i + 6] && !c[i + 7];
        if (two || four)
            return true;
    }
    return false;
}

static void look_plain(const struct dlp_view *view)
{
    struct dlp_known_find find = {.end = 0};

    if (view->detectors & DLP_TOKENS) {
        dlp_view_match(view, DLP_BASE_TEXT, 0, view->text.len);
        dlp_view_match(view, DLP_BASE_REST, 0, view->text.len);
    }
    if (view->detectors & DLP_KNOWN)
        while (dlp_known_next(&view->engine->rules->known, DLP_AS_IS, view->text, find.end, &find))
            dlp_view_hit(view, dlp_rule_known(find.value), DLP_KNOWN, find.start, find.end, 0);
    if (view->detectors & DLP_KNOWN && dlp_known_has(&view->engine->rules->known, DLP_LETTERS) &&
        dlp_has_alikes(view->text, true))
        dlp_view_letters(view, view->text); /* letters that only look like others */
    if (dlp_probes_wanted(view)) {
        struct dlp_probes probes;
        dlp_probes_begin(&probes, view, 0);
        dlp_probes_bytes(&probes, 0, view->text.len);
        dlp_probes_end(&probes);
    }
    if (memchr(view->text.ptr, 0, view->text.len) != NULL && wide(view->text))
        dlp_view_into(view, DLP_NULS, 0, view->text, DLP_THOROUGH);
    if (memchr(view->text.ptr, '\\', view->text.len) != NULL)
        dlp_view_into(view, DLP_JSON, 0, view->text, DLP_PLAIN);
    if (has_percent(view->text))
        dlp_view_into(view, DLP_PERCENT, 0, view->text, DLP_PLAIN);
}

void dlp_view_into(const struct dlp_view *view, enum dlp_code code, unsigned phase, struct str from,
                   enum dlp_effort effort)
{
    if (view->depth == DLP_DEPTH || from.len == 0)
        return;
    char *room = view->engine->texts[view->depth];
    struct str text = {room, dlp_decode(code, phase, from, room)};

    if (text.len == 0 || (effort == DLP_PROMISING && !promising(text)))
        return;
    struct dlp_view into = *view;
    into.text = text;
    into.since = into.open = 0;
    into.more = false;
    into.probes = NULL;
    into.up = view;
    into.from = from;
    into.code = code;
    into.phase = phase;
    into.depth++;
    if (effort == DLP_PLAIN)
        look_plain(&into);
    else
        dlp_view_look(&into);
}

void dlp_view_letters(const struct dlp_view *view, struct str from)
{
    const struct dlp_known_set *known = &view->engine->rules->known;
    struct dlp_view letters = *view;
    struct dlp_known_find find = {.end = 0};

    letters.text = (struct str){view->engine->letters, dlp_decode(DLP_ALNUM, 0, from, view->engine->letters)};
    letters.up = view;
    letters.from = from;
    letters.code = DLP_ALNUM;
    letters.phase = 0;
    while (dlp_known_next(known, DLP_LETTERS, letters.text, find.end, &find))
        dlp_view_hit(&letters, dlp_rule_known(find.value), DLP_KNOWN, find.start, find.end, 0);
}

size_t dlp_run_blocks(struct dlp_run *run, uint64_t mask, size_t base, struct dlp_span ended[5])
{
    size_t count = 0;

    if (!run->open && mask & 1) {
        run->open = true;
        run->start = base - (unsigned)(run->before == UINT64_MAX ? 0 : __builtin_clzll(~run->before));
    }
    run->before = 0;
    if (mask == UINT64_MAX)
        return 0;
    if (run->open) {
        unsigned lead = (unsigned)__builtin_ctzll(~mask);
        if (base + lead - run->start >= DLP_RUN_MIN)
            ended[count++] = (struct dlp_span){run->start, base + lead};
        run->open = false;
        mask &= UINT64_MAX << lead; /* lead < 64: some bit is clear */
    }
    unsigned trail = (unsigned)__builtin_clzll(~mask);
    if (trail > 0) {
        run->open = true;
        run->start = base + 64 - trail;
        mask &= UINT64_MAX >> trail;
    }
    uint64_t begins = mask & mask >> 1;
    begins &= begins >> 2;
    begins &= begins >> 4;
    begins &= begins >> 7;
    while (begins != 0) {
        unsigned first = (unsigned)__builtin_ctzll(begins), len = (unsigned)__builtin_ctzll(~(mask >> first));
        ended[count++] = (struct dlp_span){base + first, base + first + len};
        begins &= first + len < 64 ? UINT64_MAX << (first + len) : 0;
    }
    return count;
}

size_t dlp_run_last(struct dlp_run *run, size_t end, struct dlp_span ended[5])
{
    bool told = run->open && end - run->start >= DLP_RUN_MIN;

    run->open = false;
    if (told)
        ended[0] = (struct dlp_span){run->start, end};
    return told;
}
