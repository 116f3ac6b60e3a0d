/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * look: see look.h. One sweep over sketches of the text (sketch.h) says where something can be at all: words that are long
 * enough to be a token or to hold another text, digits that can be ASCII in base64, anchors, escapes, percent signs, NULs, letters
 * that are not ASCII, letters that stand apart. Only there is more done. Known secrets have a search of their own, which is quick
 * because it looks at few bytes.
 */
#include "dlp/look.h"

#include <string.h>

#include "dlp/anchors.h"
#include "dlp/entropy.h"
#include "dlp/sketch.h"
#include "dlp/view.h"

#define BATCH       4    /* chunks */
#define NEAR        192  /* bytes between words that are looked at together: fewer calls */
#define SHORT_TEXT  2048 /* bytes of a text whose letters are searched as a whole */
#define FOLDED_MIN  32   /* bytes of a word that may go on behind the end of its line */
#define FOLD_MAX    8    /* bytes between it and the next line's */
#define WRITTEN_MIN 16   /* bytes of a word with an escape in it that is looked into for everything */
#define KEPT        2048 /* bytes at the end that are looked at again in any case */
#define ALIKE_SIDE                                                                                           \
    64 /* bytes around letters that look like others: a piece of a secret has some of them in it */
#define ALIKE_MIN 6 /* letters that stand apart and are less than any piece of a secret */
#define QUOTE_SIDE                                                                                           \
    384 /* bytes around an escape: what a token of several words has between two of them, twice */
#define UTF16_SIDE 4 /* bytes of the widest letter of what has NULs in it */

#define CORE_LANES ((DLP_CORE_MIN - 3) / DLP_LANE)
#define WORD_LANES ((DLP_WORD_MIN - 3) / DLP_LANE)
#define ODD_LANES  ((DLP_ENTROPY_MIN - 3) / DLP_LANE) /* of a word that may be random */

/* Pieces of the text that grow until the next one is too far away. */
struct region {
    bool open;
    size_t start, end;
};

/* What is written with escapes or percent signs: the words around them, which are looked into for everything, and all that is
 * near them, which is searched for known secrets and for tokens of several words. */
struct written {
    struct region words, all;
    bool worth; /* something is in it that can hide, or be hidden */
};

struct sweep {
    const struct dlp_view *view;
    size_t margin, seen, origin;
    bool letters; /* known secrets are looked for among letters that stand apart, or look like others */
    struct {
        uint64_t core, word, ascii[4];
    } before;                    /* of the last chunk */
    size_t word_start, word_end; /* the last long word */
    size_t done[4];              /* base64 that was looked into, for each phase */
    struct dlp_run apart;
    size_t anchor;        /* behind the last one; 0: none yet */
    struct region text;   /* around anchors */
    struct region digits; /* words that may hold digits of base32 and hexadecimal, and are near each other */
    struct region lines;  /* lines of digits that follow each other */
    struct written percent, escape;
    struct region nuls, high;
};

static struct str slice(const struct sweep *sweep, size_t start, size_t end, size_t margin)
{
    struct str text = sweep->view->text;
    size_t from = start > margin ? start - margin : 0,
           to = end < text.len - margin && margin < text.len ? end + margin : text.len;

    return (struct str){text.ptr + from, to - from};
}

/* Words. */

static void flush_digits(struct sweep *sweep)
{
    if (sweep->digits.open)
        dlp_view_digits(sweep->view, sweep->digits.start, sweep->digits.end);
    sweep->digits.open = false;
}

static void flush_lines(struct sweep *sweep)
{
    if (sweep->lines.open)
        dlp_view_lines(sweep->view, sweep->lines.start, sweep->lines.end);
    sweep->lines.open = false;
}

/* Whether a word is one line of several: only what ends a line stands between them. */
static bool folds(struct str text, size_t from, size_t to)
{
    bool line = false;

    for (size_t i = from; i < to; i++) {
        if (text.ptr[i] == '\\' && i + 1 < to && (text.ptr[i + 1] == 'n' || text.ptr[i + 1] == 'r'))
            i++;
        else if (text.ptr[i] == ' ' || text.ptr[i] == '\t')
            continue;
        else if (text.ptr[i] != '\r' && text.ptr[i] != '\n')
            return false;
        line = true;
    }
    return line;
}

/* Whether a word ends like a line of base64 that goes on: with FOLDED_MIN digits of it. */
static bool is_line(struct str text, struct dlp_span word)
{
    if (word.end - word.start < FOLDED_MIN)
        return false;
    for (size_t i = word.end - FOLDED_MIN; i < word.end; i++)
        if (!dlp_is_core(text.ptr[i]) && text.ptr[i] != '+' && text.ptr[i] != '/')
            return false;
    return true;
}

