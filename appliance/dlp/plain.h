/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plain: text as a reader takes it in, whatever it is written with: for phrases.h. The result is ASCII without capital
 * letters. Blanks, line ends and controls become one blank, or one line end when there was one among them. Characters that
 * show nothing (zero-width, soft hyphen, direction, variation) are taken out; so are accents, emphasis of Markdown and what
 * stands before a line (quotation, bullets, comments). Letters that look like others become those (full width,
 * mathematical, Cyrillic, Greek: dlp_look_alike); quotation marks and dashes become the ones of ASCII; character references of
 * HTML are resolved; any other character is a '?'. Tag characters (U+E0020 to U+E007E), which show nothing and which models
 * read, become the letters that they stand for.
 *
 * With `html` the page's text is what is left: comments and elements that only give a form are taken out, so that
 * ig<b></b>nore is one word; other elements part words; tags that HTML does not know stay. What stands in
 * comments and attributes is found without `html`: both are worth a look.
 *
 * A text is worked on in windows; what begins before a window is text in it.
 */
#ifndef DLP_PLAIN_H
#define DLP_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"
#include "dlp/places.h"

/* Three of these stand where eight tag characters or more stand in a row, and where sixteen characters or more that show
 * nothing do: nobody writes that by accident. No other byte below 0x20 but a line end is in the result. */
#define DLP_PLAIN_TAGS   '\x01'
#define DLP_PLAIN_HIDDEN '\x02'

/* Writes the plain form of `in` to `out`, which has room for in.len bytes. Returns how many there are: never more. Where they are
 * asked for (not NULL): places of both, with room for DLP_PLACES_ROOM(in.len) and `within` set, and in *open where in `in` the first comment or
 * element begins that does not end in it (in.len: none), and is text therefore. */
size_t dlp_plain(bool html, struct str in, char *out, struct dlp_places *places, size_t *open);

/* Where in `in` the byte `at` of the result comes from; in.len when it is not that long. `places`, of the same call, save reading all
 * that is before; NULL: there are none. */
size_t dlp_plain_start(bool html, struct str in, const struct dlp_places *places, size_t at);

#endif
