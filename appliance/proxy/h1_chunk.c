/* SPDX-License-Identifier: GPL-3.0-or-later */
/* h1_chunk: see h1_chunk.h. Extensions are looked at only for bytes that could end a line elsewhere; they are
 * dropped. */
#include "proxy/h1_chunk.h"

#include <string.h>

#include "proxy/limits.h"

#include "core/h1_head.h"
#include "proxy/limits.h"

#define DIGITS_MAX 16

void h1_chunk_init(struct h1_chunk *chunk)
{
    *chunk = (struct h1_chunk){.state = H1_CHUNK_SIZE};
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A line of at most max bytes. Returns its length with CRLF, 0 for more, -1 when there is none or it holds a
 * control character. */
static long line_end(const char *bytes, size_t len, size_t max)
{
    size_t look = len < max ? len : max;

    for (size_t i = 0; i < look; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n')
            return i > 0 && bytes[i - 1] == '\r' ? (long)i + 1 : -1;
        if (i > 0 && bytes[i - 1] == '\r')
            return -1;
        if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
            return -1;
    }
    return len < max ? 0 : -1;
}

static enum h1_piece size_line(struct h1_chunk *chunk, const char *bytes, size_t len, size_t *used)
{
    long line = line_end(bytes, len, CHUNK_LINE_MAX);
    uint64_t size = 0;
    size_t digits = 0;

    if (len > 0 && hex(bytes[0]) < 0)
        return H1_PIECE_BAD;
    if (line <= 0)
        return line == 0 ? H1_PIECE_MORE : H1_PIECE_BAD;
    for (; hex(bytes[digits]) >= 0; digits++)
        size = size << 4 | (unsigned)hex(bytes[digits]);
    if (digits > DIGITS_MAX || size > INT64_MAX || (bytes[digits] != '\r' && bytes[digits] != ';'))
        return H1_PIECE_BAD;
    chunk->left = size;
    chunk->state = size > 0 ? H1_CHUNK_DATA : H1_CHUNK_TRAILER;
    *used = (size_t)line;
    return H1_PIECE_FRAME;
}

static enum h1_piece trailer_line(struct h1_chunk *chunk, const char *bytes, size_t len, size_t *used)
{
    static const char *const never[] = {"content-length", "transfer-encoding", "host", "connection", "te",
                                        "trailer"};
    long line = line_end(bytes, len, TRAILERS_MAX - chunk->section);
    struct h1_field field;

    if (line <= 0)
        return line == 0 ? H1_PIECE_MORE : H1_PIECE_BAD;
    *used = (size_t)line;
    if (line == 2)
        return H1_PIECE_LAST;
    if (++chunk->trailers > FIELDS_MAX || h1_field_parse((struct str){bytes, (size_t)line - 2}, &field) != 0)
        return H1_PIECE_BAD;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (str_equal_nocase(field.name, str_of(never[i])))
            return H1_PIECE_BAD;
    chunk->section += (size_t)line;
    return H1_PIECE_FRAME;
}

enum h1_piece h1_chunk_next(struct h1_chunk *chunk, const char *bytes, size_t len, size_t *used)
{
    *used = 0;
    switch (chunk->state) {
    case H1_CHUNK_SIZE:
        return size_line(chunk, bytes, len, used);
    case H1_CHUNK_DATA:
        if (len == 0)
            return H1_PIECE_MORE;
        *used = len < chunk->left ? len : (size_t)chunk->left;
        chunk->left -= *used;
        if (chunk->left == 0)
            chunk->state = H1_CHUNK_CRLF;
        return H1_PIECE_DATA;
    case H1_CHUNK_CRLF:
        if (memcmp(bytes, "\r\n", len < 2 ? len : 2) != 0)
            return H1_PIECE_BAD;
        if (len < 2)
            return H1_PIECE_MORE;
        *used = 2;
        chunk->state = H1_CHUNK_SIZE;
        return H1_PIECE_FRAME;
    case H1_CHUNK_TRAILER:
        return trailer_line(chunk, bytes, len, used);
    }
    return H1_PIECE_BAD;
}
