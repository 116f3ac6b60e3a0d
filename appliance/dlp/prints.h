/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * prints: the fingerprints (print.h) of the gate's keys in the database, and the look for them. Every window of a key is in it, so
 * a text is asked at some places only: every eighth byte, and every eighth digit of base64, hexadecimal and base32. A piece
 * of a private part is found, wherever it is cut out and stands, when it has, in a row,
 *
 *   23 bytes; 29 digits of base64, 39 of hexadecimal or 34 of base32, in what a scanner takes for a word (look.c)
 *
 * over the ends of lines too where it is base64 in lines. Sixteen bytes less a bit cannot be found. Of text nothing but its long words is
 * asked: sixteen random bytes of ASCII in a row are one window in 65,536, and where a key has such a one, all is asked.
 */
#ifndef DLP_PRINTS_H
#define DLP_PRINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dlp/print.h"

#define DLP_PRINTS_MAX  (1u << 20) /* of all keys together */
#define DLP_PRINTS_KEYS 1000
#define DLP_PRINTS_RULE "gate_key:" /* in front of a repository's name, in a rule's */

/* The beginning of the part in the database. */
struct dlp_prints_part {
    uint32_t size, count, keys;
    uint32_t map_bits; /* the map has 2^map_bits bits: whether some print ends with these */
    uint32_t map, prints, owners,
        names; /* offsets: prints sorted; of each, the key; of each key, its rule's name as an offset in the part */
    uint32_t plain; /* some window of a key is ASCII throughout */
    uint8_t key[DLP_PRINT_KEY];
};

/* The same, as it is searched. */
struct dlp_prints_set {
    const struct dlp_prints_part *part; /* NULL: empty */
};

/* Whether some print may be this one: one in 64 of others may. */
static inline bool dlp_prints_may(const struct dlp_prints_set *set, uint64_t print)
{
    uint64_t slot = print & ((UINT64_C(1) << set->part->map_bits) - 1);

    return ((const uint8_t *)set->part + set->part->map)[slot / 8] >> slot % 8 & 1;
}

/* The key that has this print; -1: none. */
int dlp_prints_find(const struct dlp_prints_set *set, uint64_t print);
const char *dlp_prints_name(const struct dlp_prints_set *set, size_t key);

#endif
