/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * h1_chunk: a strict look at the chunked transfer coding (RFC 9112 section 7.1), which says which bytes are
 * framing and which are data. llhttp reads only what has passed here, as it reads only heads that h1_head has
 * passed.
 */
#ifndef PROXY_H1_CHUNK_H
#define PROXY_H1_CHUNK_H

#include <stddef.h>
#include <stdint.h>

enum h1_piece {
    H1_PIECE_MORE,  /* more bytes are needed */
    H1_PIECE_FRAME, /* a whole line, or the CRLF behind a chunk */
    H1_PIECE_DATA,
    H1_PIECE_LAST, /* the line that ends the message */
    H1_PIECE_BAD,
};

struct h1_chunk {
    enum { H1_CHUNK_SIZE, H1_CHUNK_DATA, H1_CHUNK_CRLF, H1_CHUNK_TRAILER } state;
    uint64_t left;     /* bytes of data to come in this chunk */
    size_t section;    /* bytes of trailers seen */
    unsigned trailers; /* fields of them */
};

void h1_chunk_init(struct h1_chunk *chunk);

/* What the first *used bytes are. After MORE the same bytes must come again. Sizes have at most 16 digits,
 * size lines at most CHUNK_LINE_MAX bytes, trailers TRAILERS_MAX bytes and no field that frames or routes a
 * message. */
enum h1_piece h1_chunk_next(struct h1_chunk *chunk, const char *bytes, size_t len, size_t *used);

#endif
