/* SPDX-License-Identifier: GPL-3.0-or-later */
/* html: what a page writes its text with: character references and tags. For plain.h alone; private to the layer. */
#ifndef DLP_HTML_H
#define DLP_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

/* A character reference at the front of `in`, which begins with '&'. Returns its length and *code, which may be no character; 0:
 * there is none. */
size_t dlp_html_reference(struct str in, uint32_t *code);

enum dlp_html {
    DLP_HTML_TEXT,  /* no markup */
    DLP_HTML_FORMS, /* a comment, or an element that gives a form to what stands in a line */
    DLP_HTML_PARTS, /* an element that parts words */
    DLP_HTML_OPEN,  /* a comment or an element that does not end here: text, as far as is known */
};

/* What stands at the front of `in`, which begins with '<'. *len: its bytes, where it is markup. */
enum dlp_html dlp_html_markup(struct str in, size_t *len);

#endif