/* Where the word of the next line ends, which may be the last and short; `from` when there is none. */
static size_t next_line(struct str text, size_t from)
{
    size_t at = from;

    while (at < text.len && at - from < FOLD_MAX && !dlp_is_word(text.ptr[at]))
        at +=
            text.ptr[at] == '\\' && at + 1 < text.len && (text.ptr[at + 1] == 'n' || text.ptr[at + 1] == 'r')
                ? 2
                : 1;
    if (at > text.len || !folds(text, from, at))
        return from;
    while (at < text.len && dlp_is_word(text.ptr[at]))
        at++;
    return at;
}

/* Whether so many bytes of a token's random part stand in a row. */
static bool has_core(struct str word)
{
    size_t run = 0;

    for (size_t i = 0; i < word.len && run < DLP_CORE_MIN; i++)
        run = dlp_tables.kinds[(uint8_t)word.ptr[i]] & DLP_NO_CORE ? 0 : run + 1;
    return run >= DLP_CORE_MIN;
}

static void on_word(struct sweep *sweep, size_t start, size_t end, bool other)
{
    const struct dlp_view *view = sweep->view;
    struct str word = {view->text.ptr + start, end - start};

    if (view->detectors & DLP_ENTROPY && !(view->more && end == view->text.len) && dlp_entropy_suspects(word))
        dlp_view_hit(view, dlp_rule_entropy(), DLP_ENTROPY, start, end, 0);
    if (word.len < DLP_CORE_MIN || (word.len < DLP_WORD_MIN && !has_core(word)))
        return;
    if (view->detectors & DLP_TOKENS && end > sweep->seen)
        dlp_view_word(view, start > sweep->seen ? start : sweep->seen, end, other);
    if (sweep->digits.open && start <= sweep->digits.end + NEAR) {
        sweep->digits.end = end;
    } else {
        flush_digits(sweep);
        sweep->digits = (struct region){true, start, end};
    }
    size_t last = is_line(view->text, (struct dlp_span){start, end}) ? next_line(view->text, end) : end;
    if (last > end && (!sweep->lines.open || start > sweep->lines.end)) {
        flush_lines(sweep);
        sweep->lines = (struct region){true, start, last};
    } else if (last > end) {
        sweep->lines.end = last;
    }
}

static void words(struct sweep *sweep, uint64_t lanes, size_t base)
{
    struct str text = sweep->view->text;

    while (lanes != 0) {
        size_t at = base + DLP_LANE * (size_t)__builtin_ctzll(lanes), start = at;
        bool other = false;
        if (at < sweep->word_end) {
            size_t gone = (sweep->word_end - base + DLP_LANE - 1) / DLP_LANE;
            lanes &= gone < 64 ? UINT64_MAX << gone : 0;
            continue;
        }
        while (start > sweep->word_end && !(dlp_tables.kinds[(uint8_t)text.ptr[start - 1]] & DLP_NO_WORD))
            start--;
        size_t end = dlp_word_end(text.ptr, text.len, start, &other);
        sweep->word_start = start;
        sweep->word_end = end;
        on_word(sweep, start, end, other);
    }
}

/* Lanes at which `count` of them in a row end. */
static inline uint64_t rows(uint64_t now, uint64_t before, unsigned count)
{
    unsigned __int128 all = (unsigned __int128)now << 64 | before;

    for (unsigned have = 1, more; have < count; have += more) {
        more = have <= count - have ? have : count - have;
        all &= all << more;
    }
    return (uint64_t)(all >> 64);
}

static void base64(struct sweep *sweep, const struct dlp_sketch *sketch, size_t base)
{
    for (unsigned phase = 0; phase < 4; phase++) {
        uint64_t lanes = rows(sketch->ascii[phase], sweep->before.ascii[phase], 3);
        for (; lanes != 0; lanes &= lanes - 1)
            dlp_view_base64(sweep->view, sweep->origin, phase,
                            base + DLP_LANE * (size_t)__builtin_ctzll(lanes), &sweep->done[phase]);
    }
}

/* Regions. */

static void flush_text(struct sweep *sweep)
{
    const struct region *text = &sweep->text;
    size_t start = text->start > sweep->seen ? text->start : sweep->seen,
           end = text->end < sweep->view->text.len ? text->end : sweep->view->text.len;

    if (text->open && end > start)
        dlp_view_match(sweep->view, DLP_BASE_TEXT, start, end);
    sweep->text.open = false;
}

