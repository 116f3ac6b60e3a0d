/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * decode: see decode.h. One loop runs every code: a step takes some bytes of input and gives up to four of output. What
 * is no writing of the code stands for itself.
 */
#include "dlp/decode.h"

#include <stdbool.h>
#include <string.h>

#include "dlp/sketch.h"

struct step {
    size_t used; /* bytes of input, at least 1 */
    size_t made;
    char out[4];
};

int dlp_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of `count` hexadecimal digits; -1 when they are not there. */
static long hex_number(struct str in, size_t at, size_t count)
{
    long number = 0;

    if (in.len < at + count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int digit = dlp_hex_digit(in.ptr[at + i]);
        if (digit < 0)
            return -1;
        number = number << 4 | digit;
    }
    return number;
}

static struct step one(char c, size_t used)
{
    return (struct step){.used = used, .made = 1, .out = {c}};
}

static struct step utf8(unsigned long code, size_t used)
{
    struct step step = {.used = used};
    char *out = step.out;

    if (code < 0x80) {
        out[step.made++] = (char)code;
        return step;
    }
    if (code < 0x800) {
        out[step.made++] = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            out[step.made++] = (char)(0xe0 | code >> 12);
        } else {
            out[step.made++] = (char)(0xf0 | code >> 18);
            out[step.made++] = (char)(0x80 | (code >> 12 & 63));
        }
        out[step.made++] = (char)(0x80 | (code >> 6 & 63));
    }
    out[step.made++] = (char)(0x80 | (code & 63));
    return step;
}

static struct step percent(struct str in)
{
    long byte = in.ptr[0] == '%' ? hex_number(in, 1, 2) : -1;

    return byte >= 0 ? one((char)byte, 3) : one(in.ptr[0], 1);
}

static struct step json(struct str in)
{
    static const char names[] = "nrtbf\"\\/'", values[] = "\n\r\t\b\f\"\\/'";
    long code;

    if (in.ptr[0] != '\\' || in.len < 2)
        return one(in.ptr[0], 1);
    if (in.ptr[1] == 'u' && (code = hex_number(in, 2, 4)) >= 0) {
        long low = code >= 0xd800 && code < 0xdc00 && in.len >= 12 && in.ptr[6] == '\\' && in.ptr[7] == 'u'
                       ? hex_number(in, 8, 4)
                       : -1;
        if (low >= 0xdc00 && low < 0xe000)
            return utf8(0x10000ul + ((unsigned long)(code - 0xd800) << 10) + (unsigned long)(low - 0xdc00),
                        12);
        return utf8((unsigned long)code, 6);
    }
    if (in.ptr[1] == 'x' && (code = hex_number(in, 2, 2)) >= 0)
        return one((char)code, 4);
    const char *name = in.ptr[1] == 'n' ? names : memchr(names, in.ptr[1], sizeof names - 1);
    return name != NULL ? one(values[name - names], 2) : one('\\', 1);
}

static struct step no_nul(struct str in)
{
    struct step step = {.used = 1, .made = in.ptr[0] != 0, .out = {in.ptr[0]}};

    while (step.used < in.len && in.ptr[step.used] == 0) /* those behind go with it */
        step.used++;
    return step;
}

