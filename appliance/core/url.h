/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * url: the one reading of a request's path that a decision may rest on. A path that a server could read
 * otherwise than we do has no canonical form: whoever decides by path refuses it.
 */
#ifndef CORE_URL_H
#define CORE_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"

#define URL_PATH_MAX 65536 /* bytes of a path as sent; a longer one has no canonical form */

enum url_result {
    URL_OK,
    URL_BAD, /* not a path: no leading '/', a malformed or a NUL percent-encoding; '?', '#', a control or non-ASCII byte
                in clear */
    URL_AMBIGUOUS, /* servers differ about it: '.' and '..' segments, empty segments, an encoded '/', '\', '%',
                      '?', '#' or control character, a '\', ';' (path parameters), however often encoded; what is
                      not UTF-8 when it is decoded (over-long forms of '.' and '/') */
};

/* Decodes a path (RFC 3986 section 3.3), without its query, into out (at least path.len + 1 bytes),
 * NUL-terminated. Unless the result is URL_OK out holds what a lenient server would read: decoded again and
 * again, a backslash, '?' and '#' as '/', parameters cut off, empty and dot segments removed; nothing without a leading '/' or when it is too
 * long. */
enum url_result url_path(struct str path, char *out);

/* Decodes percent-encoding (and '+' as a space, as in forms) once. Returns the length; malformed ones stay as
 * they are. */
size_t url_decode(struct str text, char *out);

#endif
