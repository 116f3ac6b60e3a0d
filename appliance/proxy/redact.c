/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * redact: see redact.h. A needle is the value, or one of its base64 forms; each of its bytes may stand in the
 * text in any of the ways of `ways`. Every three bytes in a row that can occur inside any writing of any
 * needle are in one bitmap. A writing as long as the shortest needle holds so many triples in a row that
 * looking at every `stride`-th place is enough to meet one; from there the run of known triples is followed
 * both ways, and only inside of a run that is long enough are needles compared. Bytes are covered only when
 * nothing that begins before their end is undecided.
 */
#include "proxy/redact.h"

#include <stdlib.h>
#include <string.h>

#include "core/secret.h"

#define NEEDLES_MAX 7
#define STRIDE_MAX  32
#define MAP_BITS    16
#define WAY_MAX     6 /* bytes of the longest way to write one: \u0041 */
#define HELD_MAX    ((size_t)WAY_MAX * 2 * SECRET_MAX + 65536)

struct redactor {
    size_t size;    /* bytes of this allocation */
    size_t triples; /* that any writing has at least, in a row */
    size_t stride;
    size_t count;
    struct str needles[NEEDLES_MAX];
    uint8_t map[(1u << MAP_BITS) / 8];
    char bytes[]; /* of the needles */
};

static uint32_t slot_of(const char *at)
{
    uint32_t triple = (uint8_t)at[0] | (uint32_t)(uint8_t)at[1] << 8 | (uint32_t)(uint8_t)at[2] << 16;

    return triple * 0x9e3779b1u >> (32 - MAP_BITS);
}

static bool known(const struct redactor *redactor, const char *at)
{
    uint32_t slot = slot_of(at);

    return redactor->map[slot / 8] & 1u << slot % 8;
}

/* Building. */

static bool alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The ways to write one byte. Returns their number; their lengths vary. */
static size_t ways(char c, char out[6][WAY_MAX + 1])
{
    static const char *const digits[] = {"0123456789abcdef", "0123456789ABCDEF"};
    unsigned byte = (unsigned char)c;
    size_t count = 0;

    out[count][0] = c;
    out[count++][1] = '\0';
    if (!alphanumeric(c))
        memcpy(out[count++], (char[]){'\\', c, '\0'}, 3);
    for (size_t i = 0; i < 2; i++) {
        char high = digits[i][byte >> 4], low = digits[i][byte & 15];
        memcpy(out[count++], (char[]){'%', high, low, '\0'}, 4);
        memcpy(out[count++], (char[]){'\\', 'u', '0', '0', high, low, '\0'}, 7);
    }
    return count;
}

static void learn(struct redactor *redactor, const char *text, size_t starts)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < starts && at + 3 <= len; at++) {
        uint32_t slot = slot_of(text + at);
        redactor->map[slot / 8] |= (uint8_t)(1u << slot % 8);
    }
}

/* The triples that begin in any way to write the needle's byte at this place. */
static void learn_at(struct redactor *redactor, struct str needle, size_t at)
{
    char all[3][6][WAY_MAX + 1], text[3 * WAY_MAX + 1];
    size_t counts[3] = {1, 1, 1};

    for (size_t i = 0; i < 3; i++) {
        all[i][0][0] = '\0';
        if (at + i < needle.len)
            counts[i] = ways(needle.ptr[at + i], all[i]);
    }
    for (size_t a = 0; a < counts[0]; a++)
        for (size_t b = 0; b < counts[1]; b++)
            for (size_t c = 0; c < counts[2]; c++) {
                size_t len = strlen(all[0][a]);
                memcpy(text, all[0][a], len);
                strcpy(text + len, all[1][b]);
                strcat(text, all[2][c]);
                learn(redactor, text, len);
            }
    secret_wipe(all, sizeof all);
    secret_wipe(text, sizeof text);
}

/* The base64 digits that hold nothing but bits of the value, when `before` bytes stand before it in its
 * group. */
