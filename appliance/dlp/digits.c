/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * digits: base64, base32 and hexadecimal within words. Nothing is decoded that cannot be text: a dozen characters of ASCII
 * leave their mark in every such writing, since each has its highest bit clear, and that is seen without decoding. Where the
 * first group of digits begins is not asked: all places that it can have are tried.
 */
#include <string.h>

#include "dlp/classes.h"
#include "dlp/probe.h"
#include "dlp/sketch.h"
#include "dlp/view.h"

#define HEX_MIN    24 /* digits of DLP_FRAGMENT bytes */
#define BASE32_MIN 20
#define BATCH      16 /* blocks */
#define ASCII_MIN  15 /* digits of base64 that hold nothing but DLP_FRAGMENT bytes */

size_t dlp_fold_place(const struct dlp_folds *folds, size_t start, size_t value)
{
    if (folds == NULL)
        return start + value;
    size_t low = 0, high = folds->count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (folds->all[middle].value <= value)
            low = middle;
        else
            high = middle;
    }
    return folds->all[low].text + (value - folds->all[low].value);
}

/* Whether the digit at this place of a group may be ASCII's: see dlp_ascii_groups. */
static bool ascii_digit(uint8_t value, size_t at)
{
    static const uint8_t bits[4] = {0xa0, 0x88, 0x82, 0x80};

    return (value & bits[at % 4]) == 0;
}

struct digits {
    const struct dlp_view *view;
    size_t start;    /* of the piece in the text */
    uint8_t *values; /* with room for a block more */
    size_t count;
    const struct dlp_folds *folds;
    size_t done[4]; /* for each phase: digits that have been decoded */
};

/* From groups that may be ASCII to all digits around them that may, and to whole groups. */
static void into(struct digits *digits, unsigned phase, size_t at)
{
    size_t first = at, last = at;

    if (at < digits->done[phase])
        return;
    while (first > digits->done[phase] && ascii_digit(digits->values[first - 1], first - 1 - phase))
        first--;
    while (last < digits->count && ascii_digit(digits->values[last], last - phase))
        last++;
    digits->done[phase] = last;
    if (last - first < ASCII_MIN)
        return;
    /* The group that the first one belongs to, as far as it is there. */
    unsigned missing = (unsigned)((first + 4 - phase) % 4);
    while (missing > 0 && first > 0 && digits->values[first - 1] != DLP_NO_DIGIT) {
        first--;
        missing--;
    }
    while ((last + 4 - phase) % 4 != 0 && last < digits->count && digits->values[last] != DLP_NO_DIGIT)
        last++;
    size_t from = dlp_fold_place(digits->folds, digits->start, first),
           to = dlp_fold_place(digits->folds, digits->start, last - 1) + 1;
    dlp_view_into(digits->view, DLP_BASE64, missing, (struct str){digits->view->text.ptr + from, to - from},
                  DLP_PROMISING);
}

void dlp_view_base64(const struct dlp_view *view, size_t origin, unsigned phase, size_t at, size_t *done)
{
    const uint8_t *text = (const uint8_t *)view->text.ptr, *values = dlp_tables.values;
    size_t first = at, last = at, turn = origin + phase; /* digits of a group are counted from here */

    if (at < *done)
        return;
    while (first > *done && ascii_digit(values[text[first - 1]], first - 1 - turn))
        first--;
    while (last < view->text.len && ascii_digit(values[text[last]], last - turn))
        last++;
    *done = last;
    if (last - first < ASCII_MIN)
        return;
    /* The group that the first one belongs to, as far as it is there. */
    unsigned missing = (unsigned)(first - turn) % 4;
    while (missing > 0 && first > 0 && values[text[first - 1]] != DLP_NO_DIGIT) {
        first--;
        missing--;
    }
    while ((last - turn) % 4 != 0 && last < view->text.len && values[text[last]] != DLP_NO_DIGIT)
        last++;
    dlp_view_into(view, DLP_BASE64, missing, (struct str){view->text.ptr + first, last - first},
                  DLP_PROMISING);
}

/* Three groups in a row, within the block or across its beginning. Cheap, and wrong now and then on the safe side. */
static bool stirs(struct dlp_groups groups, struct dlp_groups before)
{
    uint64_t now, last;

    memcpy(&now, &groups, sizeof now);
    memcpy(&last, &before, sizeof last);
    return (now & now >> 1 & now >> 2 & 0x3fff3fff3fff3fffu) != 0 ||
           (last >> 15 & now & 0x0001000100010001u) != 0;
}

