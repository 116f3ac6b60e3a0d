/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plain: see plain.h. A reader takes the text character by character and gives at most one byte for each; what it gives
 * depends on what is before only in that blanks are held until something else comes. `next` does that; `run` does the same for
 * ASCII without markup, which is most of most texts, many bytes at once.
 */
#include "dlp/plain.h"

#include <stdint.h>
#include <string.h>

#include "dlp/decode.h"
#include "dlp/html.h"

#if defined __x86_64__
#include <emmintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#endif

#define TAGS_ROW   8
#define HIDDEN_ROW 16

/* What a character gives, besides a byte of ASCII. */
enum { NOTHING = 0, BLANK = 0x100, LINE = 0x101, HIDDEN = 0x102, TAG = 0x200 /* or'ed with the byte */ };

struct reader {
    struct str in;
    size_t at;
    bool html;
    size_t open;      /* where the first markup begins that has no end; in.len: there is none */
    bool uncommented; /* no comment ends any more */
    bool begun;       /* something has been given: no blank is the first */
    bool fresh;       /* nothing but decoration since the line began */
    int blank;        /* held back: 0, BLANK or LINE */
    size_t blank_at;  /* where that began */
    unsigned tags;    /* tag characters in a row */
    unsigned hidden;  /* characters that show nothing in a row */
    char marks;       /* marks still to give, */
    unsigned to_give; /* so many */
};

struct made {
    bool any;
    char byte;
    size_t at;
};

/* Latin letters with something added (U+00C0 to U+017F), and the letter; a blank where there is none. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo ouuuuy s"
                            "aaaaaaaceeeeiiiidnooooo ouuuuy y"
                            "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
                            "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
_Static_assert(sizeof latin == 0x180 - 0xc0 + 1, "one for each");

static bool shows_nothing(uint32_t c)
{
    return c == 0xad || c == 0x34f || c == 0x61c || c == 0x115f || c == 0x1160 || c == 0x17b4 ||
           c == 0x17b5 || (c >= 0x180b && c <= 0x180f) || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0x3164 ||
           (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || c == 0xffa0 || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0x1d173 && c <= 0x1d17a) || (c >= 0xe0000 && c <= 0xe0fff);
}

static bool is_blank(uint32_t c)
{
    return (c >= 0x7f && c <= 0xa0) || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0x2800;
}

/* Before a line: a quotation, a comment, a table, a list. */
static bool is_decoration(char c)
{
    return c == '>' || c == '/' || c == '|' || c == '-';
}

/* What a character of ASCII gives. */
static int of_ascii(const struct reader *reader, char c)
{
    if (c == '\n' || c == '\r')
        return LINE;
    if ((unsigned char)c <= ' ' || c == 0x7f)
        return BLANK;
    if (c == '*' || c == '`' || c == '~')
        return NOTHING; /* emphasis, code */
    if (reader->fresh && is_decoration(c))
        return NOTHING;
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* What a character beyond ASCII gives. */
static int of_code(const struct reader *reader, uint32_t c)
{
    char bytes[4];
    size_t used;
    if (c < 0x80)
        return of_ascii(reader, (char)c);
    if (c >= 0xe0020 && c <= 0xe007e)
        return TAG |
               (c - 0xe0000 >= 'A' && c - 0xe0000 <= 'Z' ? (int)(c - 0xe0000) | 0x20 : (int)(c - 0xe0000));
    if (shows_nothing(c))
        return HIDDEN;
    if (is_blank(c))
        return c == 0x2028 || c == 0x2029 ? LINE : BLANK;
    if (c >= 0x300 && c <= 0x36f)
        return NOTHING; /* an accent */
    if (c >= 0xc0 && c <= 0x17f && latin[c - 0xc0] != ' ')
        return latin[c - 0xc0];
    if ((c >= 0x2018 && c <= 0x201b) || c == 0x2bc || c == 0x2032)
        return '\'';
    if ((c >= 0x201c && c <= 0x201f) || c == 0xab || c == 0xbb || (c >= 0x300c && c <= 0x300f) || c == 0x2033)
        return '"';
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xfe58 || c == 0xfe63)
        return '-';
    if (c == 0x2026)
        return '.';
    if (c >= 0xff01 && c <= 0xff5e)
        return of_ascii(reader, (char)(c - 0xfee0));
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 63));
    bytes[0] = (char)(lead[len] | c);
    char looks = dlp_look_alike((struct str){bytes, len}, &used);
    return looks != 0 ? looks : '?';
}

