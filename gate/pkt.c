/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pkt: see the header. Lengths are read by hand: strtoul would take blanks and signs for digits. */
#include "gate/pkt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum pkt pkt_head(const char head[PKT_HEAD], size_t *len)
{
    static const enum pkt marks[] = {PKT_FLUSH, PKT_DELIM, PKT_RESPONSE_END, PKT_BAD};
    size_t value = 0;

    *len = 0;
    for (size_t i = 0; i < PKT_HEAD; i++) {
        int d = digit(head[i]);
        if (d < 0)
            return PKT_BAD;
        value = value * 16 + (size_t)d;
    }
    if (value < PKT_HEAD)
        return marks[value];
    if (value > PKT_MAX)
        return PKT_BAD;
    *len = value - PKT_HEAD;
    return PKT_LINE;
}

/* Returns how many bytes came: fewer than len only at the end. -1 on an error. */
static ssize_t read_all(int fd, char *room, size_t len)
{
    size_t have = 0;

    while (have < len) {
        ssize_t got = read(fd, room + have, len - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

enum pkt pkt_read(int fd, char *room, size_t size, struct str *line)
{
    char head[PKT_HEAD];
    size_t len;
    ssize_t got = read_all(fd, head, sizeof head);

    *line = (struct str){room, 0};
    if (got == 0)
        return PKT_END;
    if (got != PKT_HEAD)
        return PKT_BAD;
    enum pkt kind = pkt_head(head, &len);
    if (kind != PKT_LINE)
        return kind;
    if (len > size || read_all(fd, room, len) != (ssize_t)len)
        return PKT_BAD;
    line->len = len > 0 && room[len - 1] == '\n' ? len - 1 : len;
    return PKT_LINE;
}

int pkt_add(struct buf *buf, const char *format, ...)
{
    char head[PKT_HEAD + 1];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || len > PKT_MAX - PKT_HEAD)
        return -1;
    char *room = buf_reserve(buf, PKT_HEAD + (size_t)len + 1);
    if (room == NULL)
        return -1;
    snprintf(head, sizeof head, "%04x", (unsigned)len + PKT_HEAD);
    memcpy(room, head, PKT_HEAD);
    va_start(args, format);
    vsnprintf(room + PKT_HEAD, (size_t)len + 1, format, args);
    va_end(args);
    buf_commit(buf, PKT_HEAD + (size_t)len);
    return 0;
}

int pkt_add_flush(struct buf *buf)
{
    return buf_append(buf, "0000", PKT_HEAD);
}
