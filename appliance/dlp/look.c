/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * look: see look.h. One sweep over sketches of the text (sketch.h) says where something can be at all: words that are long
 * enough to be a token or to hold another text, digits that can be ASCII in base64, anchors, escapes, percent signs, NULs, letters
 * that are not ASCII, letters that stand apart. Only there is more done. Known secrets have a search of their own, which is quick
 * because it looks at few bytes.
 */
#include "dlp/look.h"

#include <assert.h>
#include <string.h>

#include "dlp/entropy.h"
#include "dlp/sweep.h"

#define BATCH      8    /* chunks */
#define SHORT_TEXT 2048 /* bytes of a text whose letters are searched as a whole */
#define KEPT       2048 /* bytes at the end that are looked at again in any case */
#define BLOCKS     (DLP_CHUNK / DLP_BLOCK)

/* A run of n bytes holds (n - 3) / 4 lanes. */
static_assert((DLP_CORE_MIN - 3) / DLP_LANE == 4 && (DLP_ENTROPY_MIN - 3) / DLP_LANE == 4 &&
                  (DLP_WORD_MIN - 3) / DLP_LANE == 7,
              "rows_4 and rows_7 tell of words");

/* Lanes at which so many of them in a row end. `before`: those of the chunk before. */
static inline uint64_t behind(uint64_t now, uint64_t before, unsigned count)
{
    return now << count | before >> (64 - count);
}

static inline uint64_t rows_3(uint64_t now, uint64_t before)
{
    return now & behind(now, before, 1) & behind(now, before, 2);
}

static inline uint64_t rows_4(uint64_t now, uint64_t before)
{
    uint64_t two = now & behind(now, before, 1);

    return two & behind(two, before & before << 1, 2);
}

static inline uint64_t rows_7(uint64_t now, uint64_t before)
{
    uint64_t two = now & behind(now, before, 1), two_before = before & before << 1;
    uint64_t four = two & behind(two, two_before, 2), four_before = two_before & two_before << 2;

    return four & behind(four, four_before, 3);
}

static void base64(struct dlp_sweep *sweep, const struct dlp_sketch *sketch, size_t base)
{
    uint64_t lanes[4], any = 0;

    for (unsigned phase = 0; phase < 4; phase++)
        any |= lanes[phase] = rows_3(sketch->ascii[phase], sweep->before.ascii[phase]);
    if (any == 0)
        return;
    for (unsigned phase = 0; phase < 4; phase++)
        for (; lanes[phase] != 0; lanes[phase] &= lanes[phase] - 1)
            dlp_view_base64(sweep->view, sweep->origin, phase,
                            base + DLP_LANE * (size_t)__builtin_ctzll(lanes[phase]), &sweep->done[phase]);
}

/* Whether this byte can be of a stretch of ASCII in which no three letters or digits follow each other. */
static bool is_apart(struct str text, size_t at)
{
    const uint8_t *c = (const uint8_t *)text.ptr + at, *kinds = dlp_tables.kinds;

    if ((int8_t)*c <= 8)
        return false;
    return kinds[c[0]] & DLP_NO_ALNUM || at + 2 >= text.len || kinds[c[1]] & DLP_NO_ALNUM ||
           kinds[c[2]] & DLP_NO_ALNUM;
}

/* The stretch around this byte. */
static void letters_apart(struct dlp_sweep *sweep, size_t at)
{
    struct str text = sweep->view->text;
    size_t start = at, end = at, count = 0;

    if (at < sweep->apart_end)
        return;
    while (start > sweep->apart_end && is_apart(text, start - 1))
        start--;
    while (end < text.len && is_apart(text, end))
        end++;
    sweep->apart_start = start;
    sweep->apart_end = end;
    for (size_t i = start; i < end && count < sweep->letters; i++)
        count += !(dlp_tables.kinds[(uint8_t)text.ptr[i]] & DLP_NO_ALNUM);
    if (count == sweep->letters)
        dlp_view_letters(sweep->view, (struct str){text.ptr + start, end - start});
}

