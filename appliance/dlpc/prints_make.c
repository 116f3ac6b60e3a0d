/* SPDX-License-Identifier: GPL-3.0-or-later */
/* prints_make: see prints_make.h. First all is counted, then it is laid down in one piece. */
#include "dlpc/prints_make.h"

#include <stdlib.h>
#include <string.h>

#define MAP_MIN   10
#define MAP_MAX   22
#define MAP_RATIO 64 /* bits of the map for each print, as far as that goes */

struct pair {
    uint64_t print;
    uint16_t key;
};

static int by_print(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->print != y->print)
        return x->print < y->print ? -1 : 1;
    return (int)x->key - (int)y->key;
}

static uint32_t align(size_t at)
{
    return (uint32_t)((at + 7) / 8 * 8);
}

/* All prints, sorted; a print that two keys have is the first one's. NULL when memory is out. */
static struct pair *sort(const struct dlp_prints *prints, size_t *count)
{
    size_t all = 0, kept = 0;
    struct pair *pairs = calloc(*count + 1, sizeof *pairs);

    if (pairs == NULL)
        return NULL;
    for (size_t key = 0; key < prints->count; key++)
        for (size_t i = 0; i < prints->keys[key].count; i++)
            pairs[all++] = (struct pair){prints->keys[key].prints[i], (uint16_t)key};
    qsort(pairs, all, sizeof *pairs, by_print);
    for (size_t i = 0; i < all; i++)
        if (kept == 0 || pairs[kept - 1].print != pairs[i].print)
            pairs[kept++] = pairs[i];
    *count = kept;
    return pairs;
}

static void fill(char *base, const struct dlp_prints_part *part, const struct dlp_prints *prints,
                 const struct pair *pairs)
{
    uint8_t *map = (uint8_t *)base + part->map;
    uint64_t *sorted = (uint64_t *)(base + part->prints), mask = (UINT64_C(1) << part->map_bits) - 1;
    uint16_t *owners = (uint16_t *)(base + part->owners);
    uint32_t *names = (uint32_t *)(base + part->names),
             name = part->names + part->keys * (uint32_t)sizeof *names;

    for (size_t i = 0; i < part->count; i++) {
        uint64_t slot = pairs[i].print & mask;
        map[slot / 8] |= (uint8_t)(1u << slot % 8);
        sorted[i] = pairs[i].print;
        owners[i] = pairs[i].key;
    }
    for (size_t key = 0; key < part->keys; key++) {
        size_t len = strlen(prints->keys[key].name) + 1;
        names[key] = name;
        memcpy(base + name, DLP_PRINTS_RULE, sizeof DLP_PRINTS_RULE - 1);
        memcpy(base + name + sizeof DLP_PRINTS_RULE - 1, prints->keys[key].name, len);
        name += (uint32_t)(sizeof DLP_PRINTS_RULE - 1 + len);
    }
}

struct dlp_prints_part *dlpc_prints_make(const struct dlp_prints *prints, size_t *size, struct err *err)
{
    struct dlp_prints_part part = {
        .keys = (uint32_t)prints->count, .plain = prints->plain, .map_bits = MAP_MIN};
    size_t count = 0, names = 0;

    for (size_t i = 0; i < prints->count; i++) {
        count += prints->keys[i].count;
        names += sizeof(uint32_t) + sizeof DLP_PRINTS_RULE + strlen(prints->keys[i].name);
    }
    if (prints->count > DLP_PRINTS_KEYS || count > DLP_PRINTS_MAX) {
        err_set(err, "too many fingerprints of keys");
        return NULL;
    }
    struct pair *pairs = sort(prints, &count);
    while (part.map_bits < MAP_MAX && (UINT64_C(1) << part.map_bits) < MAP_RATIO * count)
        part.map_bits++;
    memcpy(part.key, prints->key, sizeof part.key);
    part.count = (uint32_t)count;
    part.map = align(sizeof part);
    part.prints = align(part.map + (UINT64_C(1) << part.map_bits) / 8);
    part.owners = align(part.prints + count * sizeof(uint64_t));
    part.names = align(part.owners + count * sizeof(uint16_t));
    *size = part.size = align(part.names + names);
    char *base = pairs != NULL ? calloc(1, *size) : NULL;
    if (base == NULL) {
        free(pairs);
        err_set(err, "no memory");
        return NULL;
    }
    memcpy(base, &part, sizeof part);
    fill(base, &part, prints, pairs);
    free(pairs);
    return (struct dlp_prints_part *)base;
}