/* What looks like a letter or digit of ASCII: runs of characters whose counterparts follow each other. */
static const struct {
    uint32_t first, last;
    char to[37];
} runs[] = {
    {0xff10, 0xff19, "0123456789"}, /* full width */
    {0xff21, 0xff3a, "abcdefghijklmnopqrstuvwxyz"},
    {0xff41, 0xff5a, "abcdefghijklmnopqrstuvwxyz"},
    {0x2460, 0x2468, "123456789"}, /* circled, in parentheses, with a full stop */
    {0x2474, 0x247c, "123456789"},
    {0x2488, 0x2490, "123456789"},
    {0x249c, 0x24b5, "abcdefghijklmnopqrstuvwxyz"},
    {0x24b6, 0x24cf, "abcdefghijklmnopqrstuvwxyz"},
    {0x24d0, 0x24e9, "abcdefghijklmnopqrstuvwxyz"},
    {0x2080, 0x2089, "0123456789"}, /* lowered, raised */
    {0x2074, 0x2079, "456789"},
    {0x1f130, 0x1f149, "abcdefghijklmnopqrstuvwxyz"},
    {0x1f150, 0x1f169, "abcdefghijklmnopqrstuvwxyz"},
    {0x1f170, 0x1f189, "abcdefghijklmnopqrstuvwxyz"},
    {0x1f1e6, 0x1f1ff, "abcdefghijklmnopqrstuvwxyz"}, /* regional indicators */
    {0xe0030, 0xe0039, "0123456789"},                 /* tags, which nobody sees */
    {0xe0041, 0xe005a, "abcdefghijklmnopqrstuvwxyz"},
    {0xe0061, 0xe007a, "abcdefghijklmnopqrstuvwxyz"},
};

/* Single ones: Greek and Cyrillic letters, small capitals, and what NFKC maps alone. */
static const struct {
    uint16_t code;
    char to;
} singles[] = {
    {0x00aa, 'a'}, {0x00b2, '2'}, {0x00b3, '3'}, {0x00b9, '1'}, {0x00ba, 'o'}, {0x0131, 'i'}, {0x017f, 's'},
    {0x0251, 'a'}, {0x0261, 'g'}, {0x0262, 'g'}, {0x026a, 'i'}, {0x0274, 'n'}, {0x0280, 'r'}, {0x028f, 'y'},
    {0x0299, 'b'}, {0x029c, 'h'}, {0x029f, 'l'}, {0x0391, 'a'}, {0x0392, 'b'}, {0x0395, 'e'}, {0x0396, 'z'},
    {0x0397, 'h'}, {0x0399, 'i'}, {0x039a, 'k'}, {0x039c, 'm'}, {0x039d, 'n'}, {0x039f, 'o'}, {0x03a1, 'p'},
    {0x03a4, 't'}, {0x03a5, 'y'}, {0x03a7, 'x'}, {0x03b1, 'a'}, {0x03b9, 'i'}, {0x03bd, 'v'}, {0x03bf, 'o'},
    {0x03c1, 'p'}, {0x03c5, 'u'}, {0x03f2, 'c'}, {0x03f3, 'j'}, {0x0405, 's'}, {0x0406, 'i'}, {0x0408, 'j'},
    {0x0410, 'a'}, {0x0412, 'b'}, {0x0415, 'e'}, {0x041a, 'k'}, {0x041c, 'm'}, {0x041d, 'h'}, {0x041e, 'o'},
    {0x0420, 'p'}, {0x0421, 'c'}, {0x0422, 't'}, {0x0423, 'y'}, {0x0425, 'x'}, {0x0430, 'a'}, {0x0435, 'e'},
    {0x043e, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0443, 'y'}, {0x0445, 'x'}, {0x0455, 's'}, {0x0456, 'i'},
    {0x0458, 'j'}, {0x04ae, 'y'}, {0x04af, 'y'}, {0x04bb, 'h'}, {0x04c0, 'l'}, {0x04cf, 'l'}, {0x0501, 'd'},
    {0x051b, 'q'}, {0x051d, 'w'}, {0x0578, 'n'}, {0x057d, 'u'}, {0x0585, 'o'}, {0x1d00, 'a'}, {0x1d04, 'c'},
    {0x1d05, 'd'}, {0x1d07, 'e'}, {0x1d0a, 'j'}, {0x1d0b, 'k'}, {0x1d0d, 'm'}, {0x1d0f, 'o'}, {0x1d18, 'p'},
    {0x1d1b, 't'}, {0x1d1c, 'u'}, {0x1d20, 'v'}, {0x1d21, 'w'}, {0x1d22, 'z'}, {0x2070, '0'}, {0x2071, 'i'},
    {0x207f, 'n'}, {0x2102, 'c'}, {0x210a, 'g'}, {0x210b, 'h'}, {0x210c, 'h'}, {0x210d, 'h'}, {0x210e, 'h'},
    {0x2110, 'i'}, {0x2111, 'i'}, {0x2112, 'l'}, {0x2113, 'l'}, {0x2115, 'n'}, {0x2119, 'p'}, {0x211a, 'q'},
    {0x211b, 'r'}, {0x211c, 'r'}, {0x211d, 'r'}, {0x2124, 'z'}, {0x2128, 'z'}, {0x212a, 'k'}, {0x212c, 'b'},
    {0x212d, 'c'}, {0x212f, 'e'}, {0x2130, 'e'}, {0x2131, 'f'}, {0x2133, 'm'}, {0x2134, 'o'}, {0x2139, 'i'},
    {0x2160, 'i'}, {0x2164, 'v'}, {0x2169, 'x'}, {0x216c, 'l'}, {0x216d, 'c'}, {0x216e, 'd'}, {0x216f, 'm'},
    {0x2170, 'i'}, {0x2174, 'v'}, {0x2179, 'x'}, {0x217c, 'l'}, {0x217d, 'c'}, {0x217e, 'd'}, {0x217f, 'm'},
    {0x24ea, '0'}, {0xa4d0, 'b'}, {0xa4ee, 'a'},
};