static void anchors(struct sweep *sweep, uint64_t mask, size_t base)
{
    for (size_t before, behind; mask != 0; mask &= mask - 1) {
        size_t at = base + (size_t)__builtin_ctzll(mask);
        if (at >= sweep->view->text.len || !dlp_anchor(sweep->view->text, at, &before, &behind))
            continue;
        size_t start = at > before ? at - before : 0, end = at + behind;
        if (!sweep->text.open || start > sweep->text.end) {
            flush_text(sweep);
            sweep->text = (struct region){true, start, end};
        }
        sweep->text.end = end > sweep->text.end ? end : sweep->text.end;
        sweep->anchor = at + 1;
        sweep->escape.worth =
            sweep->escape.worth || (sweep->escape.all.open && at <= sweep->escape.all.end + QUOTE_SIDE);
    }
}

static void flush_region(struct sweep *sweep, struct region *region, enum dlp_code code, size_t side,
                         enum dlp_effort effort)
{
    if (!region->open)
        return;
    region->open = false;
    struct str from = slice(sweep, region->start, region->end, side);
    if (code == DLP_ALNUM)
        dlp_view_letters(sweep->view, from);
    else
        dlp_view_into(sweep->view, code, 0, from, effort);
}

/* Returns whether it is another region than before. */
static bool grow(struct sweep *sweep, struct region *region, enum dlp_code code, size_t start, size_t end,
                 size_t side, enum dlp_effort effort)
{
    bool other = !region->open || start > region->end + 2 * side;

    if (other) {
        flush_region(sweep, region, code, side, effort);
        *region = (struct region){.open = true, .start = start};
    }
    region->end = end > region->end ? end : region->end;
    return other;
}

static size_t side_of(const struct sweep *sweep, enum dlp_code code)
{
    return code == DLP_PERCENT ? sweep->margin : QUOTE_SIDE;
}

/* Of escapes that stand for quotation marks and backslashes alone only what is near an anchor can be anything. */
static void flush_written(struct sweep *sweep, struct written *written, enum dlp_code code)
{
    if (!written->worth)
        written->all.open = false;
    written->worth = false;
    flush_region(sweep, &written->all, code, side_of(sweep, code), DLP_PLAIN);
}

static bool of_a_word(char c)
{
    return dlp_is_word(c) || c == '\\' || c == '%';
}

/* Whether an escape stands in something that can be read: what is found is text, and longer than this. */
static bool legible(struct str text, size_t start, size_t end)
{
    size_t count = 0;

    for (size_t i = start; i > 0 && start - i < 4 && text.ptr[i - 1] > ' ' - 1 && text.ptr[i - 1] < 0x7f; i--)
        count++;
    for (size_t i = end; i < text.len && i - end < 4 && text.ptr[i] > ' ' - 1 && text.ptr[i] < 0x7f; i++)
        count++;
    return count >= 4;
}

static void grow_written(struct sweep *sweep, struct written *written, enum dlp_code code, size_t at,
                         size_t len, bool in_word)
{
    struct str text = sweep->view->text;
    size_t start = at, end = at + len, side = side_of(sweep, code);

    if (!legible(text, start, end))
        return;
    if (written->all.open && start > written->all.end + 2 * side)
        flush_written(sweep, written, code);
    grow(sweep, &written->all, code, start, end, side, DLP_PLAIN);
    written->worth = written->worth || in_word || sweep->view->engine->rules->quotes ||
                     (sweep->anchor > 0 && sweep->anchor + side > start);
    if (!in_word || (written->words.open && end <= written->words.end))
        return;
    while (start > 0 && at - start < DLP_MATCH_MAX && of_a_word(text.ptr[start - 1]))
        start--;
    while (end < text.len && of_a_word(text.ptr[end]))
        end++;
    if (end - start >= WRITTEN_MIN)
        grow(sweep, &written->words, code, start, end < text.len ? end + 1 : end, 1, DLP_THOROUGH);
}

static int hex(struct str text, size_t at)
{
    return at < text.len ? dlp_hex_digit(text.ptr[at]) : -1;
}

static void percents(struct sweep *sweep, uint64_t mask, size_t base)
{
    for (; mask != 0; mask &= mask - 1) {
        size_t at = base + (size_t)__builtin_ctzll(mask);
        if (hex(sweep->view->text, at + 1) >= 0 && hex(sweep->view->text, at + 2) >= 0)
            grow_written(sweep, &sweep->percent, DLP_PERCENT, at, 3, true);
    }
}