static size_t encode(struct str value, size_t before, bool url, char *out)
{
    static const char *const digits[] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};
    size_t first = (8 * before + 5) / 6, end = 8 * (before + value.len) / 6, count = 0;

    for (size_t digit = first; digit < end; digit++) {
        size_t bit = 6 * digit - 8 * before, byte = bit / 8, shift = bit % 8;
        unsigned pair = (unsigned)(uint8_t)value.ptr[byte] << 8;
        if (byte + 1 < value.len)
            pair |= (uint8_t)value.ptr[byte + 1];
        out[count++] = digits[url][pair >> (10 - shift) & 63];
    }
    return count;
}

static void add_needle(struct redactor *redactor, char *bytes, size_t len)
{
    struct str needle = {bytes, len};

    for (size_t i = 0; i < redactor->count; i++)
        if (str_equal(redactor->needles[i], needle))
            return;
    redactor->needles[redactor->count++] = needle;
    for (size_t at = 0; at < len; at++)
        learn_at(redactor, needle, at);
}

struct redactor *redactor_new(struct str value)
{
    size_t size = sizeof(struct redactor) + NEEDLES_MAX * (value.len * 4 / 3 + 4);
    struct redactor *redactor = secret_alloc(size);

    if (redactor == NULL)
        return NULL;
    redactor->size = size;
    char *at = redactor->bytes;
    memcpy(at, value.ptr, value.len);
    add_needle(redactor, at, value.len);
    at += value.len;
    for (size_t before = 0; before < 3; before++)
        for (int url = 0; url < 2; url++) {
            size_t len = encode(value, before, url, at);
            add_needle(redactor, at, len);
            at += len;
        }
    redactor->triples = SIZE_MAX;
    for (size_t i = 0; i < redactor->count; i++)
        if (redactor->needles[i].len - 2 < redactor->triples)
            redactor->triples = redactor->needles[i].len - 2;
    redactor->stride = redactor->triples < STRIDE_MAX ? redactor->triples : STRIDE_MAX;
    return redactor;
}

void redactor_free(struct redactor *redactor)
{
    if (redactor != NULL)
        secret_release(redactor, redactor->size);
}

/* Comparing. All say how many bytes match; 0: as far as the text goes; -1: not. */

static long hex_pair(char c, const char *at, size_t left)
{
    static const char digits[] = "0123456789abcdef";
    char pair[2] = {digits[(unsigned char)c >> 4], digits[(unsigned char)c & 15]};

    for (size_t i = 0; i < 2; i++) {
        if (i >= left)
            return 0;
        char have = at[i] >= 'A' && at[i] <= 'F' ? (char)(at[i] | 0x20) : at[i];
        if (have != pair[i])
            return -1;
    }
    return 2;
}

static long escaped(char c, const char *at, size_t left)
{
    static const char unicode[] = "\\u00";

    if (at[0] == '%') {
        long pair = hex_pair(c, at + 1, left - 1);
        return pair > 0 ? 1 + pair : pair;
    }
    if (at[0] != '\\')
        return -1;
    if (left == 1)
        return 0;
    for (size_t i = 1; i < 4; i++) {
        if (i >= left)
            return 0;
        if (at[i] != unicode[i])
            return i == 1 && at[1] == c && !alphanumeric(c) ? 2 : -1;
    }
    long pair = hex_pair(c, at + 4, left - 4);
    return pair > 0 ? 4 + pair : pair;
}

/* `literal`: '%' and '\' of the text are bytes of the value. */
static long compare(struct str needle, const char *text, size_t len, bool literal)
{
    size_t at = 0;

    for (size_t i = 0; i < needle.len; i++) {
        if (at == len)
            return 0;
        long step = literal ? -1 : escaped(needle.ptr[i], text + at, len - at);
        if (step < 0 && text[at] == needle.ptr[i])
            step = 1;
        if (step <= 0)
            return step;
        at += (size_t)step;
    }
    return (long)at;
}