static char stands_for(uint32_t code)
{
    /* Mathematical alphanumerics: thirteen alphabets of 52, then digits, five times ten. */
    if (code >= 0x1d400 && code <= 0x1d6a3)
        return (char)('a' + (code - 0x1d400) % 26);
    if (code >= 0x1d7ce && code <= 0x1d7ff)
        return (char)('0' + (code - 0x1d7ce) % 10);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        if (code >= runs[i].first && code <= runs[i].last)
            return runs[i].to[code - runs[i].first];
    size_t low = 0, high = sizeof singles / sizeof singles[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (singles[middle].code == code)
            return singles[middle].to;
        if (singles[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static char alnum(char c)
{
    char folded = c | 0x20;

    if (c >= '0' && c <= '9')
        return c;
    return folded >= 'a' && folded <= 'z' ? folded : 0;
}

char dlp_look_alike(struct str in, size_t *used)
{
    uint8_t lead = (uint8_t)in.ptr[0];
    size_t more = lead >= 0xf0 && lead < 0xf8   ? 3
                  : lead >= 0xe0 && lead < 0xf0 ? 2
                  : lead >= 0xc0 && lead < 0xe0 ? 1
                                                : 0;
    uint32_t code = more == 3 ? lead & 7 : more == 2 ? lead & 15 : lead & 31;

    *used = 1;
    if (lead < 0x80)
        return alnum(in.ptr[0]);
    if (more == 0 || in.len <= more)
        return 0;
    for (size_t i = 1; i <= more; i++) {
        if (((uint8_t)in.ptr[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((uint8_t)in.ptr[i] & 63);
    }
    *used = 1 + more;
    return stands_for(code);
}

/* Characters that take no room: zero-width, directions, soft hyphen, tags, variations. */
static bool hidden(const uint8_t *c)
{
    return (c[0] == 0xc2 && c[1] == 0xad) || (c[0] == 0xef && c[1] == 0xbb) ||
           (c[0] == 0xf3 && c[1] == 0xa0) || (c[0] == 0xef && c[1] == 0xb8) ||
           (c[0] == 0xcd && c[1] == 0x8f) ||
           (c[0] == 0xe2 &&
            ((c[1] == 0x80 && (c[2] <= 0x8f || c[2] >= 0xa8)) || (c[1] == 0x81 && c[2] >= 0xa0)));
}

bool dlp_has_alikes(struct str piece, bool whole)
{
    const uint8_t *text = (const uint8_t *)piece.ptr;
    size_t at = 0, used;
    bool found = false;

    while (at < piece.len && at < 3 && (text[at] & 0xc0) == 0x80)
        at++;
    for (; at < piece.len; at += used) {
        uint8_t c = text[at];
        used = 1;
        if (c < 0x80)
            continue;
        size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4)
            return false;
        if (piece.len - at <= more)
            return found && !whole;
        for (size_t i = 1; i <= more; i++)
            if ((text[at + i] & 0xc0) != 0x80)
                return false;
        found = found || hidden(text + at) ||
                dlp_look_alike((struct str){piece.ptr + at, piece.len - at}, &used) != 0;
        used = 1 + more;
    }
    return found;
}

static struct step letters(struct str in)
{
    struct step step;
    char c = dlp_look_alike(in, &step.used);

    step.made = c != 0;
    step.out[0] = c;
    return step;
}

/* The codes of digits: hexadecimal, base32, base64. */

static int value32(char c)
{
    char folded = c | 0x20;

    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    return folded >= 'a' && folded <= 'z' ? folded - 'a' : -1;
}

static int value64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* The digit here; *used of it and of the line ends before it. -1: none. */
static int digit(enum dlp_code code, struct str in, size_t *used)
{
    size_t at = 0;

    if (code == DLP_BASE64)
        while (at < in.len) {
            if (in.ptr[at] == '\r' || in.ptr[at] == '\n' || in.ptr[at] == ' ' || in.ptr[at] == '\t')
                at++;
            else if (in.ptr[at] == '\\' && at + 1 < in.len &&
                     (in.ptr[at + 1] == 'n' || in.ptr[at + 1] == 'r'))
                at += 2;
            else
                break;
        }
    *used = at + 1;
    if (at >= in.len)
        return -1;
    return code == DLP_HEX      ? dlp_hex_digit(in.ptr[at])
           : code == DLP_BASE32 ? value32(in.ptr[at])
                                : value64(in.ptr[at]);
}

/* What a run of a decoder is to find out. */
struct wish {
    char *out; /* NULL: nothing */
    size_t at; /* a place in the output */
    bool end;  /* where the writing of what is before it ends, not where it begins */
};

/* `phase` digits of the first group are missing in front: they count as zero. */
static size_t digits(enum dlp_code code, unsigned phase, struct str in, struct wish wish, size_t *made)
{
    unsigned width = code == DLP_HEX ? 4 : code == DLP_BASE32 ? 5 : 6, have = phase * width;
    uint32_t bits = 0;
    size_t at = 0, begin = 0, used;

    *made = 0;
    for (;;) {
        for (; have >= 8;
             begin = at > 0 ? at - 1 : 0) { /* bits that are left in a digit are the next byte's */
            have -= 8;
            if (!wish.end && *made == wish.at)
                return begin;
            if (wish.out != NULL)
                wish.out[*made] = (char)(bits >> have);
            ++*made;
            if (wish.end && *made == wish.at)
                return at;
        }
        int value = digit(code, (struct str){in.ptr + at, in.len - at}, &used);
        if (value < 0)
            return at;
        at += used;
        if (have == 0)
            begin = at - 1;
        bits = bits << width | (uint32_t)value;
        have += width;
    }
}

/* How many bytes stand for themselves until the next that may not. */
static size_t plain(enum dlp_code code, struct str in)
{
    if (code != DLP_PERCENT && code != DLP_JSON)
        return 0;
    const char *next = memchr(in.ptr, code == DLP_JSON ? '\\' : '%', in.len);
    return next != NULL ? (size_t)(next - in.ptr) : in.len;
}

static size_t run(enum dlp_code code, unsigned phase, struct str in, struct wish wish, size_t *made)
{
    size_t at = 0;

    if (code == DLP_HEX || code == DLP_BASE32 || code == DLP_BASE64)
        return digits(code, phase, in, wish, made);
    for (*made = 0; at < in.len;) {
        struct str rest = {in.ptr + at, in.len - at};
        size_t same = plain(code, rest);
        if (same > 0) {
            if (wish.at < *made + same + wish.end)
                return at + (wish.at - *made);
            if (wish.out != NULL)
                memcpy(wish.out + *made, rest.ptr, same);
            *made += same;
            at += same;
            continue;
        }
        struct step step = code == DLP_PERCENT ? percent(rest)
                           : code == DLP_JSON  ? json(rest)
                           : code == DLP_NULS  ? no_nul(rest)
                                               : letters(rest);
        if (!wish.end && wish.at < *made + step.made)
            return at;
        if (wish.out != NULL)
            memcpy(wish.out + *made, step.out, step.made);
        *made += step.made;
        at += step.used;
        if (wish.end && step.made > 0 && wish.at <= *made)
            return at;
    }
    return at;
}

/* What `letters` makes of all of it, without a step for each byte: a letter is put down always, and counted when it is one. */
static size_t all_letters(struct str in, char *out)
{
    size_t made = 0, used;

    for (size_t at = 0; at < in.len; at += used) {
        uint8_t c = (uint8_t)in.ptr[at];
        char letter;
        used = 1;
        if (c < 0x80) {
            letter = dlp_tables.letters[c];
            out[made] = letter;
            made += letter != 0;
            continue;
        }
        letter = dlp_look_alike((struct str){in.ptr + at, in.len - at}, &used);
        out[made] = letter;
        made += letter != 0;
    }
    return made;
}

/* The same for `no_nul`. */
static size_t no_nuls(struct str in, char *out)
{
    size_t made = 0;

    for (size_t at = 0; at < in.len; at++) {
        out[made] = in.ptr[at];
        made += in.ptr[at] != 0;
    }
    return made;
}

/* What `digits` makes of base64 that is in one piece. Returns false when it is not. */
static bool plain64(unsigned phase, struct str in, char *out, size_t *made)
{
    uint32_t bits = 0;
    unsigned have = phase * 6;
    size_t count = 0;

    for (; have >= 8; have -= 8)
        out[count++] = 0;
    for (size_t at = 0; at < in.len; at++) {
        uint8_t value = dlp_tables.values[(uint8_t)in.ptr[at]];
        if (value == DLP_NO_DIGIT)
            return false;
        bits = bits << 6 | value;
        have += 6;
        out[count] = (char)(bits >> (have >= 8 ? have - 8 : 0));
        count += have >= 8;
        have -= have >= 8 ? 8 : 0;
    }
    *made = count;
    return true;
}

size_t dlp_decode(enum dlp_code code, unsigned phase, struct str in, char *out)
{
    size_t made;

    if (!dlp_tables.ready)
        dlp_sketch_prepare();
    if (code == DLP_ALNUM)
        return all_letters(in, out);
    if (code == DLP_NULS)
        return no_nuls(in, out);
    if (code == DLP_BASE64 && plain64(phase, in, out, &made))
        return made;
    run(code, phase, in, (struct wish){.out = out, .at = SIZE_MAX, .end = true}, &made);
    return made;
}

size_t dlp_unescape(struct str in, char *out, struct dlp_places *places)
{
    size_t made = 0;

    dlp_places_begin(places);
    for (size_t at = 0; at < in.len;) {
        struct str rest = {in.ptr + at, in.len - at};
        struct str near = {rest.ptr, rest.len < DLP_PLACES_APART ? rest.len : DLP_PLACES_APART};
        size_t same = plain(DLP_JSON, near);
        if (same > 0) {
            memcpy(out + made, rest.ptr, same);
            at += same;
            made += same;
        } else {
            struct step step = json(rest);
            memcpy(out + made, step.out, sizeof step.out); /* of which step.made count: there is room */
            at += step.used;
            made += step.made;
        }
        dlp_places_add(places, at, made);
    }
    return made;
}

size_t dlp_decode_start(enum dlp_code code, unsigned phase, struct str in, size_t at)
{
    size_t made;

    return run(code, phase, in, (struct wish){.at = at}, &made);
}

size_t dlp_decode_end(enum dlp_code code, unsigned phase, struct str in, size_t at)
{
    size_t made;

    return at == 0 ? 0 : run(code, phase, in, (struct wish){.at = at, .end = true}, &made);
}
