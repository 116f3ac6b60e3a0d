/* SPDX-License-Identifier: GPL-3.0-or-later */
/* writing: see writing.h. */
#include "tests/dlp/writing.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 16384

static const char *const names[WRITINGS] = {
    [WRITE_RAW] = "as it is",
    [WRITE_PERCENT] = "percent",
    [WRITE_PERCENT_SOME] = "percent, some bytes",
    [WRITE_PERCENT_TWICE] = "percent twice",
    [WRITE_JSON] = "JSON escapes",
    [WRITE_JSON_SOME] = "JSON escapes, some bytes",
    [WRITE_JSON_TWICE] = "JSON in JSON",
    [WRITE_BASE64] = "base64",
    [WRITE_BASE64URL] = "base64url",
    [WRITE_BASE64_LINES] = "base64 in lines",
    [WRITE_BASE64_ESCAPED] = "base64 in escaped lines",
    [WRITE_BASE32] = "base32",
    [WRITE_BASE32_LOWER] = "base32, lower case",
    [WRITE_HEX] = "hexadecimal",
    [WRITE_HEX_UPPER] = "hexadecimal, upper case",
    [WRITE_UTF16LE] = "UTF-16LE",
    [WRITE_UTF16BE] = "UTF-16BE",
    [WRITE_UTF32LE] = "UTF-32LE",
    [WRITE_BASE64_BASE64] = "base64 in base64",
    [WRITE_BASE64_UTF16] = "UTF-16 in base64",
    [WRITE_BASE64_JSON] = "JSON escapes in base64",
    [WRITE_BASE64_PERCENT] = "percent in base64",
    [WRITE_PERCENT_BASE64] = "base64 in percent",
    [WRITE_JSON_BASE64] = "base64 in JSON escapes",
    [WRITE_HEX_BASE64] = "base64 in hexadecimal",
    [WRITE_BASE64_HEX] = "hexadecimal in base64",
    [WRITE_BASE64_BASE64_BASE64] = "base64 three times",
    [WRITE_SPACED] = "blanks between",
    [WRITE_DASHED] = "dashes between",
    [WRITE_UPPER] = "upper case",
    [WRITE_ZERO_WIDTH] = "zero-width blanks between",
    [WRITE_FULL_WIDTH] = "full width",
    [WRITE_CYRILLIC] = "Cyrillic",
};

const char *writing_name(enum writing writing)
{
    return names[writing];
}

unsigned writing_places(enum writing writing)
{
    return writing == WRITE_BASE64 || writing == WRITE_BASE64URL              ? 12
           : writing == WRITE_BASE64_LINES || writing == WRITE_BASE64_ESCAPED ? 3
           : writing == WRITE_BASE32 || writing == WRITE_BASE32_LOWER         ? 5
           : writing == WRITE_BASE64_BASE64 || writing == WRITE_BASE64_UTF16 || writing == WRITE_BASE64_HEX
               ? 3
               : 1;
}

size_t write_percent(struct str in, size_t every, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++)
        if (i % every == 0)
            len += (size_t)sprintf(out + len, i % 2 ? "%%%02x" : "%%%02X", (unsigned char)in.ptr[i]);
        else
            out[len++] = in.ptr[i];
    return len;
}

size_t write_json(struct str in, size_t every, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '\n') {
            out[len++] = '\\';
            out[len++] = 'n';
        } else if (i % every == 0) {
            len += (size_t)sprintf(out + len, i % 2 ? "\\u%04x" : "\\u%04X", (unsigned char)c);
        } else {
            if (c == '"' || c == '\\')
                out[len++] = '\\';
            out[len++] = c;
        }
    }
    return len;
}

/* Bits of `in`, `width` at a time. */
static size_t write_bits(struct str in, unsigned width, const char *alphabet, char *out)
{
    size_t len = 0;

    for (size_t bit = 0; bit < 8 * in.len; bit += width) {
        unsigned value = 0;
        for (size_t i = bit; i < bit + width; i++)
            value = value << 1 | (i < 8 * in.len ? (unsigned char)in.ptr[i / 8] >> (7 - i % 8) & 1 : 0);
        out[len++] = alphabet[value];
    }
    return len;
}

size_t write_base64(struct str in, const char *last_two, char *out)
{
    char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    memcpy(alphabet + 62, last_two, 2);
    size_t len = write_bits(in, 6, alphabet, out);
    while (len % 4 != 0 && last_two[0] == '+')
        out[len++] = '=';
    return len;
}

