/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * known: finds known secrets, and pieces of them that are long enough, in a text. Every four bytes in a row of each secret
 * are in a table. A piece of n bytes holds, wherever it begins, four bytes at one of every n - 3 places: so most bytes of
 * the text are not looked at. Letters match in either case.
 *
 * Each set is there in two forms: the values as they are, and their letters and digits alone, for a text that has had its
 * separators removed.
 */
#ifndef DLP_KNOWN_H
#define DLP_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

enum dlp_form { DLP_AS_IS, DLP_LETTERS, DLP_FORMS };

#define DLP_GRAM 4 /* bytes */

/* One secret in one form. What is public in front of it ("ghp_", "postgres://user:") does not count towards a piece. */
struct dlp_known_form {
    uint32_t at, len; /* in the values; len 0: not in this form */
    uint32_t fixed;   /* bytes at its front that do not count */
    uint32_t need;    /* bytes behind those that are a find */
};

struct dlp_known_value {
    uint32_t name; /* in the names, NUL-terminated */
    uint32_t kind; /* enum dlp_known_kind */
    struct dlp_known_form forms[DLP_FORMS];
};

/* A place of a secret where these four bytes stand. */
struct dlp_known_gram {
    uint32_t gram; /* folded */
    uint16_t value, at;
};

struct dlp_known_table {
    uint32_t stride;   /* 0: nothing in this form */
    uint32_t map_mask; /* the map has map_mask + 1 bytes, a power of two: whether some gram falls there */
    uint32_t gram_count;
    uint32_t map, grams; /* offsets from the beginning of the part */
};

/* The beginning of the part in the database. */
struct dlp_known_part {
    uint32_t size, count;
    uint32_t values, names; /* offsets */
    struct dlp_known_table tables[DLP_FORMS];
};

/* The same, as it is searched. */
struct dlp_known_set {
    const struct dlp_known_part *part; /* NULL: empty */
};

struct dlp_known_find {
    uint32_t value;
    size_t start, end;
};

const struct dlp_known_value *dlp_known_value(const struct dlp_known_set *set, size_t index);
const char *dlp_known_name(const struct dlp_known_set *set, size_t index);
bool dlp_known_has(const struct dlp_known_set *set, enum dlp_form form);

/* The fewest bytes that are a find; 0: there is nothing in this form. */
size_t dlp_known_least(const struct dlp_known_set *set, enum dlp_form form);

/* Whether some value has one of these bytes, or (`blank`) one that is not visible ASCII. */
bool dlp_known_has_any(const struct dlp_known_set *set, const char *bytes, bool blank);

/* Four bytes, folded; and their place in a map. */
uint32_t dlp_known_gram(const char *at);
uint32_t dlp_known_slot(uint32_t gram, uint32_t map_mask);
char dlp_known_fold(char c);

/* The first find at a place that is looked at from *from on, in the bytes before `to`. *from is moved to where the next look begins,
 * behind the find or, without one, with or behind `to`. The form has to be there (dlp_known_has). */
bool dlp_known_scan(const struct dlp_known_set *set, enum dlp_form form, struct str text, size_t *from,
                    size_t to, struct dlp_known_find *find);

/* The first find that begins at or behind a place that is looked at from `from` on (it may reach back before it). */
bool dlp_known_next(const struct dlp_known_set *set, enum dlp_form form, struct str text, size_t from,
                    struct dlp_known_find *find);

#endif
