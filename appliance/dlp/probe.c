/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * probe: see probe.h. Digits are read as one row of bits from the first of a run on. Where among them a byte of a key begins is
 * not asked: the database has a window for each place that base64 and hexadecimal can have, and every second of base32's, whose bits
 * are therefore read twice, the second time without the first of them.
 */
#include "dlp/probe.h"

#include <string.h>

#include "dlp/sketch.h"

#define STRIDE     8 /* bytes, or digits, from one place that is asked about to the next */
#define STRIDE64   6 /* bytes that these are in base64 */
#define STRIDE_HEX 4
#define STRIDE32   5
#define BASE64_MIN 22 /* digits that hold a window */
#define LETTERS    26 /* values of base64 that are upper-case letters */
#define HIGH       0x8080808080808080u

bool dlp_probes_wanted(const struct dlp_view *view)
{
    return view->detectors & DLP_KNOWN && view->engine->printer != NULL;
}

void dlp_probes_begin(struct dlp_probes *probes, const struct dlp_view *view, size_t from)
{
    probes->view = view;
    probes->next = from;
    probes->side = probes->done = probes->decoded = probes->count = 0;
}

/* The key that a window of the text is of; -1: of none. */
static int owner(const struct dlp_view *view, size_t at)
{
    uint64_t print;

    if (dlp_print(view->engine->printer, (const uint8_t *)view->text.ptr + at, 1, &print) != 0) {
        view->hits->failed = true;
        return -1;
    }
    return dlp_prints_find(&view->engine->rules->prints, print);
}

/* A find goes as far as every window is one of this key. */
static void found_bytes(struct dlp_probes *probes, size_t at, int key)
{
    const struct dlp_view *view = probes->view;
    size_t start = at, end = at + DLP_PRINT_WINDOW, len = view->text.len;

    if (end <= probes->done || view->hits->flood) /* it is refused */
        return;
    while (start > probes->done && owner(view, start - 1) == key)
        start--;
    while (end < len && owner(view, end + 1 - DLP_PRINT_WINDOW) == key)
        end++;
    probes->done = end;
    start -= start < probes->side ? start : probes->side;
    end += len - end < probes->side ? len - end : probes->side;
    dlp_view_hit(view, dlp_rule_print(view->engine->rules, (size_t)key), DLP_KNOWN, start, end, 0);
}

static void found_digits(struct dlp_probes *probes, const struct dlp_probe_place *place);

static void ask(struct dlp_probes *probes)
{
    const struct dlp_view *view = probes->view;
    const struct dlp_prints_set *set = &view->engine->rules->prints;
    uint64_t prints[DLP_PRINT_BATCH];
    size_t count = probes->count;

    probes->count = 0;
    if (dlp_print(view->engine->printer, probes->windows, count, prints) != 0) {
        view->hits->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!dlp_prints_may(set, prints[i]))
            continue;
        int key = dlp_prints_find(set, prints[i]);
        if (key >= 0 && probes->places[i].len == 0)
            found_bytes(probes, probes->places[i].at, key);
        else if (key >= 0)
            found_digits(probes, &probes->places[i]);
    }
}

void dlp_probes_end(struct dlp_probes *probes)
{
    ask(probes);
}

static inline void add(struct dlp_probes *probes, const char *window, size_t at, size_t len,
                       enum dlp_code code)
{
    size_t count = probes->count;

    memcpy(probes->windows + count * DLP_PRINT_WINDOW, window, DLP_PRINT_WINDOW);
    probes->places[count].at = at;
    probes->places[count].len = len;
    probes->places[count].code = code;
    probes->count = count + 1;
    if (count + 1 == DLP_PRINT_BATCH)
        ask(probes);
}

void dlp_probes_bytes(struct dlp_probes *probes, size_t from, size_t end)
{
    struct str text = probes->view->text;
    bool all = probes->view->engine->rules->prints.part->plain;
    size_t at =
        from >= probes->next + STRIDE ? from - STRIDE : probes->next; /* a window ends behind `from` */

    for (; at < end && at + DLP_PRINT_WINDOW <= text.len; at += STRIDE) {
        uint64_t one, two;
        memcpy(&one, text.ptr + at, sizeof one);
        memcpy(&two, text.ptr + at + sizeof one, sizeof two);
        if (((one | two) & HIGH) != 0 || all)
            add(probes, text.ptr + at, at, 0, DLP_HEX);
    }
    probes->next = at > end ? at : end;
}

/* All places of what a piece of the view's text was decoded to. */
static void add_all(struct dlp_probes *probes, const char *text, size_t len, size_t stride,
                    struct dlp_probe_place place)
{
    for (size_t at = 0; at + DLP_PRINT_WINDOW <= len; at += stride)
        add(probes, text + at, place.at, place.len, place.code);
}