/* The character of UTF-8 at the front, at least one byte of it; what is none is U+FFFD. */
static size_t character(struct str in, uint32_t *code)
{
    unsigned char lead = (unsigned char)in.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    *code = 0xfffd;
    if (len == 0 || len > in.len)
        return 1;
    uint32_t value = len == 1 ? lead : lead & (0x7f >> len);
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)in.ptr[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | ((unsigned char)in.ptr[i] & 0x3f);
    }
    *code = value;
    return len;
}

/* The next character and what it gives; `used` bytes. */
static int take(struct reader *reader, size_t *used)
{
    struct str rest = {reader->in.ptr + reader->at, reader->in.len - reader->at};
    uint32_t code;
    if (rest.ptr[0] == '&' && (*used = dlp_html_reference(rest, &code)) > 0)
        return of_code(reader, code > 0x10ffff ? 0xfffd : code);
    if (reader->html && rest.ptr[0] == '<' && !(reader->uncommented && rest.len > 1 && rest.ptr[1] == '!')) {
        enum dlp_html is = dlp_html_markup(rest, used);
        if (is == DLP_HTML_FORMS || is == DLP_HTML_PARTS)
            return is == DLP_HTML_PARTS ? LINE : NOTHING;
        if (is == DLP_HTML_OPEN) {
            reader->open = reader->open < reader->at ? reader->open : reader->at;
            reader->uncommented |= rest.len > 1 && rest.ptr[1] == '!';
        }
    }
    if ((signed char)rest.ptr[0] >= 0) {
        *used = 1;
        return of_ascii(reader, rest.ptr[0]);
    }
    *used = character(rest, &code);
    return of_code(reader, code);
}

static struct made give(char byte, size_t at)
{
    return (struct made){true, byte, at};
}

/* Counts what shows nothing; whether the row has become long enough to tell. */
static bool row(unsigned *count, unsigned enough)
{
    if (*count < enough)
        ++*count;
    else
        return false;
    return *count == enough;
}

static struct made next(struct reader *reader)
{
    while (reader->to_give > 0 || reader->at < reader->in.len) {
        if (reader->to_give > 0) {
            reader->to_give--;
            return give(reader->marks, reader->at - 1);
        }
        size_t used, at = reader->at;
        int what = take(reader, &used);
        if (what == BLANK || what == LINE) {
            reader->blank_at = reader->blank != 0 ? reader->blank_at : at;
            reader->blank = what == LINE || reader->blank == LINE ? LINE : BLANK;
            reader->fresh |= what == LINE;
        }
        if (what >= 0x20 && what != HIDDEN && what != BLANK && what != LINE) {
            if (reader->blank != 0 && reader->begun) { /* first the blank, then this character again */
                char blank = reader->blank == LINE ? '\n' : ' ';
                reader->blank = 0;
                return give(blank, reader->blank_at);
            }
            reader->fresh = false;
            reader->begun = true;
            reader->blank = 0;
        }
        reader->at += used;
        if (what == HIDDEN || what >= TAG) {
            bool told = what == HIDDEN ? row(&reader->hidden, HIDDEN_ROW) : row(&reader->tags, TAGS_ROW);
            if (told) {
                reader->marks = what == HIDDEN ? DLP_PLAIN_HIDDEN : DLP_PLAIN_TAGS;
                reader->to_give = 3;
            }
            if (what >= TAG)
                return give((char)(what & 0x7f), at);
        } else if (what != NOTHING) {
            reader->hidden = reader->tags = 0;
            if (what < 0x100)
                return give((char)what, at);
        }
    }
    return (struct made){false, 0, reader->in.len};
}

/* What a byte of ASCII gives in a row of them; those that give themselves, in lower case, are none of these. */
enum { ROW_ENDS = 0, ROW_NOTHING = 1, ROW_BLANK = ' ', ROW_LINE = '\n' };

static uint8_t row_gives[256];