/* The longest writing that begins here; *more: one may, that the text does not end. */
static size_t longest_at(const struct redactor *redactor, const char *text, size_t len, bool *more)
{
    size_t longest = 0;

    *more = false;
    for (size_t i = 0; i < redactor->count; i++)
        for (int literal = 0; literal < 2; literal++) {
            long found = compare(redactor->needles[i], text, len, literal);
            *more = *more || found == 0;
            if (found > 0 && (size_t)found > longest)
                longest = (size_t)found;
        }
    return longest;
}

/* How many bytes at the end may be the beginning of a writing. */
static size_t undecided(const struct redactor *redactor, const char *text, size_t len)
{
    size_t at = len < 2 ? 0 : len - 2;
    bool more;

    while (at > 0 && at + 2 <= len && known(redactor, text + at - 1))
        at--;
    for (; at < len; at++) {
        longest_at(redactor, text + at, len - at, &more);
        if (more)
            return len - at;
    }
    return 0;
}

/* Covering. */

struct cover {
    char *text;
    size_t limit;      /* bytes from here on stay as they are */
    size_t start, end; /* found, and not covered yet */
    unsigned found;
};

static void flush(struct cover *cover)
{
    size_t end = cover->end < cover->limit ? cover->end : cover->limit;

    if (end > cover->start)
        memset(cover->text + cover->start, '*', end - cover->start);
    cover->start = end;
}

static void note(struct cover *cover, size_t start, size_t len)
{
    if (start >= cover->end) { /* nothing that is still to be compared reaches back */
        flush(cover);
        cover->start = start;
        cover->found++;
    }
    if (start + len > cover->end)
        cover->end = start + len;
}

/* Finds what is whole. */
static void scan(const struct redactor *redactor, const char *text, size_t len, struct cover *cover)
{
    bool more;

    for (size_t at = redactor->stride - 1; at + 3 <= len; at += redactor->stride) {
        if (!known(redactor, text + at))
            continue;
        size_t first = at, last = at;
        while (first > 0 && known(redactor, text + first - 1)) /* back to the end of the last run at most */
            first--;
        while (last + 4 <= len && known(redactor, text + last + 1))
            last++;
        if (last - first + 1 < redactor->triples)
            continue;
        for (size_t start = first; start <= last; start++) {
            size_t found = longest_at(redactor, text + start, len - start, &more);
            if (found > 0)
                note(cover, start, found);
        }
        at = last + 1;
    }
}

unsigned redactor_mask(const struct redactor *redactor, char *text, size_t len)
{
    struct cover cover = {.text = text, .limit = len};

    scan(redactor, text, len, &cover);
    flush(&cover);
    return cover.found;
}

/* Streams. */

void redact_init(struct redact *redact, const struct redactor *redactor)
{
    *redact = (struct redact){.redactor = redactor};
    buf_init(&redact->held, HELD_MAX);
}

void redact_fini(struct redact *redact)
{
    buf_fini(&redact->held);
    *redact = (struct redact){.redactor = NULL};
}

int redact_next(struct redact *redact, char *bytes, size_t len, bool last, struct str *out)
{
    struct buf *held = &redact->held;

    buf_consume(held, redact->given);
    redact->given = 0;
    bool joined = held->len > 0;
    if (joined && len > 0 && buf_append(held, bytes, len) != 0)
        return -1;
    char *text = joined ? held->data + held->head : bytes;
    size_t size = joined ? held->len : len;
    size_t go = size - (last ? 0 : undecided(redact->redactor, text, size));
    struct cover cover = {.text = text, .limit = go};
    scan(redact->redactor, text, size, &cover);
    flush(&cover);
    redact->found += cover.found;
    size_t before = redact->covered < go ? redact->covered : go;
    if (before > 0)
        memset(text, '*', before);
    size_t covered = redact->covered > cover.end ? redact->covered : cover.end;
    redact->covered = covered > go ? covered - go : 0;
    *out = (struct str){text, go};
    if (joined)
        redact->given = go;
    else if (go < size)
        return buf_append(held, text + go, size - go);
    return 0;
}
