/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pkt: git's lines with their length in front (gitprotocol-common(5)): four hexadecimal digits that count themselves, then
 * that many bytes less four. 0000, 0001 and 0002 are marks without bytes; 0003 means nothing, and nobody sends it.
 */
#ifndef GATE_PKT_H
#define GATE_PKT_H

#include <stddef.h>

#include "core/buf.h"
#include "core/str.h"

#define PKT_HEAD 4
#define PKT_MAX  65520 /* bytes of a line, its length included */

enum pkt {
    PKT_LINE,
    PKT_FLUSH,
    PKT_DELIM,
    PKT_RESPONSE_END,
    PKT_END, /* nothing came, and nothing will */
    PKT_BAD, /* not a line, too long for its reader, or cut short */
};

/* What the four bytes in front say. With PKT_LINE *len is how many bytes follow, up to PKT_MAX - PKT_HEAD. */
enum pkt pkt_head(const char head[PKT_HEAD], size_t *len);

/* Reads one line from a blocking descriptor, and not a byte behind it. `room` holds `size` bytes; a longer line is PKT_BAD.
 * The line borrows `room`; a LF at its end is not part of it. */
enum pkt pkt_read(int fd, char *room, size_t size, struct str *line);

/* Adds a line, or a flush mark. Returns 0, or -1 when it is too long, or the buf is full. */
int pkt_add(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int pkt_add_flush(struct buf *buf);

#endif
