/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * look: see look.h. One sweep over the kinds of bytes (classes.h) says where something can be at all: words that are long
 * enough to be a token or to hold another text, escapes, percent signs, NULs, letters that are not ASCII, letters that stand
 * apart. Only there is more done. What needs no such place (expressions of more than one word, known secrets) has searches of
 * its own, which are quick because they are few or look at few bytes.
 */
#include "dlp/look.h"

#include <string.h>

#include "dlp/classes.h"
#include "dlp/entropy.h"
#include "dlp/view.h"

#define BATCH      16   /* blocks */
#define NEAR       64   /* bytes between words that are shown together: fewer calls */
#define SHORT_TEXT 8192 /* bytes of a text whose letters are searched as a whole */
#define FOLDED_MIN 32   /* bytes of a word that may go on behind the end of its line */
#define FOLD_MAX   8    /* bytes between it and the next line's */
#define ALIKE_SIDE                                                                                           \
    64 /* bytes around letters that look like others: a piece of a secret has some of them in it */
#define UTF16_SIDE 4 /* bytes of the widest letter of what has NULs in it */

/* A piece of the text that grows until the next one is too far away. */
struct region {
    bool open;
    bool strong; /* for escapes: some could be within a token */
    size_t start, end;
};

struct sweep {
    const struct dlp_view *view;
    size_t margin;
    bool letters; /* known secrets are looked for among letters that stand apart, or look like others */
    struct dlp_run words, apart;
    bool other; /* the open word may hold more than standard base64 */
    struct {
        bool open, other, folded;
        size_t start, end;
    } piece; /* words that are near each other */
    struct region percent, escape, nuls, high;
};

static struct str slice(const struct sweep *sweep, size_t start, size_t end, size_t margin)
{
    struct str text = sweep->view->text;
    size_t from = start > margin ? start - margin : 0,
           to = end < text.len - margin && margin < text.len ? end + margin : text.len;

    return (struct str){text.ptr + from, to - from};
}

/* Words. */