/* Base64: eight digits are six bytes, put together in pairs. Writes up to two bytes more than it makes. */
static size_t join64(const uint8_t *values, size_t count, char *out)
{
    size_t made = 0;
    uint64_t bits = 0;

    for (; count >= 8; count -= 8, values += 8, made += 6) {
        memcpy(&bits, values, sizeof bits);
        bits = __builtin_bswap64(bits);
        bits = (bits >> 2 & 0x0fc00fc00fc00fc0u) | (bits & 0x003f003f003f003fu);
        bits = (bits >> 4 & 0x00fff00000fff000u) | (bits & 0x00000fff00000fffu);
        bits = __builtin_bswap64((bits >> 8 & 0x0000ffffff000000u) << 16 | (bits & 0xffffff) << 16);
        memcpy(out + made, &bits, sizeof bits);
    }
    unsigned have = 0;
    for (bits = 0; count > 0; count--) {
        bits = bits << 6 | *values++;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[made++] = (char)(bits >> have);
        }
    }
    return made;
}

/* Whether a window may be among these digits: most words and digests have no upper-case letter, and windows that have none are
 * as rare as those that are ASCII. */
static bool worth(const uint8_t *values, size_t count)
{
    size_t i = 0;

    while (i < count && values[i] >= LETTERS)
        i++;
    return i < count;
}

void dlp_probes_lines(struct dlp_probes *probes, const uint8_t *values, size_t count,
                      const struct dlp_folds *folds, size_t start)
{
    const struct dlp_view *view = probes->view;
    bool all = view->engine->rules->prints.part->plain;

    for (size_t at = 0, end; at < count; at = end + 1) {
        const uint8_t *next = memchr(values + at, DLP_NO_DIGIT, count - at);
        end = next != NULL ? (size_t)(next - values) : count;
        if (end - at < BASE64_MIN || (!all && !worth(values + at, end - at)))
            continue;
        char *text = view->engine->texts[DLP_DEPTH];
        size_t from = dlp_fold_place(folds, start, at), to = dlp_fold_place(folds, start, end - 1) + 1;
        add_all(probes, text, join64(values + at, end - at, text), STRIDE64,
                (struct dlp_probe_place){.at = from, .len = to - from, .code = DLP_BASE64});
    }
}

void dlp_probes_word(struct dlp_probes *probes, size_t start, size_t end)
{
    uint8_t *values = probes->view->engine->values[DLP_DEPTH];

    if (end - start < BASE64_MIN)
        return;
    dlp_values64(probes->view->text.ptr + start, end - start, values);
    dlp_probes_lines(probes, values, end - start, NULL, start);
}

static size_t join_hex(struct str digits, char *out)
{
    size_t made = 0;

    for (size_t at = 0; at + 2 <= digits.len; at += 2)
        out[made++] = (char)(dlp_hex_digit(digits.ptr[at]) << 4 | dlp_hex_digit(digits.ptr[at + 1]));
    return made;
}

static size_t join32(struct str digits, char *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t made = 0;

    for (size_t at = 0; at < digits.len; at++) {
        char c = digits.ptr[at];
        bits = bits << 5 | (uint32_t)(c < 'A' ? c - '2' + 26 : (c | 0x20) - 'a');
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[made++] = (char)(bits >> have);
        }
    }
    return made;
}

/* Takes the first bit off. */
static size_t shift(char *text, size_t len)
{
    size_t at = 0;

    for (; at + 1 < len; at++)
        text[at] = (char)((uint8_t)text[at] << 1 | (uint8_t)text[at + 1] >> 7);
    return at;
}

void dlp_probes_digits(struct dlp_probes *probes, enum dlp_code code, struct str digits)
{
    const struct dlp_view *view = probes->view;
    char *text = view->engine->texts[DLP_DEPTH];
    struct dlp_probe_place place = {
        .at = (size_t)(digits.ptr - view->text.ptr), .len = digits.len, .code = code};

    if (code == DLP_HEX) {
        add_all(probes, text, join_hex(digits, text), STRIDE_HEX, place);
        return;
    }
    size_t len = join32(digits, text);
    add_all(probes, text, len, STRIDE32, place);
    add_all(probes, text, shift(text, len), STRIDE32, place);
}

/* The digits are read once more, and all that is in them is found as bytes are. */
static void found_digits(struct dlp_probes *probes, const struct dlp_probe_place *place)
{
    const struct dlp_view *view = probes->view;
    char *text = view->engine->found;
    struct dlp_probes again;
    struct dlp_view into = *view;

    if (probes->decoded == place->at + 1)
        return;
    probes->decoded = place->at + 1;
    into.from = (struct str){view->text.ptr + place->at, place->len};
    into.text = (struct str){text, dlp_decode(place->code, 0, into.from, text)};
    into.up = view;
    into.code = place->code;
    into.phase = 0;
    size_t stride = place->code == DLP_BASE64 ? STRIDE64 : place->code == DLP_HEX ? STRIDE_HEX : STRIDE32;
    for (unsigned turn = 0; turn < (place->code == DLP_BASE32 ? 2 : 1); turn++) {
        dlp_probes_begin(&again, &into, 0);
        again.side = 1; /* the bits of a key need not begin with a byte */
        for (size_t at = 0; at + DLP_PRINT_WINDOW <= into.text.len; at += stride)
            add(&again, text + at, at, 0, place->code);
        dlp_probes_end(&again);
        into.text.len = shift(text, into.text.len);
    }
}