size_t write_base32(struct str in, const char *alphabet, char *out)
{
    size_t len = write_bits(in, 5, alphabet, out);

    while (len % 8 != 0)
        out[len++] = '=';
    return len;
}

size_t write_hex(struct str in, const char *digits, char *out)
{
    return write_bits(in, 4, digits, out);
}

/* `front` bytes of NULs before each byte and `behind` after it. */
static size_t write_wide(struct str in, size_t front, size_t behind, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        for (size_t n = 0; n < front; n++)
            out[len++] = 0;
        out[len++] = in.ptr[i];
        for (size_t n = 0; n < behind; n++)
            out[len++] = 0;
    }
    return len;
}

static size_t write_between(struct str in, size_t every, const char *between, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        out[len++] = in.ptr[i];
        if (i % every == every - 1 && i + 1 < in.len)
            len += (size_t)sprintf(out + len, "%s", between);
    }
    return len;
}

static size_t write_full_width(struct str in, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        unsigned code = 0xff00u + (unsigned char)in.ptr[i] - 0x20u;
        out[len++] = (char)0xef;
        out[len++] = (char)(0x80 | (code >> 6 & 63));
        out[len++] = (char)(0x80 | (code & 63));
    }
    return len;
}

static size_t write_cyrillic(struct str in, char *out)
{
    static const char latin[] = "aceopxyABEKMHOPCTX";
    static const char *const twins[] = {"\xd0\xb0", "\xd1\x81", "\xd0\xb5", "\xd0\xbe", "\xd1\x80",
                                        "\xd1\x85", "\xd1\x83", "\xd0\x90", "\xd0\x92", "\xd0\x95",
                                        "\xd0\x9a", "\xd0\x9c", "\xd0\x9d", "\xd0\x9e", "\xd0\xa0",
                                        "\xd0\xa1", "\xd0\xa2", "\xd0\xa5"};
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        const char *at = memchr(latin, in.ptr[i], sizeof latin - 1);
        if (at != NULL)
            len += (size_t)sprintf(out + len, "%s", twins[at - latin]);
        else
            out[len++] = in.ptr[i];
    }
    return len;
}

static size_t write_upper(struct str in, char *out)
{
    for (size_t i = 0; i < in.len; i++)
        out[i] = in.ptr[i] >= 'a' && in.ptr[i] <= 'z' ? (char)(in.ptr[i] - 32) : in.ptr[i];
    return in.len;
}

/* Some bytes, the secret and some bytes more, written with groups of `group` bytes as `digits` digits each. */
static size_t write_digits(enum writing writing, unsigned place, struct str secret, char *out, size_t *start,
                           size_t *end)
{
    static const char padding[] = "<[(!<"; /* nothing that a token could go on with */
    bool base32 = writing == WRITE_BASE32 || writing == WRITE_BASE32_LOWER;
    size_t bytes_in_front = base32 ? place % 5 : place % 3, digits_in_front = base32 ? 0 : place / 3,
           width = base32 ? 5 : 6;
    char whole[TEXT_MAX];

    memcpy(out, "///", digits_in_front);
    memcpy(whole, padding, bytes_in_front);
    memcpy(whole + bytes_in_front, secret.ptr, secret.len);
    memcpy(whole + bytes_in_front + secret.len, padding, 5);
    struct str all = {whole, bytes_in_front + secret.len + 5};
    size_t len = base32 ? write_base32(all,
                                       writing == WRITE_BASE32 ? "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
                                                               : "abcdefghijklmnopqrstuvwxyz234567",
                                       out + digits_in_front)
                        : write_base64(all, writing == WRITE_BASE64URL ? "-_" : "+/", out + digits_in_front);
    *start = digits_in_front + 8 * bytes_in_front / width;
    *end = digits_in_front + (8 * (bytes_in_front + secret.len) + width - 1) / width;
    return digits_in_front + len;
}

/* Long enough to have the secret on two lines. */
static size_t write_lines(const char *line_end, unsigned place, struct str secret, char *out, size_t *start,
                          size_t *end)
{
    char whole[TEXT_MAX], digits[TEXT_MAX];
    size_t front = 171 - 6 - secret.len % 40 + place, len = 0;

    for (size_t i = 0; i < front; i++)
        whole[i] = "The quick brown fox, "[i % 21];
    whole[front - 1] = '<';
    memcpy(whole + front, secret.ptr, secret.len);
    for (size_t i = 0; i < 50; i++)
        whole[front + secret.len + i] = "> and the lazy dog"[i % 18];
    size_t count = write_base64((struct str){whole, front + secret.len + 50}, "+/", digits);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && i % 76 == 0)
            len += (size_t)sprintf(out + len, "%s", line_end);
        if (i == 8 * front / 6)
            *start = len;
        out[len++] = digits[i];
        if (i + 1 == (8 * (front + secret.len) + 5) / 6)
            *end = len;
    }
    return len;
}