/* \u0041, and what stands for a letter or shows nothing: U+02xx to U+04xx, U+1Dxx, U+20xx to U+24xx, U+FFxx, surrogates. */
static bool matters(struct str text, size_t at)
{
    int one = hex(text, at), two = hex(text, at + 1), three = hex(text, at + 2), four = hex(text, at + 3);

    if (one < 0 || two < 0 || three < 0 || four < 0)
        return false;
    int page = one << 4 | two;
    return page == 0 ? three < 8 || three == 0xa
                     : page <= 5 || page == 0x1d || (page >= 0x20 && page <= 0x24) || page >= 0xd8;
}

static void escapes(struct sweep *sweep, uint64_t mask, size_t base)
{
    struct str text = sweep->view->text;

    for (; mask != 0; mask &= mask - 1) {
        size_t at = base + (size_t)__builtin_ctzll(mask);
        char c = at + 1 < text.len ? text.ptr[at + 1] : 0;
        if (c == '/' || (c == 'u' && matters(text, at + 2)) ||
            (c == 'x' && hex(text, at + 2) >= 0 && hex(text, at + 3) >= 0))
            grow_written(sweep, &sweep->escape, DLP_JSON, at, c == '/' ? 2 : c == 'u' ? 6 : 4, true);
        else if (c == '"' || c == '\\')
            grow_written(sweep, &sweep->escape, DLP_JSON, at, 2, false);
    }
}

/* Four letters of UTF-16 or UTF-32 in a row. */
static void nuls(struct sweep *sweep, uint64_t nul, size_t base)
{
    uint64_t two = nul & ~(nul >> 1), four = ~nul & nul >> 1 & nul >> 2 & nul >> 3;

    if ((two & two >> 2 & two >> 4 & two >> 6) != 0 || (four & four >> 4 & four >> 8 & four >> 12) != 0)
        grow(sweep, &sweep->nuls, DLP_NULS, base, base + DLP_BLOCK, UTF16_SIDE * sweep->margin, DLP_THOROUGH);
}

/* Characters that look like a letter, or that nobody sees: see decode.c. Blocks that are not UTF-8 are left alone: most by a
 * byte that begins a character and is followed by none that goes on. */
static void highs(struct sweep *sweep, const struct dlp_bytes *bytes, size_t base)
{
    struct str text = sweep->view->text;
    size_t end = base + DLP_BLOCK < text.len ? base + DLP_BLOCK : text.len;

    if ((bytes->lead << 1 & ~(bytes->high & ~bytes->lead)) != 0)
        return;
    if (dlp_has_alikes((struct str){text.ptr + base, end - base}, end == text.len))
        grow(sweep, &sweep->high, DLP_ALNUM, base, end, ALIKE_SIDE, DLP_PLAIN);
}

static void letters_apart(struct sweep *sweep, struct dlp_span span)
{
    struct str from = slice(sweep, span.start, span.end, 0);
    size_t count = 0;

    for (size_t i = 0; i < from.len && count < ALIKE_MIN; i++)
        count += !(dlp_tables.kinds[(uint8_t)from.ptr[i]] & DLP_NO_ALNUM);
    if (count == ALIKE_MIN)
        dlp_view_letters(sweep->view, from);
}

/* Stretches of ASCII in which no three letters or digits follow each other. */
static void apart(struct sweep *sweep, const struct dlp_bytes *bytes, size_t base)
{
    uint64_t three = bytes->alnum & bytes->alnum >> 1 & bytes->alnum >> 2;
    struct dlp_span ended[5];
    size_t count = dlp_run_next(&sweep->apart, bytes->plain & ~three, base, ended);

    for (size_t i = 0; i < count; i++)
        letters_apart(sweep, ended[i]);
}

static void chunk(struct sweep *sweep, const struct dlp_sketch *sketch, size_t base)
{
    uint64_t lanes =
        rows(sketch->core, sweep->before.core, CORE_LANES) |
        (sweep->view->detectors & DLP_ENTROPY ? rows(sketch->word, sweep->before.word, ODD_LANES)
                                              : rows(sketch->word, sweep->before.word, WORD_LANES));

    if (lanes != 0)
        words(sweep, lanes, base);
    if (sweep->view->depth < DLP_DEPTH)
        base64(sweep, sketch, base);
    for (size_t i = 0; i < DLP_CHUNK / DLP_BLOCK; i++, base += DLP_BLOCK) {
        const struct dlp_bytes *bytes = &sketch->blocks[i];
        if (bytes->anchor != 0 && sweep->view->detectors & DLP_TOKENS)
            anchors(sweep, bytes->anchor, base);
        uint64_t percent =
            bytes->percent & (bytes->alnum >> 1 | 1ull << 63) & (bytes->alnum >> 2 | 3ull << 62);
        if (percent != 0)
            percents(sweep, percent, base);
        if (bytes->escape != 0)
            escapes(sweep, bytes->escape, base);
        if (bytes->nul != 0)
            nuls(sweep, bytes->nul, base);
        if (sweep->letters) {
            if (bytes->high != 0)
                highs(sweep, bytes, base);
            apart(sweep, bytes, base);
        }
    }
}

