/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json_out: the bounded JSON writer; see json_out.h. */
#include "core/json_out.h"

#include <stdio.h>
#include <string.h>

#define ESCAPED_MAX 14 /* bytes of the longest escape (a surrogate pair), generously */
#define ELLIPSIS    "\\u2026"

static void put(struct json_out *out, const char *bytes, size_t len)
{
    if (out->overflow || len >= out->size - out->len) { /* one byte stays for the NUL */
        out->overflow = true;
        return;
    }
    memcpy(out->buf + out->len, bytes, len);
    out->len += len;
}

static void put_key(struct json_out *out, const char *key)
{
    if (out->comma)
        put(out, ",\"", 2);
    else
        put(out, "\"", 1);
    out->comma = true;
    put(out, key, strlen(key));
    put(out, "\":", 2);
}

/* How many bytes from the front are written as they are. */
static size_t plain_run(const unsigned char *p, size_t len)
{
    size_t run = 0;

    while (run < len && p[run] >= 0x20 && p[run] < 0x7f && p[run] != '"' && p[run] != '\\')
        run++;
    return run;
}

/* Decodes one UTF-8 character (RFC 3629) of at most len bytes. Returns its length, 0 when it is not valid. */
static size_t utf8_decode(const unsigned char *p, size_t len, uint32_t *code)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t form = 0; form < 3; form++) {
        size_t need = form + 2;
        if ((p[0] & forms[form].mask) != forms[form].lead)
            continue;
        if (len < need)
            return 0;
        uint32_t value = p[0] & (unsigned char)~forms[form].mask;
        for (size_t i = 1; i < need; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (p[i] & 0x3f);
        }
        if (value < forms[form].least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return 0;
        *code = value;
        return need;
    }
    return 0;
}

/* Escapes the character at p into text; returns the bytes consumed. */
static size_t escape(const unsigned char *p, size_t len, char text[ESCAPED_MAX + 1])
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *at = *p != 0 ? strchr(plain, *p) : NULL;

    if (at != NULL) {
        snprintf(text, ESCAPED_MAX + 1, "\\%c", letter[at - plain]);
        return 1;
    }
    if (*p >= 0x20 && *p < 0x7f) {
        text[0] = (char)*p;
        text[1] = '\0';
        return 1;
    }
    uint32_t code = *p < 0x80 ? *p : 0xfffd;
    size_t used = *p < 0x80 ? 1 : utf8_decode(p, len, &code);
    if (used == 0)
        used = 1; /* code is still U+FFFD */
    if (code < 0x10000)
        snprintf(text, ESCAPED_MAX + 1, "\\u%04x", (unsigned)code);
    else
        snprintf(text, ESCAPED_MAX + 1, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
                 (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
    return used;
}

void json_out_begin(struct json_out *out, char *buf, size_t size)
{
    *out = (struct json_out){.buf = buf, .size = size};
    put(out, "{", 1);
}

void json_out_str(struct json_out *out, const char *key, struct str value, size_t max)
{
    const unsigned char *p = (const unsigned char *)value.ptr;
    char text[ESCAPED_MAX + 1];
    size_t written = 0;

    put_key(out, key);
    put(out, "\"", 1);
    for (size_t i = 0; i < value.len;) {
        /* As many as leave room for the ellipsis. The last character is looked at by itself: none comes behind it. */
        size_t room = max > written + sizeof ELLIPSIS - 1 ? max - written - (sizeof ELLIPSIS - 1) : 0;
        size_t left = value.len - i - 1, run = plain_run(p + i, left < room ? left : room);
        put(out, value.ptr + i, run);
        written += run;
        i += run;
        size_t used = escape(p + i, value.len - i, text), len = strlen(text);
        bool last = i + used == value.len;
        if (written + len + (last ? 0 : sizeof ELLIPSIS - 1) > max) {
            put(out, ELLIPSIS, sizeof ELLIPSIS - 1);
            break;
        }
        put(out, text, len);
        written += len;
        i += used;
    }
    put(out, "\"", 1);
}

void json_out_u64(struct json_out *out, const char *key, uint64_t value)
{
    char text[STR_DIGITS_MAX];

    put_key(out, key);
    put(out, text, str_digits(value, text));
}

void json_out_bool(struct json_out *out, const char *key, bool value)
{
    put_key(out, key);
    put(out, value ? "true" : "false", value ? 4 : 5);
}

void json_out_open(struct json_out *out, const char *key)
{
    put_key(out, key);
    put(out, "{", 1);
    out->comma = false;
}

void json_out_close(struct json_out *out)
{
    put(out, "}", 1);
    out->comma = true;
}

int json_out_end(struct json_out *out)
{
    put(out, "}", 1);
    if (out->overflow)
        return -1;
    out->buf[out->len] = '\0';
    return (int)out->len;
}
