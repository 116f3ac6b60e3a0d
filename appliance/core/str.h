/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * str: a borrowed run of bytes. It owns nothing, may hold NUL, and is valid only as long as what it points
 * into.
 */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len; /* bytes */
};

/* Of a literal, whose length the compiler knows: for tables. */
#define STR(literal)                                                                                         \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

/* Here, so that the compiler computes what it knows: most are called with a literal. */

/* A slice of a NUL-terminated string; NULL gives the empty slice. */
static inline struct str str_of(const char *text)
{
    return (struct str){text, text != NULL ? strlen(text) : 0};
}

/* Byte equality. */
static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* As strcmp, by bytes. */
static inline int str_order(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Equality of two runs of bytes with ASCII letters folded; never looks at the locale. */
bool str_same_letters(const char *a, const char *b, size_t len);

/* The same for slices. */
static inline bool str_equal_nocase(struct str a, struct str b)
{
    return a.len == b.len && str_same_letters(a.ptr, b.ptr, a.len);
}

#define STR_DIGITS_MAX 20 /* bytes of the longest number */

/* Writes a number in decimal, without NUL. Returns its length. */
size_t str_digits(uint64_t value, char out[STR_DIGITS_MAX]);

/* Without leading and trailing SP and HTAB (OWS, RFC 9110 section 5.6.3). */
struct str str_trim(struct str s);

#endif