/* What is open at the end of the text, and begins before `kept`. */
static size_t open_from(const struct region *region, size_t side, size_t kept)
{
    if (!region->open || region->end + 2 * side < kept || region->start >= kept + side)
        return kept;
    return region->start > side ? region->start - side : 0;
}

/* Where begins all that may go on behind the end. */
static size_t open_at_end(const struct sweep *sweep)
{
    struct str text = sweep->view->text;
    size_t kept = text.len > KEPT ? text.len - KEPT : 0,
           first = text.len > DLP_HOLD ? text.len - DLP_HOLD : 0;

    if (sweep->word_end >= kept && sweep->word_start < kept)
        kept = sweep->word_start;
    while (kept > first && text.len - kept < 2 * KEPT && dlp_is_word(text.ptr[kept - 1]))
        kept--;
    kept = open_from(&sweep->lines, FOLD_MAX, kept);
    kept = open_from(&sweep->percent.words, 1, kept);
    kept = open_from(&sweep->percent.all, sweep->margin, kept);
    kept = open_from(&sweep->escape.words, 1, kept);
    kept = open_from(&sweep->escape.all, QUOTE_SIDE, kept);
    kept = open_from(&sweep->nuls, UTF16_SIDE * sweep->margin, kept);
    kept = open_from(&sweep->high, ALIKE_SIDE, kept);
    if (sweep->apart.open && sweep->apart.start < kept)
        kept = sweep->apart.start;
    return kept > first ? kept : first;
}

static void finish(struct sweep *sweep)
{
    struct dlp_span ended[5];
    size_t len = sweep->view->text.len;

    if (sweep->view->detectors & DLP_TOKENS)
        dlp_view_words_end(sweep->view);
    flush_text(sweep);
    flush_digits(sweep);
    flush_lines(sweep);
    flush_region(sweep, &sweep->percent.words, DLP_PERCENT, 1, DLP_THOROUGH);
    flush_written(sweep, &sweep->percent, DLP_PERCENT);
    flush_region(sweep, &sweep->escape.words, DLP_JSON, 1, DLP_THOROUGH);
    flush_written(sweep, &sweep->escape, DLP_JSON);
    flush_region(sweep, &sweep->nuls, DLP_NULS, UTF16_SIDE * sweep->margin, DLP_THOROUGH);
    if (!sweep->letters)
        return;
    flush_region(sweep, &sweep->high, DLP_ALNUM, ALIKE_SIDE, DLP_PLAIN);
    if (dlp_run_last(&sweep->apart, len, ended) > 0)
        letters_apart(sweep, ended[0]);
}

/* Returns where begins what may go on. */
static size_t sweep_all(struct sweep *sweep)
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
        for (size_t i = 0; i < chunks; i++, at += DLP_CHUNK) {
            chunk(sweep, &sketches[i], at);
            sweep->before.core = sketches[i].core;
            sweep->before.word = sketches[i].word;
            memcpy(sweep->before.ascii, sketches[i].ascii, sizeof sweep->before.ascii);
        }
    }
    size_t open = open_at_end(sweep);
    finish(sweep);
    return open;
}

static void known(const struct dlp_view *view)
{
    struct dlp_known_find find = {.end = view->since > DLP_BLOCK ? view->since - DLP_BLOCK : 0};

    while (dlp_known_next(&view->engine->rules->known, DLP_AS_IS, view->text, find.end, &find))
        dlp_view_hit(view, dlp_rule_known(find.value), DLP_KNOWN, find.start, find.end, 0);
}

size_t dlp_view_look(const struct dlp_view *view)
{
    size_t len = view->text.len, margin = view->engine->rules->layout->overlap;
    struct sweep sweep = {.view = view,
                          .margin = margin,
                          .seen = view->since > margin ? view->since - margin : 0,
                          .origin = view->open < view->since ? view->open : view->since};

    if (view->detectors & DLP_TOKENS)
        dlp_view_match(view, DLP_BASE_REST, sweep.seen, len);
    if (view->detectors & DLP_KNOWN) {
        bool letters = dlp_known_has(&view->engine->rules->known, DLP_LETTERS);
        known(view);
        if (letters && len <= SHORT_TEXT)
            dlp_view_letters(view, view->text);
        sweep.letters = letters && len > SHORT_TEXT;
    }
    return sweep_all(&sweep);
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
