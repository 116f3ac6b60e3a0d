/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweep_words: words that are long enough to be a token or to hold another text, and lines of base64. See sweep.h. */
#include "dlp/entropy.h"
#include "dlp/probe.h"
#include "dlp/sweep.h"

#define FOLDED_MIN 32 /* bytes of a word that may go on behind the end of its line */
#define LONG_WORD                                                                                            \
    1024 /* bytes of a word that need not be looked at from its beginning again when it goes on */

void dlp_sweep_lines_end(struct dlp_sweep *sweep)
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
    char next = word.end < text.len ? text.ptr[word.end] : '.';

    if (word.end - word.start < FOLDED_MIN ||
        (next != '\n' && next != '\r' && next != '\\' && next != ' ' && next != '\t'))
        return false;
    for (size_t i = word.end - FOLDED_MIN; i < word.end; i++)
        if (dlp_tables.values[(uint8_t)text.ptr[i]] == DLP_NO_DIGIT)
            return false;
    return true;
}

/* Where the word of the next line ends, which may be the last and short; `from` when there is none. */
static size_t next_line(struct str text, size_t from)
{
    size_t at = from;

    while (at < text.len && at - from < DLP_FOLD_MAX && !dlp_is_word(text.ptr[at]))
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

/* `other`, `from`: see dlp_view_word. */
static void on_word(struct dlp_sweep *sweep, size_t start, size_t end, bool other, size_t from)
{
    const struct dlp_view *view = sweep->view;
    struct str text = view->text;

    if (view->detectors & DLP_TOKENS && end > sweep->seen)
        dlp_view_word(view, (struct dlp_span){start > sweep->seen ? start : sweep->seen, end}, other, from);
    dlp_view_digits(view, start, end);
    size_t last = is_line(text, (struct dlp_span){start, end}) ? next_line(text, end) : end;
    if (last > end && (!sweep->lines.open || start > sweep->lines.end)) {
        dlp_sweep_lines_end(sweep);
        sweep->lines = (struct dlp_region){true, start, last};
    } else if (last > end) {
        sweep->lines.end = last;
    }
    if (view->probes != NULL && (last == end || view->depth == DLP_DEPTH)) /* else it is one of those lines */
        dlp_probes_word(view->probes, start, end);
}

/* A long word is most of a picture or an archive in base64. What can go on in it are digits of one of these kinds: of hexadecimal, of
 * base32, and those that ASCII has in base64, at each of four places in a group. Where the first of them that reaches the text's
 * end begins, `last` at the latest. */
static size_t digits_open(struct str text, size_t first, size_t last)
{
    enum { HEX = 16, UPPER = 32, LOWER = 64 };
    unsigned open = HEX | UPPER | LOWER | 15;
    size_t at = text.len;

    while (at > first && open != 0) {
        uint8_t c = (uint8_t)text.ptr[at - 1], folded = c | 0x20, value = dlp_tables.values[c];
        bool two = c >= '2' && c <= '7';
        unsigned fits = (value & 0xa0 ? 0 : 1u) | (value & 0x88 ? 0 : 2u) | (value & 0x82 ? 0 : 4u) |
                        (value & 0x80 ? 0 : 8u); /* at which places of its group */
        fits = (fits << 4 | fits) >> ((at - 1) & 3) & 15;
        fits |= ((c >= '0' && c <= '9') || (folded >= 'a' && folded <= 'f') ? HEX : 0) |
                (two || (c >= 'A' && c <= 'Z') ? UPPER : 0) | (two || (c >= 'a' && c <= 'z') ? LOWER : 0);
        open &= fits;
        at -= open != 0;
    }
    return at < last ? at : last;
}

size_t dlp_sweep_word_open(const struct dlp_sweep *sweep, size_t kept)
{
    struct str text = sweep->view->text;
    size_t tokens = text.len > sweep->margin ? text.len - sweep->margin : 0;

    if (sweep->view->detectors & DLP_ENTROPY || kept - sweep->word_start <= LONG_WORD)
        return sweep->word_start;
    size_t from = digits_open(text, sweep->word_start, kept < tokens ? kept : tokens);
    return from - sweep->word_start > LONG_WORD ? from : sweep->word_start;
}

size_t dlp_sweep_floor(const struct dlp_view *view, size_t origin)
{
    size_t at = origin;

    if (view->detectors & DLP_ENTROPY)
        return 0;
    while (at > 0 && origin - at <= LONG_WORD &&
           !(dlp_tables.kinds[(uint8_t)view->text.ptr[at - 1]] & DLP_NO_WORD))
        at--;
    return origin - at <= LONG_WORD ? at : origin;
}

/* The word that goes through this chunk, in all of the text. *other: it has more than standard base64 behind the chunk. */
static struct dlp_span word_of(const struct dlp_sweep *sweep, const struct dlp_runs *runs, size_t base,
                               size_t at, bool *other)
{
    struct str text = sweep->view->text;
    struct dlp_span in = dlp_stretch_of(runs->word, at - base);
    struct dlp_span word = {base + in.start, base + in.end};

    *other = false;
    if (in.start == 0)
        while (word.start > sweep->word_end && word.start > sweep->floor &&
               !(dlp_tables.kinds[(uint8_t)text.ptr[word.start - 1]] & DLP_NO_WORD))
            word.start--;
    if (in.end == DLP_CHUNK)
        word.end = dlp_word_end(text.ptr, text.len, word.end, other);
    return word;
}

/* Whether DLP_CORE_MIN bytes of a token's random part are in a row here. What goes over the chunk's end is taken for it. */
static bool has_core(const struct dlp_runs *runs, size_t at)
{
    struct dlp_span core = dlp_stretch_of(runs->core, at);

    return core.start == 0 || core.end == DLP_CHUNK || core.end - core.start >= DLP_CORE_MIN;
}

void dlp_sweep_words(struct dlp_sweep *sweep, const char *bytes, uint64_t lanes, size_t base)
{
    const struct dlp_view *view = sweep->view;
    struct dlp_runs runs;
    bool known = false;

    while (lanes != 0) {
        size_t at = base + DLP_LANE * (size_t)__builtin_ctzll(lanes);
        if (at < sweep->word_end) {
            size_t gone = (sweep->word_end - base + DLP_LANE - 1) / DLP_LANE;
            lanes &= gone < 64 ? UINT64_MAX << gone : 0;
            continue;
        }
        if (!known)
            dlp_sketch_runs(bytes, &runs);
        known = true;
        bool other;
        struct dlp_span word = word_of(sweep, &runs, base, at, &other);
        sweep->word_start = word.start;
        sweep->word_end = word.end;
        if (view->detectors & DLP_ENTROPY && !(view->more && word.end == view->text.len) &&
            dlp_entropy_suspects((struct str){view->text.ptr + word.start, word.end - word.start}))
            dlp_view_hit(view, dlp_rule_entropy(), DLP_ENTROPY, word.start, word.end, 0);
        if (word.end - word.start >= DLP_WORD_MIN ||
            (word.end - word.start >= DLP_CORE_MIN && has_core(&runs, at - base)))
            on_word(sweep, word.start, word.end, other, base + DLP_CHUNK);
    }
}
