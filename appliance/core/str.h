/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * str: a borrowed run of bytes. It owns nothing, may hold NUL, and is valid only as long as what it points
 * into.
 */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdbool.h>
#include <stddef.h>

struct str {
    const char *ptr;
    size_t len; /* bytes */
};

/* Of a literal, whose length the compiler knows: for tables. */
#define STR(literal)                                                                                         \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

/* A slice of a NUL-terminated string; NULL gives the empty slice. */
struct str str_of(const char *text);

/* Byte equality. */
bool str_equal(struct str a, struct str b);

/* Equality with ASCII letters folded; never looks at the locale. */
bool str_equal_nocase(struct str a, struct str b);

/* Without leading and trailing SP and HTAB (OWS, RFC 9110 section 5.6.3). */
struct str str_trim(struct str s);

#endif
