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
#define NEAR       192  /* bytes between words that are looked at together: fewer calls */
#define SHORT_TEXT 2048 /* bytes of a text whose letters are searched as a whole */
#define FOLDED_MIN 32   /* bytes of a word that may go on behind the end of its line */
#define FOLD_MAX   8    /* bytes between it and the next line's */
#define ALIKE_SIDE                                                                                           \
    64 /* bytes around letters that look like others: a piece of a secret has some of them in it */
#define QUOTE_SIDE                                                                                           \
    384 /* bytes around an escape: what a token of several words has between two of them, twice */
#define UTF16_SIDE 4 /* bytes of the widest letter of what has NULs in it */

/* Pieces of the text that grow until the next one is too far away. */
struct region {
    bool open;
    size_t start, end;
};

/* What is written with escapes or percent signs: the words around them, which are looked into for everything, and all that is
 * near them, which is searched for known secrets and for tokens of several words. */
struct written {
    struct region words, all;
};

struct sweep {
    const struct dlp_view *view;
    size_t margin, loose_min;
    bool letters; /* known secrets are looked for among letters that stand apart, or look like others */
    struct dlp_run words, cores, apart;
    bool other;       /* the open word may hold more than standard base64 */
    size_t core_seen; /* where the last run of a token's random part has ended, or goes on */
    struct {
        bool open, other;
        size_t start, end;
    } tokens;             /* words that may be tokens, and are near each other */
    struct region digits; /* the same of words that may hold digits of base64 and others */
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

static void flush_tokens(struct sweep *sweep)
{
    const struct dlp_view *view = sweep->view;
    size_t start = sweep->tokens.start, end = sweep->tokens.end;

    if (!sweep->tokens.open)
        return;
    sweep->tokens.open = false;
    size_t seen = view->since > sweep->margin ? view->since - sweep->margin : 0;
    if (end > seen)
        dlp_view_match(view, sweep->tokens.other ? DLP_BASE_WORDS : DLP_BASE_DIGITS,
                       start > seen ? start : seen, end);
}

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

static void token_word(struct sweep *sweep, struct dlp_span word, bool other)
{
    if (sweep->tokens.open && word.start <= sweep->tokens.end + NEAR) {
        sweep->tokens.end = word.end;
        sweep->tokens.other = true; /* and what is between them */
        return;
    }
    flush_tokens(sweep);
    sweep->tokens.open = true;
    sweep->tokens.other = other;
    sweep->tokens.start = word.start;
    sweep->tokens.end = word.end;
}

static void on_word(struct sweep *sweep, struct dlp_span word, bool other)
{
    struct str text = sweep->view->text;

    if (sweep->view->detectors & DLP_ENTROPY && !(sweep->view->more && word.end == text.len) &&
        dlp_entropy_suspects((struct str){text.ptr + word.start, word.end - word.start}))
        dlp_view_hit(sweep->view, dlp_rule_entropy(), DLP_ENTROPY, word.start, word.end, 0);
    if (sweep->view->detectors & DLP_TOKENS &&
        (sweep->core_seen >= word.start + DLP_WORD_MIN || word.end - word.start >= sweep->loose_min))
        token_word(sweep, word, other);
    if (sweep->digits.open && word.start <= sweep->digits.end + NEAR) {
        sweep->digits.end = word.end;
    } else {
        flush_digits(sweep);
        sweep->digits = (struct region){true, word.start, word.end};
    }
    size_t end = is_line(text, word) ? next_line(text, word.end) : word.end;
    if (end > word.end && (!sweep->lines.open || word.start > sweep->lines.end)) {
        flush_lines(sweep);
        sweep->lines = (struct region){true, word.start, end};
    } else if (end > word.end) {
        sweep->lines.end = end;
    }
}

static void words(struct sweep *sweep, const struct dlp_masks *m, size_t base)
{
    struct dlp_span ended[5];

    if (!dlp_run_stirs(&sweep->words, m->word)) { /* then the core of a word does not either */
        sweep->words.before = m->word;
        sweep->cores.before = m->core;
        sweep->other = m->other != 0;
        return;
    }
    if (m->word == UINT64_MAX && sweep->words.open && sweep->core_seen >= sweep->words.start + DLP_WORD_MIN) {
        sweep->cores = (struct dlp_run){.open = false}; /* all is known of this word but its end */
        sweep->other = sweep->other || m->other != 0;
        return;
    }
    size_t cores = dlp_run_next(&sweep->cores, m->core, base, ended);
    for (size_t i = 0; i < cores; i++)
        if (ended[i].end - ended[i].start >= DLP_WORD_MIN)
            sweep->core_seen = ended[i].end;
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

static bool of_a_word(char c)
{
    return dlp_is_word(c) || c == '\\' || c == '%';
}

static void grow_written(struct sweep *sweep, struct written *written, enum dlp_code code, size_t at,
                         size_t len, bool in_word)
{
    struct str text = sweep->view->text;
    size_t start = at, end = at + len;

    grow(sweep, &written->all, code, start, end, code == DLP_PERCENT ? sweep->margin : QUOTE_SIDE, DLP_PLAIN);
    if (!in_word || (written->words.open && end <= written->words.end))
        return;
    while (start > 0 && at - start < DLP_MATCH_MAX && of_a_word(text.ptr[start - 1]))
        start--;
    while (end < text.len && of_a_word(text.ptr[end]))
        end++;
    if (end - start >= DLP_WORD_MIN)
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

/* Characters that look like a letter, or that nobody sees: see decode.c. Blocks that are not UTF-8 are left alone. */
static void highs(struct sweep *sweep, size_t base)
{
    struct str text = sweep->view->text;
    size_t end = base + DLP_BLOCK < text.len ? base + DLP_BLOCK : text.len;

    if (dlp_has_alikes((struct str){text.ptr + base, end - base}, end == text.len))
        grow(sweep, &sweep->high, DLP_ALNUM, base, end, ALIKE_SIDE, DLP_PLAIN);
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
        if (m->high != 0 && m->bad == 0)
            highs(sweep, base);
        apart(sweep, m, base);
    }
}

static void finish(struct sweep *sweep)
{
    struct dlp_span ended[5];
    size_t len = sweep->view->text.len;

    if (dlp_run_last(&sweep->cores, len, ended) > 0 && ended[0].end - ended[0].start >= DLP_WORD_MIN)
        sweep->core_seen = len;
    if (dlp_run_last(&sweep->words, len, ended) > 0)
        on_word(sweep, ended[0], sweep->other);
    flush_tokens(sweep);
    flush_digits(sweep);
    flush_lines(sweep);
    flush_region(sweep, &sweep->percent.words, DLP_PERCENT, 1, DLP_THOROUGH);
    flush_region(sweep, &sweep->percent.all, DLP_PERCENT, sweep->margin, DLP_PLAIN);
    flush_region(sweep, &sweep->escape.words, DLP_JSON, 1, DLP_THOROUGH);
    flush_region(sweep, &sweep->escape.all, DLP_JSON, QUOTE_SIDE, DLP_PLAIN);
    flush_region(sweep, &sweep->nuls, DLP_NULS, UTF16_SIDE * sweep->margin, DLP_THOROUGH);
    if (!sweep->letters)
        return;
    flush_region(sweep, &sweep->high, DLP_ALNUM, ALIKE_SIDE, DLP_PLAIN);
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
    struct sweep sweep = {.view = view,
                          .margin = view->engine->rules->layout->overlap,
                          .loose_min = view->engine->rules->layout->loose_min};
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
