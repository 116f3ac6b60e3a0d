/* SPDX-License-Identifier: GPL-3.0-or-later */
/* escape: see escape.h. */
#include "hostctl/escape.h"

void escape_put(FILE *to, const char *text, bool words)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        unsigned code = *p;
        if ((code > 0x20 && code < 0x7f && code != '\\') || (code == ' ' && words)) {
            putc((int)code, to);
            continue;
        }
        size_t more = code >= 0xf0   ? 3
                      : code >= 0xe0 ? 2
                      : code >= 0xc0 ? 1
                                     : 0; /* jansson: it is valid UTF-8 */
        code = more > 0 ? code & (0x3fu >> more) : code;
        for (; more > 0 && (p[1] & 0xc0) == 0x80; more--)
            code = code << 6 | (*++p & 0x3fu);
        fprintf(to, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
    }
}
