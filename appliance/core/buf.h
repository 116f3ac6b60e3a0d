/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * buf: bytes that grow up to a cap chosen by their owner. Appending past the cap fails and changes nothing.
 * An empty buf holds no memory: an idle connection costs nothing here.
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stddef.h>

#include "core/str.h"

struct buf {
    char *data;
    size_t head; /* bytes consumed at the front */
    size_t len;  /* bytes held behind head */
    size_t size; /* bytes allocated */
    size_t cap;  /* bytes that it may ever hold */
};

/* An empty buf that may hold up to cap bytes. Allocates nothing. */
void buf_init(struct buf *buf, size_t cap);

/* Frees the memory; the buf is empty and usable again. */
void buf_fini(struct buf *buf);

/* The bytes held; valid until the next call that changes the buf. */
struct str buf_str(const struct buf *buf);

/* Adds bytes at the end. Returns 0, or -1 when the cap would be passed or memory is out (nothing is added).
 */
int buf_append(struct buf *buf, const void *bytes, size_t len);

/* Room for at least `len` bytes behind the contents, to be filled by the caller and then announced with
 * buf_commit. Returns NULL when the cap would be passed or memory is out. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);

/* Formatted text, as buf_append. */
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops `len` bytes (at most what is held) at the front; an emptied buf gives its memory back. */
void buf_consume(struct buf *buf, size_t len);

#endif