__attribute__((constructor)) static void prepare(void)
{
    const struct reader reader = {.fresh = false};

    for (int c = 0; c < 0x80; c++) {
        int what = of_ascii(&reader, (char)c);
        row_gives[c] = (uint8_t)(what == NOTHING ? ROW_NOTHING
                                 : what == BLANK ? ROW_BLANK
                                 : what == LINE  ? ROW_LINE
                                                 : what);
    }
    row_gives['&'] = ROW_ENDS; /* all that is not ASCII, too */
}

/* For each kind of processor: how many bytes PIECE are, and two looks at as many at once.
 * `blanks`: how many of them from the first on are blanks, line ends or controls, and whether a line ends among these.
 * `piece` copies them to `out`, in lower case, and returns how many of them from the first on give just that within a line: visible
 * ones that are not '*', '`', '~', '&' and not `markup`, and blanks in front of such a one. */
#if defined __x86_64__
#define PIECE 32

static inline void half_piece(const unsigned char *in, char markup, char *out, unsigned *other,
                              unsigned *blank)
{
    __m128i c = _mm_loadu_si128((const __m128i *)in);
    __m128i capital =
        _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(c, _mm_set1_epi8('Z' + 1)));
    __m128i apart =
        _mm_or_si128(_mm_cmplt_epi8(c, _mm_set1_epi8(' ')), /* signed: and all that is not ASCII */
                     _mm_cmpgt_epi8(c, _mm_set1_epi8('}')));
    apart = _mm_or_si128(
        apart, _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('*')), _mm_cmpeq_epi8(c, _mm_set1_epi8('`'))));
    apart = _mm_or_si128(
        apart, _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('&')), _mm_cmpeq_epi8(c, _mm_set1_epi8(markup))));
    *blank = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_set1_epi8(' ')));
    *other = (unsigned)_mm_movemask_epi8(apart);
    _mm_storeu_si128((__m128i *)out, _mm_or_si128(c, _mm_and_si128(capital, _mm_set1_epi8(0x20))));
}

static inline unsigned piece(const unsigned char *in, char markup, char *out)
{
    unsigned other[2], blank[2];

    half_piece(in, markup, out, &other[0], &blank[0]);
    half_piece(in + 16, markup, out + 16, &other[1], &blank[1]);
    uint32_t others = other[0] | other[1] << 16, blanks = blank[0] | blank[1] << 16;
    others |= blanks & ((others | blanks) >> 1 | 1u << 31);
    return others != 0 ? (unsigned)__builtin_ctz(others) : PIECE;
}

static inline unsigned repeats(const unsigned char *in)
{
    __m128i first = _mm_set1_epi8((char)*in);
    uint32_t same =
        (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)in), first)) |
        (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(in + 16)), first)) << 16;

    return ~same != 0 ? (unsigned)__builtin_ctz(~same) : PIECE;
}
#elif defined __aarch64__
#define PIECE 16

/* Four bits for each byte. */
static inline uint64_t nibbles(uint8x16_t v)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(v), 4)), 0);
}

static inline unsigned piece(const unsigned char *in, char markup, char *out)
{
    uint8x16_t c = vld1q_u8(in);
    uint8x16_t capital = vandq_u8(vcgeq_u8(c, vdupq_n_u8('A')), vcleq_u8(c, vdupq_n_u8('Z')));
    uint8x16_t apart = vorrq_u8(vcltq_u8(c, vdupq_n_u8(' ')), vcgtq_u8(c, vdupq_n_u8('}')));
    apart = vorrq_u8(apart, vorrq_u8(vceqq_u8(c, vdupq_n_u8('*')), vceqq_u8(c, vdupq_n_u8('`'))));
    apart = vorrq_u8(apart, vorrq_u8(vceqq_u8(c, vdupq_n_u8('&')), vceqq_u8(c, vdupq_n_u8((uint8_t)markup))));
    uint64_t others = nibbles(apart), blanks = nibbles(vceqq_u8(c, vdupq_n_u8(' ')));
    others |= blanks & ((others | blanks) >> 4 | 0xfull << 60);
    vst1q_u8((uint8_t *)out, vorrq_u8(c, vandq_u8(capital, vdupq_n_u8(0x20))));
    return others != 0 ? (unsigned)__builtin_ctzll(others) / 4 : PIECE;
}

static inline unsigned repeats(const unsigned char *in)
{
    uint64_t other = ~nibbles(vceqq_u8(vld1q_u8(in), vdupq_n_u8(*in)));

    return other != 0 ? (unsigned)__builtin_ctzll(other) / 4 : PIECE;
}
#else
#define PIECE 1

