/* SPDX-License-Identifier: GPL-3.0-or-later */
/* url: strict first; what is not strict is read once more as the most lenient server would, so that a refusal
 * can say what it is about. */
#include "core/url.h"

#include <string.h>

#define ROUNDS_MAX                                                                                           \
    8 /* of decoding: no server decodes more often, and each costs a look at the whole path                  \
       */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that a "%XX" at this place stands for, or -1. */
static int encoded(const char *at, size_t left)
{
    if (left < 3 || at[0] != '%' || hex(at[1]) < 0 || hex(at[2]) < 0)
        return -1;
    return hex(at[1]) << 4 | hex(at[2]);
}

static size_t decode_once(char *text, size_t len)
{
    size_t to = 0;

    for (size_t at = 0; at < len;) {
        int byte = encoded(text + at, len - at);
        text[to++] = byte > 0 ? (char)byte : text[at];
        at += byte > 0 ? 3 : 1;
    }
    return to;
}

/* Drops "", "." and resolves ".." in place; keeps a trailing slash. */
static size_t resolve_segments(char *path, size_t len)
{
    size_t to = 0;

    for (size_t at = 0; at < len;) {
        size_t start = at + 1, end = start;
        while (end < len && path[end] != '/')
            end++;
        size_t size = end - start;
        bool last = end == len;
        if (size == 2 && memcmp(path + start, "..", 2) == 0) {
            while (to > 0 && path[--to] != '/')
                ;
        } else if (size > 0 && !(size == 1 && path[start] == '.')) {
            path[to++] = '/';
            memmove(path + to, path + start, size);
            to += size;
        } else if (last && size == 0) {
            path[to++] = '/';
        }
        at = end;
    }
    if (to == 0)
        path[to++] = '/';
    return to;
}

static void read_leniently(struct str from, char *path)
{
    size_t len = from.len, before, to = 0;

    memcpy(path, from.ptr, len);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        before = len;
        len = decode_once(path, len);
        if (len == before)
            break;
    }
    for (size_t at = 0; at < len; at++) {
        if (path[at] == ';') /* parameters end at the next slash */
            while (at + 1 < len && path[at + 1] != '/' && path[at + 1] != '\\')
                at++;
        else
            path[to++] = strchr("\\?#", path[at]) != NULL ? '/' : path[at];
    }
    path[resolve_segments(path, to)] = '\0';
}

/* RFC 3629, section 4: the shortest form only, no surrogates. Some servers take an over-long form, or any byte
 * with its high bit set, for another character. */
static bool is_utf8(const char *text, size_t len)
{
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char low, high;   /* of the second */
        size_t more;
    } forms[] = {{0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2},
                 {0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
                 {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3}};
    const size_t count = sizeof forms / sizeof forms[0];

    for (size_t at = 0; at < len;) {
        const unsigned char *bytes = (const unsigned char *)text + at;
        size_t form = 0, i = 1;
        while (form < count && (bytes[0] < forms[form].first || bytes[0] > forms[form].last))
            form++;
        if (form == count || len - at <= forms[form].more)
            return false;
        for (; i <= forms[form].more; i++)
            if (bytes[i] < (i == 1 ? forms[form].low : 0x80) || bytes[i] > (i == 1 ? forms[form].high : 0xbf))
                return false;
        at += i;
    }
    return true;
}

static bool dot_segment(const char *path, size_t len, size_t at)
{
    size_t end = at;

    while (end < len && path[end] != '/')
        end++;
    size_t size = end - at;
    return (size == 0 && end < len) || (size == 1 && path[at] == '.') ||
           (size == 2 && path[at] == '.' && path[at + 1] == '.');
}

enum url_result url_path(struct str path, char *out)
{
    bool ambiguous = false, bad = false;
    size_t to = 0;

    out[0] = '\0';
    if (path.len == 0 || path.ptr[0] != '/' || path.len > URL_PATH_MAX)
        return URL_BAD;
    for (size_t at = 0; at < path.len; at++) {
        unsigned char c = (unsigned char)path.ptr[at];
        int byte = encoded(path.ptr + at, path.len - at);
        bad = bad || c <= ' ' || c >= 0x7f || c == '#' || c == '?' || (c == '%' && byte <= 0);
        ambiguous = ambiguous || c == '\\' || c == ';' ||
                    (byte > 0 && (byte < ' ' || strchr("/\\%;?#\x7f", byte) != NULL));
    }
    for (size_t at = 0; at < path.len;) {
        int byte = encoded(path.ptr + at, path.len - at);
        out[to++] = byte > 0 ? (char)byte : path.ptr[at];
        at += byte > 0 ? 3 : 1;
    }
    out[to] = '\0';
    ambiguous = ambiguous || !is_utf8(out, to);
    for (size_t at = 0; at < to; at++)
        ambiguous = ambiguous || (out[at] == '/' && dot_segment(out, to, at + 1));
    if (!ambiguous && !bad)
        return URL_OK;
    read_leniently(path, out);
    return bad ? URL_BAD : URL_AMBIGUOUS;
}

size_t url_decode(struct str text, char *out)
{
    size_t to = 0;

    for (size_t at = 0; at < text.len;) {
        int byte = encoded(text.ptr + at, text.len - at);
        out[to++] = byte >= 0 ? (char)byte : text.ptr[at] == '+' ? ' ' : text.ptr[at];
        at += byte >= 0 ? 3 : 1;
    }
    return to;
}
