/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * h1_head: one HTTP/1 head by the strictest reading of RFC 9110 and RFC 9112. What is ambiguous is refused, never
 * repaired. The proxy has llhttp read it as well, and takes it only when both readings are the same.
 */
#ifndef CORE_H1_HEAD_H
#define CORE_H1_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"
#define HEAD_MAX   65536 /* bytes of an HTTP head */
#define FIELDS_MAX 256   /* fields of an HTTP head */

enum h1_error {
    H1_OK,
    H1_BAD_SYNTAX,
    H1_BAD_VERSION, /* well-formed, but neither 1.0 nor 1.1 */
    H1_BAD_METHOD,  /* a method that is never forwarded: CONNECT, TRACE, or one that is not registered */
    H1_TOO_LARGE,   /* HEAD_MAX or FIELDS_MAX passed */
};

enum h1_framing {
    H1_NO_BODY,
    H1_LENGTH,  /* Content-Length */
    H1_CHUNKED, /* Transfer-Encoding: chunked, and no other coding */
    H1_CLOSE,   /* a response up to the end of the connection */
};

struct h1_field {
    struct str name, value; /* the value without surrounding whitespace */
};

/* All slices point into the bytes that were parsed. */
struct h1_head {
    struct str method, target; /* requests */
    unsigned status;           /* responses: 100 to 599 */
    struct str reason;         /* responses; may be empty */
    unsigned minor;            /* HTTP/1.minor: 0 or 1 */
    enum h1_framing framing;
    bool has_length; /* a Content-Length field, as answers to HEAD and 304 have it without a body */
    uint64_t length; /* bytes, of that field */
    bool keep_alive; /* what version and Connection say, RFC 9112 section 9.3 */
    size_t field_count;
    size_t
        connections; /* fields of this name: most heads have none, and need not be asked what is listed there */
    struct h1_field fields[FIELDS_MAX];
};

/* Where the search for a head's end stands; all zero at its start. */
struct h1_scan {
    size_t at, line, lines;
};

/* Looks for the end of a head in `len` bytes that start with it, going on where the last call stopped. Says
 * what is wrong as soon as it is seen: a bare LF or CR, NUL, an empty first line. Returns the head's length,
 * its blank line included; 0 when more is needed; -1 with *error. */
long h1_head_end(struct h1_scan *scan, const char *bytes, size_t len, enum h1_error *error);

/* Parses a whole head, whose length h1_head_end gave. For a response `to_head` says that it answers HEAD, so has no
 * body. The error says what is wrong; then head is
 * filled as far as it was understood; all but its framing when it is H1_BAD_METHOD. */
enum h1_error h1_head_parse(bool request, bool to_head, const char *bytes, size_t len, struct h1_head *head);

/* One "name: value" line without its CRLF (RFC 9112 section 5.1). Also used for trailers. Returns 0 or -1. */
int h1_field_parse(struct str line, struct h1_field *field);

/* The last field of this name, NULL when there is none. *count says how many there are. */
const struct h1_field *h1_head_find(const struct h1_head *head, const char *name, size_t *count);

/* Whether a list of tokens (RFC 9110 section 5.6.1) over all fields of this name holds the token. */
bool h1_head_lists(const struct h1_head *head, const char *name, struct str token);

#endif