/* One writing within another. */
static size_t write_within(enum writing inner, enum writing outer, unsigned place, struct str secret,
                           char *out, size_t *start, size_t *end)
{
    char text[TEXT_MAX];
    size_t len = write_as(inner, 0, secret, text, start, end);

    return write_as(outer, place, (struct str){text, len}, out, start, end);
}

/* Those that are another one within another. */
static const struct {
    enum writing writing, inner, outer;
} nested[] = {
    {WRITE_BASE64_BASE64, WRITE_BASE64, WRITE_BASE64},
    {WRITE_BASE64_BASE64_BASE64, WRITE_BASE64_BASE64, WRITE_BASE64},
    {WRITE_BASE64_UTF16, WRITE_UTF16LE, WRITE_BASE64},
    {WRITE_BASE64_JSON, WRITE_JSON, WRITE_BASE64},
    {WRITE_BASE64_PERCENT, WRITE_PERCENT, WRITE_BASE64},
    {WRITE_BASE64_HEX, WRITE_HEX, WRITE_BASE64},
    {WRITE_PERCENT_BASE64, WRITE_BASE64, WRITE_PERCENT},
    {WRITE_JSON_BASE64, WRITE_BASE64, WRITE_JSON},
    {WRITE_HEX_BASE64, WRITE_BASE64, WRITE_HEX},
};

/* Those that write the secret and nothing around it. */
static size_t write_alone(enum writing writing, struct str secret, char *out)
{
    char text[TEXT_MAX];

    switch (writing) {
    case WRITE_RAW:
        memcpy(out, secret.ptr, secret.len);
        return secret.len;
    case WRITE_PERCENT:
        return write_percent(secret, 1, out);
    case WRITE_PERCENT_SOME:
        return write_percent(secret, 3, out);
    case WRITE_PERCENT_TWICE:
        return write_percent((struct str){text, write_percent(secret, 1, text)}, 3, out);
    case WRITE_JSON:
        return write_json(secret, 1, out);
    case WRITE_JSON_SOME:
        return write_json(secret, 4, out);
    case WRITE_JSON_TWICE:
        return write_json((struct str){text, write_json(secret, 2, text)}, SIZE_MAX, out);
    case WRITE_HEX:
        return write_hex(secret, "0123456789abcdef", out);
    case WRITE_HEX_UPPER:
        return write_hex(secret, "0123456789ABCDEF", out);
    case WRITE_UTF16LE:
        return write_wide(secret, 0, 1, out);
    case WRITE_UTF16BE:
        return write_wide(secret, 1, 0, out);
    case WRITE_UTF32LE:
        return write_wide(secret, 0, 3, out);
    case WRITE_SPACED:
        return write_between(secret, 1, " ", out);
    case WRITE_DASHED:
        return write_between(secret, 2, "-", out);
    case WRITE_ZERO_WIDTH:
        return write_between(secret, 1, "\xe2\x80\x8b", out);
    case WRITE_UPPER:
        return write_upper(secret, out);
    case WRITE_FULL_WIDTH:
        return write_full_width(secret, out);
    case WRITE_CYRILLIC:
        return write_cyrillic(secret, out);
    default:
        abort();
    }
}

size_t write_as(enum writing writing, unsigned place, struct str secret, char *out, size_t *start,
                size_t *end)
{
    for (size_t i = 0; i < sizeof nested / sizeof nested[0]; i++)
        if (nested[i].writing == writing)
            return write_within(nested[i].inner, nested[i].outer, place, secret, out, start, end);
    switch (writing) {
    case WRITE_BASE64:
    case WRITE_BASE64URL:
    case WRITE_BASE32:
    case WRITE_BASE32_LOWER:
        return write_digits(writing, place, secret, out, start, end);
    case WRITE_BASE64_LINES:
        return write_lines("\r\n", place, secret, out, start, end);
    case WRITE_BASE64_ESCAPED:
        return write_lines("\\n", place, secret, out, start, end);
    default:
        *start = writing == WRITE_UTF16BE; /* the first NUL says nothing */
        *end = write_alone(writing, secret, out);
        return *end;
    }
}
