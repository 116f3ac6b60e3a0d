/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweep_regions: pieces of the text around anchors, escapes, percent signs, NULs and letters that are not ASCII. See sweep.h. */
#include "dlp/anchors.h"
#include "dlp/sweep.h"

#define WRITTEN_MIN 16 /* bytes of a word with an escape in it that is looked into for everything */

static void flush_text(struct dlp_sweep *sweep)
{
    const struct dlp_region *text = &sweep->text;
    size_t start = text->start > sweep->seen ? text->start : sweep->seen,
           end = text->end < sweep->view->text.len ? text->end : sweep->view->text.len;

    if (text->open && end > start)
        dlp_view_match(sweep->view, DLP_BASE_TEXT, start, end);
    sweep->text.open = false;
}

void dlp_sweep_anchors(struct dlp_sweep *sweep, uint64_t mask, size_t base)
{
    for (size_t before, behind; mask != 0; mask &= mask - 1) {
        size_t at = base + (size_t)__builtin_ctzll(mask);
        if (at >= sweep->view->text.len || !dlp_anchor(sweep->view->text, at, &before, &behind))
            continue;
        size_t start = at > before ? at - before : 0, end = at + behind;
        if (!sweep->text.open || start > sweep->text.end) {
            flush_text(sweep);
            sweep->text = (struct dlp_region){true, start, end};
        }
        sweep->text.end = end > sweep->text.end ? end : sweep->text.end;
        sweep->anchor = at + 1;
        sweep->escape.worth =
            sweep->escape.worth || (sweep->escape.all.open && at <= sweep->escape.all.end + DLP_QUOTE_SIDE);
    }
}

static void flush_region(struct dlp_sweep *sweep, struct dlp_region *region, enum dlp_code code, size_t side,
                         enum dlp_effort effort)
{
    if (!region->open)
        return;
    region->open = false;
    struct str from = dlp_sweep_slice(sweep, region->start, region->end, side);
    if (code == DLP_ALNUM)
        dlp_view_letters(sweep->view, from);
    else
        dlp_view_into(sweep->view, code, 0, from, effort);
}

/* Returns whether it is another region than before. */
static bool grow(struct dlp_sweep *sweep, struct dlp_region *region, enum dlp_code code, size_t start,
                 size_t end, size_t side, enum dlp_effort effort)
{
    bool other = !region->open || start > region->end + 2 * side;

    if (other) {
        flush_region(sweep, region, code, side, effort);
        *region = (struct dlp_region){.open = true, .start = start};
    }
    region->end = end > region->end ? end : region->end;
    return other;
}

static size_t side_of(const struct dlp_sweep *sweep, enum dlp_code code)
{
    return code == DLP_PERCENT ? sweep->margin : DLP_QUOTE_SIDE;
}

/* Of escapes that stand for quotation marks and backslashes alone only what is near an anchor can be anything. */
static void flush_written(struct dlp_sweep *sweep, struct dlp_written *written, enum dlp_code code)
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

static void grow_written(struct dlp_sweep *sweep, struct dlp_written *written, enum dlp_code code, size_t at,
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

void dlp_sweep_percents(struct dlp_sweep *sweep, uint64_t mask, size_t base)
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

void dlp_sweep_escapes(struct dlp_sweep *sweep, uint64_t mask, size_t base)
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

void dlp_sweep_nuls(struct dlp_sweep *sweep, size_t base)
{
    grow(sweep, &sweep->nuls, DLP_NULS, base, base + DLP_BLOCK, DLP_UTF16_SIDE * sweep->margin, DLP_THOROUGH);
}

/* Characters that look like a letter, or that nobody sees: see decode.c. */
void dlp_sweep_highs(struct dlp_sweep *sweep, size_t base)
{
    struct str text = sweep->view->text;
    size_t end = base + DLP_BLOCK < text.len ? base + DLP_BLOCK : text.len;

    if (dlp_has_alikes((struct str){text.ptr + base, end - base}, end == text.len))
        grow(sweep, &sweep->high, DLP_ALNUM, base, end, DLP_ALIKE_SIDE, DLP_PLAIN);
}

void dlp_sweep_regions_end(struct dlp_sweep *sweep)
{
    flush_text(sweep);
    flush_region(sweep, &sweep->percent.words, DLP_PERCENT, 1, DLP_THOROUGH);
    flush_written(sweep, &sweep->percent, DLP_PERCENT);
    flush_region(sweep, &sweep->escape.words, DLP_JSON, 1, DLP_THOROUGH);
    flush_written(sweep, &sweep->escape, DLP_JSON);
    flush_region(sweep, &sweep->nuls, DLP_NULS, DLP_UTF16_SIDE * sweep->margin, DLP_THOROUGH);
    flush_region(sweep, &sweep->high, DLP_ALNUM, DLP_ALIKE_SIDE, DLP_PLAIN);
}
