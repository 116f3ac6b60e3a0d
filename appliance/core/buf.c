/* SPDX-License-Identifier: GPL-3.0-or-later */
/* buf: a growing byte queue. It doubles up to its cap and moves its contents to the front before it grows. */
#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 512 /* bytes of the first allocation */

void buf_init(struct buf *buf, size_t cap)
{
    *buf = (struct buf){.cap = cap};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->cap);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data != NULL ? buf->data + buf->head : NULL, buf->len};
}

char *buf_reserve(struct buf *buf, size_t len)
{
    if (len > buf->cap || buf->len > buf->cap - len)
        return NULL;
    size_t need = buf->len + len;
    if (buf->data != NULL && need <= buf->size - buf->head)
        return buf->data + buf->head + buf->len;
    if (buf->head > 0) {
        memmove(buf->data, buf->data + buf->head, buf->len);
        buf->head = 0;
    }
    if (buf->data == NULL || need > buf->size) {
        size_t size = buf->size > 0 ? buf->size : BUF_FIRST;
        while (size < need)
            size *= 2;
        if (size > buf->cap)
            size = buf->cap;
        char *data = realloc(buf->data, size > 0 ? size : 1);
        if (data == NULL)
            return NULL;
        buf->data = data;
        buf->size = size;
    }
    return buf->data + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
    buf->len += len;
}

int buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    char *room = buf_reserve(buf, len);
    if (room == NULL)
        return -1;
    memcpy(room, bytes, len);
    buf_commit(buf, len);
    return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = len >= 0 ? buf_reserve(buf, (size_t)len + 1) : NULL;
    if (room != NULL) {
        vsnprintf(room, (size_t)len + 1, format, again);
        buf_commit(buf, (size_t)len);
    }
    va_end(again);
    return room != NULL ? 0 : -1;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf_fini(buf);
        return;
    }
    buf->head += len;
    buf->len -= len;
}