/* Bits that are set: not every processor that this is built for has an instruction for it. */
static inline size_t bits_in(uint64_t mask)
{
    mask -= mask >> 1 & 0x5555555555555555u;
    mask = (mask & 0x3333333333333333u) + (mask >> 2 & 0x3333333333333333u);
    return (size_t)(((mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

static size_t letters_in(const struct dlp_sketch *sketch, struct dlp_span span)
{
    size_t count = 0;

    for (size_t i = span.start / DLP_BLOCK, at = i * DLP_BLOCK; at < span.end; i++, at += DLP_BLOCK) {
        uint64_t from = span.start > at ? UINT64_MAX << (span.start - at) : UINT64_MAX,
                 to = span.end - at < DLP_BLOCK ? (1ull << (span.end - at)) - 1 : UINT64_MAX;
        count += bits_in(sketch->blocks[i].alnum & from & to);
    }
    return count;
}

#define APART_LETTERS 12 /* of which no three follow each other: 17 bytes at least */

/* Of four bits each: those whose first two are set, and all four, as the lowest of the four. */
static inline uint64_t pairs(uint64_t all)
{
    return all & all >> 1 & 0x1111111111111111u;
}

static inline uint64_t lanes_in(uint64_t all)
{
    return pairs(all) & pairs(all >> 2);
}

/* Of lanes that are the third of such bytes, those where APART_LETTERS of them can have ended: with a fourth lane before, or two
 * bytes on each side. `all`: the bytes, between those of the block before and of the next. */
static inline uint64_t long_enough(uint64_t found, const uint64_t *all)
{
    uint64_t behind_lane = pairs(all[0]) >> DLP_LANE | pairs(all[1]) << (DLP_BLOCK - DLP_LANE);

    return found & (behind(lanes_in(all[0]), lanes_in(all[-1]), 3 * DLP_LANE) |
                    (behind(pairs(all[0] >> 2), pairs(all[-1] >> 2), 3 * DLP_LANE) & behind_lane));
}

/* Stretches of bytes that can be of one, of which three lanes in a row are a part. Most have few letters, which is seen here when
 * they end in this chunk. */
static void apart(struct dlp_sweep *sweep, const struct dlp_sketch *sketch, size_t base)
{
    uint64_t around[BLOCKS + 2], *all = around + 1, found[BLOCKS], any = 0;

    around[0] = sweep->before.apart;
    all[BLOCKS] = UINT64_MAX; /* what follows may be */
    for (size_t i = 0; i < BLOCKS; i++) {
        uint64_t alnum = sketch->blocks[i].alnum, next = i + 1 < BLOCKS ? sketch->blocks[i + 1].alnum : 0;
        all[i] = sketch->blocks[i].plain & ~(alnum & (alnum >> 1 | next << 63) & (alnum >> 2 | next << 62));
    }
    uint64_t before = lanes_in(around[0]);
    for (size_t i = 0; i < BLOCKS; i++) {
        uint64_t lanes = lanes_in(all[i]);
        any |= found[i] = lanes & behind(lanes, before, DLP_LANE) & behind(lanes, before, 2 * DLP_LANE);
        before = lanes;
    }
    sweep->before.apart = all[BLOCKS - 1];
    if (any == 0)
        return;
    for (size_t i = 0, end = 0; i < BLOCKS; i++) {
        if (sweep->letters >= APART_LETTERS)
            found[i] = long_enough(found[i], all + i);
        for (; found[i] != 0; found[i] &= found[i] - 1) {
            size_t at = i * DLP_BLOCK + (size_t)__builtin_ctzll(found[i]);
            if (at < end)
                continue;
            struct dlp_span span = dlp_stretch_of(all, at);
            end = span.end;
            /* Two letters at the end of a chunk may be three with the next. */
            if (span.start == 0 || end > DLP_CHUNK - 2 || letters_in(sketch, span) >= sweep->letters)
                letters_apart(sweep, base + at);
        }
    }
}

/* Known secrets are looked for where enough bytes in a row are visible: a piece of n holds (n - 3) / 4 lanes. */
static void known_near(struct dlp_sweep *sweep, const struct dlp_sketch *sketches, size_t chunks, size_t base)
{
    const struct dlp_view *view = sweep->view;
    const struct dlp_known_set *known = &view->engine->rules->known;
    struct dlp_known_find find;
    size_t first = chunks, last = 0;

    for (size_t i = 0; i < chunks; i++) {
        uint64_t visible = sketches[i].visible;
        if (sweep->piece >= 11)
            visible &= behind(visible, sweep->visible, 1);
        sweep->visible = sketches[i].visible;
        if (visible == 0)
            continue;
        first = first < i ? first : i;
        last = i + 1;
    }
    if (last == 0)
        return;
    size_t from = base + first * DLP_CHUNK, to = base + last * DLP_CHUNK + sweep->piece;
    if (from > sweep->known + sweep->piece)
        sweep->known = from - sweep->piece;
    while (dlp_known_scan(known, DLP_AS_IS, view->text, &sweep->known, to, &find))
        dlp_view_hit(view, dlp_rule_known(find.value), DLP_KNOWN, find.start, find.end, 0);
}

/* Four letters of UTF-16 or UTF-32 in a row, which are ASCII's. */
static inline bool is_wide(uint64_t nul, uint64_t plain)
{
    uint64_t two = nul & plain >> 1, four = plain & nul >> 1 & nul >> 2 & nul >> 3;

    return (two & two >> 2 & two >> 4 & nul >> 6) != 0 || (four & four >> 4 & four >> 8 & four >> 12) != 0;
}

/* What most text has little of. */
static inline void marks(struct dlp_sweep *sweep, const struct dlp_bytes *is, size_t base)
{
    if (is->anchor != 0 && sweep->view->detectors & DLP_TOKENS)
        dlp_sweep_anchors(sweep, is->anchor, base);
    uint64_t percent = is->percent & (is->alnum >> 1 | 1ull << 63) & (is->alnum >> 2 | 3ull << 62);
    if (percent != 0)
        dlp_sweep_percents(sweep, percent, base);
    if (is->escape != 0)
        dlp_sweep_escapes(sweep, is->escape, base);
    if (is->nul != 0 && is_wide(is->nul, is->plain))
        dlp_sweep_nuls(sweep, base);
    /* Blocks that are not UTF-8 are left alone: most by a byte that begins a character and is followed by none that goes on. */
    if (is->high != 0 && sweep->letters > 0 && (is->lead << 1 & ~(is->high & ~is->lead)) == 0)
        dlp_sweep_highs(sweep, base);
}

static void chunk(struct dlp_sweep *sweep, const char *bytes, const struct dlp_sketch *sketch, size_t base)
{
    uint64_t lanes = rows_4(sketch->core, sweep->before.core), any = 0;

    lanes |= sweep->view->detectors & DLP_ENTROPY ? rows_4(sketch->word, sweep->before.word)
                                                  : rows_7(sketch->word, sweep->before.word);
    if (lanes != 0)
        dlp_sweep_words(sweep, bytes, lanes, base);
    if (sweep->view->depth < DLP_DEPTH)
        base64(sweep, sketch, base);
    for (size_t i = 0; i < BLOCKS; i++) {
        const struct dlp_bytes *is = &sketch->blocks[i];
        size_t at = base + i * DLP_BLOCK;
        any |= is->anchor | is->percent | is->escape | is->nul | is->high;
        if (sweep->view->probes != NULL && (is->high != 0 || sweep->view->engine->rules->prints.part->plain))
            dlp_probes_bytes(sweep->view->probes, at, at + DLP_BLOCK);
    }
    for (size_t i = 0; any != 0 && i < BLOCKS; i++)
        marks(sweep, &sketch->blocks[i], base + i * DLP_BLOCK);
    if (sweep->letters > 0)
        apart(sweep, sketch, base);
}

/* What is open at the end of the text, and begins before `kept`. */
static size_t open_from(const struct dlp_region *region, size_t side, size_t kept)
{
    if (!region->open || region->end + 2 * side < kept || region->start >= kept + side)
        return kept;
    return region->start > side ? region->start - side : 0;
}

static bool is_word(char c)
{
    return !(dlp_tables.kinds[(uint8_t)c] & DLP_NO_WORD);
}

/* Where begins all that may go on behind the end. */
static size_t open_at_end(const struct dlp_sweep *sweep)
{
    struct str text = sweep->view->text;
    size_t kept = text.len > KEPT ? text.len - KEPT : 0,
           first = text.len > DLP_HOLD ? text.len - DLP_HOLD : 0;

    if (sweep->word_end >= kept && sweep->word_start < kept)
        kept = dlp_sweep_word_open(sweep, kept);
    else
        while (kept > first && text.len - kept < 2 * KEPT && is_word(text.ptr[kept - 1]))
            kept--;
    kept = open_from(&sweep->lines, DLP_FOLD_MAX, kept);
    kept = open_from(&sweep->percent.words, 1, kept);
    kept = open_from(&sweep->percent.all, sweep->margin, kept);
    kept = open_from(&sweep->escape.words, 1, kept);
    kept = open_from(&sweep->escape.all, DLP_QUOTE_SIDE, kept);
    kept = open_from(&sweep->nuls, DLP_UTF16_SIDE * sweep->margin, kept);
    kept = open_from(&sweep->high, DLP_ALIKE_SIDE, kept);
    if (sweep->apart_end >= kept && sweep->apart_start < kept)
        kept = sweep->apart_start;
    return kept > first ? kept : first;
}

/* Returns where begins what may go on. */
static size_t sweep_all(struct dlp_sweep *sweep)
{
    struct str text = sweep->view->text;
    struct dlp_sketch sketches[BATCH];
    char rest[DLP_CHUNK + DLP_CHUNK_BEHIND];

    for (size_t at = sweep->origin; at < text.len;) {
        const char *bytes = text.ptr + at;
        size_t left = text.len - at,
               chunks = left > DLP_CHUNK_BEHIND ? (left - DLP_CHUNK_BEHIND) / DLP_CHUNK : 0;
        if (chunks == 0) {
            size_t some = left < sizeof rest ? left : sizeof rest;
            memset(rest + some, 1, sizeof rest - some); /* of no kind */
            memcpy(rest, bytes, some);
            bytes = rest;
            chunks = 1;
        }
        chunks = chunks < BATCH ? chunks : BATCH;
        dlp_sketch(bytes, chunks, sketches);
        if (sweep->piece > 0)
            known_near(sweep, sketches, chunks, at);
        for (size_t i = 0; i < chunks; i++, at += DLP_CHUNK) {
            chunk(sweep, bytes + i * DLP_CHUNK, &sketches[i], at);
            sweep->before.core = sketches[i].core;
            sweep->before.word = sketches[i].word;
            memcpy(sweep->before.ascii, sketches[i].ascii, sizeof sweep->before.ascii);
        }
    }
    size_t open = open_at_end(sweep);
    if (sweep->view->detectors & DLP_TOKENS)
        dlp_view_words_end(sweep->view);
    dlp_sweep_lines_end(sweep);
    dlp_sweep_regions_end(sweep);
    return open;
}

static void known(const struct dlp_view *view)
{
    struct dlp_known_find find = {.end = view->since > DLP_BLOCK ? view->since - DLP_BLOCK : 0};

    while (dlp_known_next(&view->engine->rules->known, DLP_AS_IS, view->text, find.end, &find))
        dlp_view_hit(view, dlp_rule_known(find.value), DLP_KNOWN, find.start, find.end, 0);
}

static size_t look(const struct dlp_view *view)
{
    size_t len = view->text.len, margin = view->engine->rules->layout->overlap;
    struct dlp_sweep sweep = {.view = view,
                              .margin = margin,
                              .seen = view->since > margin ? view->since - margin : 0,
                              .origin = view->open < view->since ? view->open : view->since};

    sweep.floor = dlp_sweep_floor(view, sweep.origin);
    if (view->detectors & DLP_TOKENS)
        dlp_view_match(view, DLP_BASE_REST, sweep.seen, len);
    if (view->detectors & DLP_KNOWN) {
        size_t letters = dlp_known_least(&view->engine->rules->known, DLP_LETTERS);
        if (view->engine->rules->blanks)
            known(view);
        else
            sweep.piece = dlp_known_least(&view->engine->rules->known, DLP_AS_IS);
        if (letters > 0 && len <= SHORT_TEXT)
            dlp_view_letters(view, view->text);
        sweep.letters = len > SHORT_TEXT ? letters : 0;
    }
    return sweep_all(&sweep);
}

size_t dlp_view_look(const struct dlp_view *view)
{
    struct dlp_view own = *view;
    struct dlp_probes probes;

    own.probes = NULL;
    if (!dlp_probes_wanted(view))
        return look(&own);
    own.probes = &probes;
    dlp_probes_begin(&probes, &own, view->open < view->since ? view->open : view->since);
    size_t open = look(&own);
    dlp_probes_end(&probes);
    return open;
}

size_t dlp_look(struct dlp_engine *engine, unsigned detectors, struct str text, struct dlp_looked looked,
                bool more, struct dlp_hits *hits)
{
    struct dlp_view view = {.engine = engine,
                            .hits = hits,
                            .detectors = detectors,
                            .text = text,
                            .since = looked.since,
                            .open = looked.open,
                            .more = more};

    if (text.len == 0 || (detectors & (DLP_TOKENS | DLP_KNOWN | DLP_ENTROPY)) == 0)
        return 0;
    if (dlp_engine_room(engine, text.len) != 0) {
        hits->failed = true;
        return 0;
    }
    return dlp_view_look(&view);
}