static inline unsigned repeats(const unsigned char *in)
{
    (void)in;
    return 1;
}

static inline unsigned piece(const unsigned char *in, char markup, char *out)
{
    *out = (char)row_gives[*in];
    return *out > ' ' && *in != (unsigned char)markup;
}
#endif

#define STRETCH 1024 /* bytes of a line, at most, until the next place is noted */

/* ASCII in a row, without references and, in HTML, markup: what `next` would give for it byte by byte. `len` bytes are in `out` when it
 * begins; returns how many there are then. */
static size_t run(struct reader *reader, struct dlp_places *places, char *out, size_t len)
{
    const unsigned char *in = (const unsigned char *)reader->in.ptr;
    const char markup = reader->html ? '<' : '*';
    size_t at = reader->at, end = reader->in.len;
    int blank = reader->blank;
    bool fresh = reader->fresh, counts = false; /* what is counted in a row has ended */

    while (reader->to_give == 0 && at < end) {
        if (blank == 0 && !fresh && end - at >= PIECE) {
            /* The last piece begins there at the latest. */
            size_t stop = end - at > STRETCH + PIECE ? at + STRETCH : end - PIECE;
            unsigned same = PIECE;
            for (; same == PIECE && at <= stop; at += same, len += same)
                same = piece(in + at, markup, out + len);
            if (same > 0) {
                counts = true;
                if (places != NULL) /* nothing is held back, and what was hidden before counts no more */
                    dlp_places_add(places, at, len);
            }
            if (same == PIECE)
                continue;
        }
        uint8_t gives = row_gives[in[at]];
        if (gives == ROW_ENDS || (in[at] == '<' && markup == '<'))
            break;
        at++;
        if (gives == ROW_BLANK || gives == ROW_LINE) {
            size_t from = at;
            reader->blank_at = blank != 0 ? reader->blank_at : at - 1;
            for (bool line = gives == ROW_LINE;; line = row_gives[in[at++]] == ROW_LINE) {
                blank = line || blank == LINE ? LINE : BLANK;
                if (at == end || in[at] > ' ')
                    break;
                if (at - from > 16 && end - at > PIECE)
                    at += repeats(in + at) - 1;
            }
            fresh |= blank == LINE;
            counts = true;
            continue;
        }
        if (gives == ROW_NOTHING || (fresh && is_decoration((char)gives)))
            continue;
        if (blank != 0 && reader->begun)
            out[len++] = blank == LINE ? '\n' : ' ';
        out[len++] = (char)gives;
        reader->begun = counts = true;
        fresh = false;
        blank = 0;
    }
    if (counts)
        reader->hidden = reader->tags = 0;
    reader->at = at;
    reader->blank = blank;
    reader->fresh = fresh;
    return len;
}

/* Whether what is given from here on is the same whatever was before. */
static bool is_free(const struct reader *reader)
{
    return reader->to_give == 0 && reader->blank == 0 && !reader->fresh && reader->hidden == 0 &&
           reader->tags == 0;
}

size_t dlp_plain(bool html, struct str in, char *out, struct dlp_places *places, size_t *open)
{
    bool within = places != NULL && places->within;
    struct reader reader = {.in = in, .html = html, .fresh = !within, .begun = within, .open = in.len};

    if (places != NULL)
        dlp_places_begin(places);
    size_t len = run(&reader, places, out, 0);
    for (struct made made = next(&reader); made.any; made = next(&reader)) {
        out[len++] = made.byte;
        if (places != NULL && is_free(&reader))
            dlp_places_add(places, reader.at, len);
        len = run(&reader, places, out, len);
    }
    if (open != NULL)
        *open = reader.open;
    return len;
}

size_t dlp_plain_start(bool html, struct str in, const struct dlp_places *places, size_t at)
{
    struct dlp_place from =
        places != NULL ? places->all[dlp_places_find(places, at)] : (struct dlp_place){0, 0};
    bool middle = from.in > 0 || (places != NULL && places->within);
    struct reader reader = {
        .in = in, .at = from.in, .html = html, .fresh = !middle, .begun = middle, .open = in.len};
    struct made made = next(&reader);

    for (at -= from.out; made.any && at > 0; at--)
        made = next(&reader);
    return made.at;
}