static void some_groups(struct digits *digits, struct dlp_groups groups, struct dlp_groups before, size_t at)
{
    for (unsigned phase = 0; phase < 4; phase++) {
        /* The last two of the block before are in front. */
        uint32_t all = (uint32_t)before.phases[phase] >> 14 | (uint32_t)groups.phases[phase] << 2;
        for (uint32_t found = all & all >> 1 & all >> 2; found != 0; found &= found - 1)
            into(digits, phase,
                 at + 4 * (size_t)__builtin_ctz(found)); /* the last of three: it is in this block */
    }
}

static void base64(struct digits *digits)
{
    struct dlp_groups groups[BATCH], before = {{0}};
    size_t blocks = (digits->count + DLP_BLOCK - 1) / DLP_BLOCK;

    memset(digits->values + digits->count, DLP_NO_DIGIT, blocks * DLP_BLOCK - digits->count);
    for (size_t first = 0; first < blocks; first += BATCH) {
        size_t count = blocks - first < BATCH ? blocks - first : BATCH;
        dlp_ascii_groups(digits->values + first * DLP_BLOCK, count, groups);
        for (size_t i = 0; i < count; i++) {
            if (stirs(groups[i], before))
                some_groups(digits, groups[i], before, (first + i) * DLP_BLOCK);
            before = groups[i];
        }
    }
}

/* Values of a text that is folded, as the decoder unfolds it. Returns false when there are too many folds. */
static bool unfold(const struct dlp_view *view, size_t start, size_t end, uint8_t *values, size_t *count,
                   struct dlp_folds *folds)
{
    const char *text = view->text.ptr;

    *count = folds->count = 0;
    for (size_t at = start; at < end;) {
        size_t from = at;
        while (at < end &&
               (text[at] == '\r' || text[at] == '\n' || text[at] == ' ' || text[at] == '\t' ||
                (text[at] == '\\' && at + 1 < end && (text[at + 1] == 'n' || text[at + 1] == 'r'))))
            at += text[at] == '\\' ? 2 : 1;
        if (at > from || folds->count == 0) {
            if (folds->count == DLP_FOLDS_MAX)
                return false;
            folds->all[folds->count++] = (struct dlp_fold){*count, at};
        }
        from = at;
        while (at < end && text[at] != '\r' && text[at] != '\n' && text[at] != ' ' && text[at] != '\t' &&
               text[at] != '\\')
            at++;
        at += at == from && at < end; /* a backslash that folds nothing */
        dlp_values64(text + from, at - from, values + *count);
        *count += at - from;
    }
    return true;
}

/* Whether so many bits in a row are set somewhere. */
static bool has_row(uint64_t mask, unsigned count)
{
    for (unsigned have = 1, more; have < count; have += more) {
        more = have <= count - have ? have : count - have;
        mask &= mask >> more;
    }
    return mask != 0;
}

/* Whether a dozen bytes in a row can be text: their first digits are those of ASCII, or of NUL and line ends. */
static bool ascii_hex(struct str digits, unsigned phase)
{
    size_t run = 0, longest = 0;

    for (size_t i = phase; i + 1 < digits.len;
         i += 2) { /* without a branch: digests are many, and have no pattern */
        char c = digits.ptr[i];
        run = (run + 1) & -(size_t)((c == '0') | ((c >= '2') & (c <= '7')));
        longest = run > longest ? run : longest;
    }
    return longest >= DLP_FRAGMENT;
}

/* The highest bits of the five bytes that begin in a group of eight digits of base32. */
static const uint8_t highest32[8] = {0x10, 0x02, 0, 0x08, 0x01, 0, 0x04, 0};
#define ASCII32_MIN 18 /* digits that the highest bits of DLP_FRAGMENT bytes are in */

/* At which of the eight places of a group the first digit can be, so that a dozen bytes in a row can be ASCII: a bit for each.
 * All places are tried at once, for 64 digits. */
static unsigned ascii_base32(struct str digits)
{
    unsigned places = 0;

    for (size_t at = 0; at < digits.len; at += DLP_BLOCK - ASCII32_MIN) {
        size_t count = digits.len - at < DLP_BLOCK ? digits.len - at : DLP_BLOCK;
        uint64_t bits[5] = {0}, all = UINT64_MAX >> (DLP_BLOCK - count);
        for (size_t i = 0; i < count; i++) {
            uint8_t c = (uint8_t)digits.ptr[at + i], value = c < 'A' ? c - '2' + 26 : (c | 0x20) - 'a';
            for (unsigned bit = 0; bit < 5; bit++)
                bits[bit] |= (uint64_t)(value >> bit & 1) << i;
        }
        for (unsigned place = 0; place < 8; place++) {
            uint64_t set = 0;
            for (unsigned digit = 0; digit < 8; digit++)
                if (highest32[digit] != 0)
                    set |= bits[__builtin_ctz(highest32[digit])] &
                           0x0101010101010101u << (digit + 16 - place - (unsigned)(at % 8)) % 8;
            if (has_row(~set & all, ASCII32_MIN))
                places |= 1u << place;
        }
    }
    return places;
}