static void flush_piece(struct sweep *sweep)
{
    const struct dlp_view *view = sweep->view;
    size_t start = sweep->piece.start, end = sweep->piece.end;

    if (!sweep->piece.open)
        return;
    sweep->piece.open = false;
    size_t seen = view->since > sweep->margin ? view->since - sweep->margin : 0;
    if (end > seen && view->detectors & DLP_TOKENS)
        dlp_view_match(view, sweep->piece.other ? DLP_BASE_WORDS : DLP_BASE_DIGITS,
                       start > seen ? start : seen, end);
    dlp_view_digits(view, start, end, sweep->piece.folded);
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

/* The short last line of what is folded: its words do not count as words by themselves. */
static size_t last_line(struct str text, size_t from)
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

static void on_word(struct sweep *sweep, struct dlp_span word, bool other)
{
    struct str text = sweep->view->text;
    size_t end = word.end;
    bool folded = false;

    if (sweep->view->detectors & DLP_ENTROPY && !(sweep->view->more && word.end == text.len) &&
        dlp_entropy_suspects((struct str){text.ptr + word.start, word.end - word.start}))
        dlp_view_hit(sweep->view, dlp_rule_entropy(), DLP_ENTROPY, word.start, word.end, 0);
    if (word.end - word.start >= FOLDED_MIN) {
        end = last_line(text, word.end);
        folded = end > word.end;
    }
    if (sweep->piece.open && word.start <= sweep->piece.end + NEAR) {
        sweep->piece.end = end > sweep->piece.end ? end : sweep->piece.end;
        sweep->piece.other = sweep->piece.other || other || folded;
        sweep->piece.folded = sweep->piece.folded || folded;
        return;
    }
    flush_piece(sweep);
    sweep->piece.open = true;
    sweep->piece.other = other || folded;
    sweep->piece.folded = folded;
    sweep->piece.start = word.start;
    sweep->piece.end = end;
}

static void words(struct sweep *sweep, const struct dlp_masks *m, size_t base)
{
    struct dlp_span ended[5];

    if (m->word == UINT64_MAX && sweep->words.open) {
        sweep->other = sweep->other || m->other != 0;
        return;
    }
    size_t count = dlp_run_next(&sweep->words, m->word, base, ended);
    for (size_t i = 0; i < count; i++)
        on_word(sweep, ended[i], sweep->other || m->other != 0);
    if (!sweep->words.open || sweep->words.start >= base)
        sweep->other = false;
    sweep->other = sweep->other || m->other != 0;
}

/* Regions. */

static size_t side(const struct sweep *sweep, enum dlp_code code)
{
    return code == DLP_ALNUM ? ALIKE_SIDE : code == DLP_NULS ? UTF16_SIDE * sweep->margin : sweep->margin;
}

static void flush_region(struct sweep *sweep, struct region *region, enum dlp_code code)
{
    if (!region->open)
        return;
    region->open = false;
    struct str from = slice(sweep, region->start, region->end, side(sweep, code));
    if (code == DLP_ALNUM)
        dlp_view_letters(sweep->view, from);
    else
        dlp_view_into(sweep->view, code, 0, from,
                      code != DLP_JSON || region->strong ? DLP_THOROUGH : DLP_PLAIN);
}

static void grow(struct sweep *sweep, struct region *region, enum dlp_code code, size_t start, size_t end,
                 bool strong)
{
    if (region->open && start > region->end + 2 * side(sweep, code))
        flush_region(sweep, region, code);
    if (!region->open)
        *region = (struct region){.open = true, .start = start};
    region->end = end;
    region->strong = region->strong || strong;
}

static bool hex(struct str text, size_t at, size_t count)
{
    if (text.len < at + count)
        return false;
    for (size_t i = at; i < at + count; i++) {
        char c = text.ptr[i], folded = c | 0x20;
        if (!((c >= '0' && c <= '9') || (folded >= 'a' && folded <= 'f')))
            return false;
    }
    return true;
}

static void percents(struct sweep *sweep, uint64_t mask, size_t base)
{
    for (; mask != 0; mask &= mask - 1) {
        size_t at = base + (size_t)__builtin_ctzll(mask);
        if (hex(sweep->view->text, at + 1, 2))
            grow(sweep, &sweep->percent, DLP_PERCENT, at, at + 3, true);
    }
}

static void escapes(struct sweep *sweep, uint64_t mask, size_t base)
{
    struct str text = sweep->view->text;

    for (; mask != 0; mask &= mask - 1) {
        size_t at = base + (size_t)__builtin_ctzll(mask);
        char c = at + 1 < text.len ? text.ptr[at + 1] : 0;
        if (c == '/' || (c == 'u' && hex(text, at + 2, 4)) || (c == 'x' && hex(text, at + 2, 2)))
            grow(sweep, &sweep->escape, DLP_JSON, at, at + 6, true);
        else if (c == '"' || c == '\\' || c == 'n' || c == 't' || c == 'r')
            grow(sweep, &sweep->escape, DLP_JSON, at, at + 2, false);
    }
}

/* Four letters of UTF-16 or UTF-32 in a row. */
static void nuls(struct sweep *sweep, uint64_t nul, size_t base)
{
    uint64_t two = nul & ~(nul >> 1), four = ~nul & nul >> 1 & nul >> 2 & nul >> 3;

    if ((two & two >> 2 & two >> 4 & two >> 6) != 0 || (four & four >> 4 & four >> 8 & four >> 12) != 0)
        grow(sweep, &sweep->nuls, DLP_NULS, base, base + DLP_BLOCK, true);
}

/* Bytes that begin a character that looks like a letter, or that nobody sees: see decode.c. Blocks with bytes that are in no
 * UTF-8 are left alone. */
static void highs(struct sweep *sweep, uint64_t mask, size_t base)
{
    bool alike = false;

    for (; mask != 0; mask &= mask - 1) {
        uint8_t c = (uint8_t)sweep->view->text.ptr[base + (size_t)__builtin_ctzll(mask)];
        if (c >= 0xf5 || c == 0xc0 || c == 0xc1)
            return;
        alike = alike || (c >= 0xc2 && c <= 0xd6) || c == 0xe1 || c == 0xe2 || c == 0xea || c == 0xef ||
                c >= 0xf0;
    }
    if (alike)
        grow(sweep, &sweep->high, DLP_ALNUM, base, base + DLP_BLOCK, true);
}

/* Stretches of ASCII in which no three letters or digits follow each other. */
static void apart(struct sweep *sweep, const struct dlp_masks *m, size_t base)
{
    uint64_t three = m->alnum & m->alnum >> 1 & m->alnum >> 2;
    struct dlp_span ended[5];
    size_t count = dlp_run_next(&sweep->apart, m->plain & ~three, base, ended);

    for (size_t i = 0; i < count; i++)
        dlp_view_letters(sweep->view, slice(sweep, ended[i].start, ended[i].end, 0));
}

static void block(struct sweep *sweep, const struct dlp_masks *m, size_t base)
{
    words(sweep, m, base);
    if (m->percent != 0)
        percents(sweep, m->percent, base);
    if (m->escape != 0)
        escapes(sweep, m->escape, base);
    if (m->nul != 0)
        nuls(sweep, m->nul, base);
    if (sweep->letters) {
        if (m->high != 0)
            highs(sweep, m->high, base);
        apart(sweep, m, base);
    }
}

static void finish(struct sweep *sweep)
{
    struct dlp_span ended[5];
    size_t len = sweep->view->text.len;

    if (dlp_run_last(&sweep->words, len, ended) > 0)
        on_word(sweep, ended[0], sweep->other);
    flush_piece(sweep);
    flush_region(sweep, &sweep->percent, DLP_PERCENT);
    flush_region(sweep, &sweep->escape, DLP_JSON);
    flush_region(sweep, &sweep->nuls, DLP_NULS);
    if (!sweep->letters)
        return;
    flush_region(sweep, &sweep->high, DLP_ALNUM);
    if (dlp_run_last(&sweep->apart, len, ended) > 0)
        dlp_view_letters(sweep->view, slice(sweep, ended[0].start, ended[0].end, 0));
}

static void sweep_all(struct sweep *sweep, size_t from)
{
    struct str text = sweep->view->text;
    struct dlp_masks masks[BATCH];
    char rest[DLP_BLOCK];

    for (size_t at = from; at < text.len;) {
        size_t blocks = (text.len - at) / DLP_BLOCK;
        const char *bytes = text.ptr + at;
        if (blocks == 0) {
            memset(rest, 1, sizeof rest); /* of no kind */
            memcpy(rest, bytes, text.len - at);
            bytes = rest;
            blocks = 1;
        }
        blocks = blocks < BATCH ? blocks : BATCH;
        dlp_classify(bytes, blocks, masks);
        for (size_t i = 0; i < blocks; i++)
            block(sweep, &masks[i], at + i * DLP_BLOCK);
        at += blocks * DLP_BLOCK;
    }
    finish(sweep);
}

static void known(const struct dlp_view *view)
{
    struct dlp_known_find find = {.end = view->since > DLP_BLOCK ? view->since - DLP_BLOCK : 0};

    while (dlp_known_next(&view->engine->rules->known, DLP_AS_IS, view->text, find.end, &find))
        dlp_view_hit(view, dlp_rule_known(find.value), DLP_KNOWN, find.start, find.end, 0);
}

void dlp_view_look(const struct dlp_view *view)
{
    struct sweep sweep = {.view = view, .margin = view->engine->rules->layout->overlap};
    size_t len = view->text.len, seen = view->since > sweep.margin ? view->since - sweep.margin : 0;

    if (view->detectors & DLP_TOKENS)
        dlp_view_match(view, DLP_BASE_TEXT, seen, len);
    if (view->detectors & DLP_KNOWN) {
        bool letters = dlp_known_has(&view->engine->rules->known, DLP_LETTERS);
        known(view);
        if (letters && len <= SHORT_TEXT)
            dlp_view_letters(view, view->text);
        sweep.letters = letters && len > SHORT_TEXT;
    }
    sweep_all(&sweep, view->since > DLP_HOLD ? view->since - DLP_HOLD : 0);
}

void dlp_look(struct dlp_engine *engine, unsigned detectors, struct str text, size_t since, bool more,
              struct dlp_hits *hits)
{
    struct dlp_view view = {
        .engine = engine, .hits = hits, .detectors = detectors, .text = text, .since = since, .more = more};

    if (text.len == 0 || (detectors & (DLP_TOKENS | DLP_KNOWN | DLP_ENTROPY)) == 0)
        return;
    if (dlp_engine_room(engine, text.len) != 0) {
        hits->failed = true;
        return;
    }
    dlp_view_look(&view);
}
