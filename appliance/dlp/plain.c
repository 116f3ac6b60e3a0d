/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plain: see plain.h. A reader takes the text character by character and gives at most one byte for each; what it gives
 * depends on what is before only in that blanks are held until something else comes.
 */
#include "dlp/plain.h"

#include <stdint.h>
#include <string.h>

#include "dlp/decode.h"

#define TAGS_ROW   8
#define HIDDEN_ROW 16
#define TAG_MAX    4096 /* bytes of an element's tag; a longer one is text */

/* What a character gives, besides a byte of ASCII. */
enum { NOTHING = 0, BLANK = 0x100, LINE = 0x101, HIDDEN = 0x102, TAG = 0x200 /* or'ed with the byte */ };

struct reader {
    struct str in;
    size_t at;
    bool html;
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

static const struct {
    const char *name;
    uint32_t code;
} references[] = {
    {"amp", '&'},      {"lt", '<'},     {"gt", '>'},      {"quot", '"'},   {"apos", '\''},
    {"nbsp", ' '},     {"ensp", ' '},   {"emsp", ' '},    {"thinsp", ' '}, {"Tab", '\t'},
    {"NewLine", '\n'}, {"shy", 0xad},   {"zwnj", 0x200c}, {"zwj", 0x200d}, {"ZeroWidthSpace", 0x200b},
    {"lrm", 0x200e},   {"rlm", 0x200f}, {"lsquo", '\''},  {"rsquo", '\''}, {"ldquo", '"'},
    {"rdquo", '"'},    {"ndash", '-'},  {"mdash", '-'},   {"hyphen", '-'}, {"colon", ':'},
    {"semi", ';'},     {"comma", ','},  {"period", '.'},  {"excl", '!'},   {"quest", '?'},
    {"lpar", '('},     {"rpar", ')'},   {"lsqb", '['},    {"rsqb", ']'},   {"lcub", '{'},
    {"rcub", '}'},     {"verbar", '|'}, {"vert", '|'},    {"lowbar", '_'}, {"sol", '/'},
    {"bsol", '\\'},    {"num", '#'},    {"commat", '@'},  {"equals", '='}, {"hellip", '.'},
};

static bool is_letter(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A character reference at the front of `in`, which begins with '&'. Returns its length; 0: none. */
static size_t reference(struct str in, uint32_t *code)
{
    size_t at = 1;
    if (in.len > 3 && in.ptr[1] == '#') {
        bool hex = (in.ptr[2] | 0x20) == 'x';
        uint32_t number = 0;
        at = hex ? 3 : 2;
        size_t first = at;
        for (; at < in.len && at < first + 8; at++) {
            char c = in.ptr[at];
            if (is_digit(c))
                number = number * (hex ? 16 : 10) + (uint32_t)(c - '0');
            else if (hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                number = number * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
            else
                break;
        }
        if (at == first)
            return 0;
        *code = number;
        return at < in.len && in.ptr[at] == ';' ? at + 1 : at;
    }
    while (at < in.len && at < 16 && is_letter(in.ptr[at]))
        at++;
    if (at == in.len || in.ptr[at] != ';')
        return 0;
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++)
        if (strlen(references[i].name) == at - 1 && memcmp(references[i].name, in.ptr + 1, at - 1) == 0) {
            *code = references[i].code;
            return at + 1;
        }
    return 0;
}

/* Elements that only give a form to the text in a line, and those that part it; each name between blanks. */
static const char inline_names[] =
    " a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rp "
    "rt ruby s samp small span strike strong sub sup time tt u var wbr ";
static const char block_names[] = " address area article aside audio base blockquote body br button canvas "
                                  "caption center col colgroup dd details dialog "
                                  "dir div dl dt embed fieldset figcaption figure footer form frame frameset "
                                  "h1 h2 h3 h4 h5 h6 head header hr html iframe "
                                  "img input legend li link main map menu meta meter nav noframes noscript "
                                  "object ol optgroup option output p param "
                                  "picture pre progress script section select source style summary svg table "
                                  "tbody td template textarea tfoot th thead "
                                  "title tr track ul video path g ";

static bool is_name(const char *names, struct str name)
{
    char word[16];
    if (name.len + 3 > sizeof word)
        return false;
    word[0] = ' ';
    for (size_t i = 0; i < name.len; i++)
        word[1 + i] = is_letter(name.ptr[i]) ? (char)(name.ptr[i] | 0x20) : name.ptr[i];
    memcpy(word + 1 + name.len, " ", 2);
    return strstr(names, word) != NULL;
}

/* Markup at the front of `in`, which begins with '<': its length, and whether it parts words. 0: it is text. */
static size_t markup(struct str in, bool *parts)
{
    *parts = false;
    if (in.len > 3 && memcmp(in.ptr, "<!--", 4) == 0) {
        const char *end = memmem(in.ptr + 4, in.len - 4, "-->", 3);
        return end != NULL ? (size_t)(end - in.ptr) + 3 : 0;
    }
    size_t start = in.len > 1 && in.ptr[1] == '/' ? 2 : 1, at = start;
    while (at < in.len && at < start + 12 && (is_letter(in.ptr[at]) || is_digit(in.ptr[at])))
        at++;
    struct str name = {in.ptr + start, at - start};
    bool forms = is_name(inline_names, name);
    if (name.len == 0 || (!forms && !is_name(block_names, name)))
        return 0;
    *parts = !forms;
    char quote = 0;
    for (; at < in.len && at < TAG_MAX; at++) {
        char c = in.ptr[at];
        if (quote != 0)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            return at + 1;
    }
    return 0;
}

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

/* What a character of ASCII gives. */
static int of_ascii(const struct reader *reader, char c)
{
    if (c == '\n' || c == '\r')
        return LINE;
    if ((unsigned char)c <= ' ' || c == 0x7f)
        return BLANK;
    if (c == '*' || c == '`' || c == '~')
        return NOTHING; /* emphasis, code */
    if (reader->fresh && strchr(">/|-", c) != NULL)
        return NOTHING; /* a quotation, a comment, a table, a list */
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
static int take(const struct reader *reader, size_t *used)
{
    struct str rest = {reader->in.ptr + reader->at, reader->in.len - reader->at};
    uint32_t code;
    bool parts;
    if (rest.ptr[0] == '&' && (*used = reference(rest, &code)) > 0)
        return of_code(reader, code > 0x10ffff ? 0xfffd : code);
    if (reader->html && rest.ptr[0] == '<' && (*used = markup(rest, &parts)) > 0)
        return parts ? LINE : NOTHING;
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

/* What a byte gives that gives one byte whatever is around it within a line, as most of a text does; 0: it is not so. */
static const char *within_a_line(void)
{
    static const char apart[] = "*`~&<";
    static char table[256];

    for (int c = '!'; table['}'] == 0 && c < 0x7f; c++)
        if (strchr(apart, c) == NULL)
            table[c] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    return table;
}

/* So many bytes at once, where all of them are of those or single blanks; `in` has one byte more. */
#define PIECE 16
typedef uint8_t piece_u8 __attribute__((vector_size(PIECE)));
typedef uint64_t piece_u64 __attribute__((vector_size(PIECE)));

static bool piece(const unsigned char *in, const char *table, char *out)
{
    piece_u8 c, after;

    memcpy(&c, in, PIECE);
    memcpy(&after, in + 1, PIECE);
    piece_u8 apart = (piece_u8)(c < ' ') | (piece_u8)(c > '}') | (piece_u8)(c == '*') | (piece_u8)(c == '`') |
                     (piece_u8)(c == '&') | (piece_u8)(c == '<') |
                     ((piece_u8)(c == ' ') & (piece_u8)(after == ' '));
    piece_u64 any = (piece_u64)apart;
    if ((any[0] | any[1]) != 0 || (in[PIECE - 1] == ' ' && table[in[PIECE]] == 0))
        return false;
    c |= (piece_u8)(c >= 'A') & (piece_u8)(c <= 'Z') & 0x20;
    memcpy(out, &c, PIECE);
    return true;
}

/* As many of those, and blanks between two of them, as there are in a row: what `next` would give for them one by one. */
static size_t run(struct reader *reader, const char *table, char *out)
{
    const unsigned char *in = (const unsigned char *)reader->in.ptr;
    size_t at = reader->at, end = reader->in.len, len = 0;

    if (reader->to_give > 0 || reader->blank != 0 || reader->fresh || !reader->begun)
        return 0;
    for (; end - at > PIECE && piece(in + at, table, out + len); at += PIECE)
        len += PIECE;
    for (; at < end; at++) { /* what is no such piece has an end of the row in it, or is the last */
        char gives = table[in[at]];
        if (gives == 0 && (in[at] != ' ' || at + 1 == end || table[in[at + 1]] == 0))
            break;
        out[len++] = gives != 0 ? gives : ' ';
    }
    if (len > 0)
        reader->hidden = reader->tags = 0;
    reader->at = at;
    return len;
}

size_t dlp_plain(bool html, struct str in, char *out)
{
    struct reader reader = {.in = in, .html = html, .fresh = true};
    const char *table = within_a_line();
    size_t len = 0;

    for (struct made made = next(&reader); made.any; made = next(&reader)) {
        out[len++] = made.byte;
        len += run(&reader, table, out + len);
    }
    return len;
}

size_t dlp_plain_start(bool html, struct str in, size_t at)
{
    struct reader reader = {.in = in, .html = html, .fresh = true};
    struct made made = next(&reader);
    for (; made.any && at > 0; at--)
        made = next(&reader);
    return made.at;
}