/* One run of digits of a narrower alphabet, at each of its places. */
static void narrow(const struct dlp_view *view, enum dlp_code code, struct dlp_span span)
{
    struct str digits = {view->text.ptr + span.start, span.end - span.start};
    unsigned places =
        code == DLP_HEX ? ascii_hex(digits, 0) | (unsigned)ascii_hex(digits, 1) << 1 : ascii_base32(digits);

    for (unsigned phase = 0; phase < 8; phase++)
        if (places >> phase & 1)
            dlp_view_into(view, code, phase, digits, DLP_PROMISING);
    if (view->probes != NULL)
        dlp_probes_digits(view->probes, code, digits);
}

static void narrows(const struct dlp_view *view, const struct dlp_span *spans, size_t count,
                    enum dlp_code code, size_t min)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].end - spans[i].start >= min)
            narrow(view, code, spans[i]);
}

/* Most words are short, and no digits. */
static bool short_without(struct str text, size_t start, size_t end)
{
    struct dlp_digits masks;

    if (end - start > DLP_BLOCK || text.len - start < DLP_BLOCK)
        return false;
    dlp_classify_digits(text.ptr + start, 1, &masks);
    uint64_t all = UINT64_MAX >> (DLP_BLOCK - (end - start));
    return !has_row(masks.hex & all, HEX_MIN) && !has_row(masks.upper & all, BASE32_MIN) &&
           !has_row(masks.lower & all, BASE32_MIN);
}

static void all_digits(const struct dlp_view *view, size_t start, size_t end)
{
    struct dlp_run hex = {0}, upper = {0}, lower = {0};
    struct dlp_span ended[5];
    struct dlp_digits masks[BATCH];
    char rest[DLP_BLOCK];

    for (size_t at = start; at < end;) {
        size_t blocks = (end - at + DLP_BLOCK - 1) / DLP_BLOCK, len = view->text.len - at;
        const char *text = view->text.ptr + at;
        if (len < DLP_BLOCK) {
            memset(rest, 0, sizeof rest);
            memcpy(rest, text, len);
            text = rest;
            blocks = 1;
        } else {
            blocks = blocks < len / DLP_BLOCK ? blocks : len / DLP_BLOCK;
            blocks = blocks < BATCH ? blocks : BATCH;
        }
        dlp_classify_digits(text, blocks, masks);
        for (size_t i = 0; i < blocks; i++) {
            size_t base = at + i * DLP_BLOCK;
            if (!dlp_run_stirs(&hex, masks[i].hex) && !dlp_run_stirs(&upper, masks[i].upper) &&
                !dlp_run_stirs(&lower, masks[i].lower)) {
                hex.before = masks[i].hex;
                upper.before = masks[i].upper;
                lower.before = masks[i].lower;
                continue;
            }
            narrows(view, ended, dlp_run_next(&hex, masks[i].hex, base, ended), DLP_HEX, HEX_MIN);
            narrows(view, ended, dlp_run_next(&upper, masks[i].upper, base, ended), DLP_BASE32, BASE32_MIN);
            narrows(view, ended, dlp_run_next(&lower, masks[i].lower, base, ended), DLP_BASE32, BASE32_MIN);
        }
        at += blocks * DLP_BLOCK; /* whole blocks are less work */
        end = at > end ? at : end;
        end = end < view->text.len ? end : view->text.len;
    }
    narrows(view, ended, dlp_run_last(&hex, end, ended), DLP_HEX, HEX_MIN);
    narrows(view, ended, dlp_run_last(&upper, end, ended), DLP_BASE32, BASE32_MIN);
    narrows(view, ended, dlp_run_last(&lower, end, ended), DLP_BASE32, BASE32_MIN);
}

void dlp_view_digits(const struct dlp_view *view, size_t start, size_t end)
{
    if ((view->depth < DLP_DEPTH || view->probes != NULL) && !short_without(view->text, start, end))
        all_digits(view, start, end);
}

void dlp_view_lines(const struct dlp_view *view, size_t start, size_t end)
{
    struct digits digits = {.view = view, .start = start};

    if (view->depth == DLP_DEPTH)
        return;
    digits.values = view->engine->values[view->depth];
    digits.folds = view->engine->folds[view->depth];
    if (!unfold(view, start, end, digits.values, &digits.count, view->engine->folds[view->depth]))
        return;
    if (view->probes != NULL)
        dlp_probes_lines(view->probes, digits.values, digits.count, digits.folds, start);
    base64(&digits);
}
