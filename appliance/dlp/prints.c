/* SPDX-License-Identifier: GPL-3.0-or-later */
/* prints: see prints.h. */
#include "dlp/prints.h"

static const void *part_at(const struct dlp_prints_set *set, uint32_t offset)
{
    return (const char *)set->part + offset;
}

const char *dlp_prints_name(const struct dlp_prints_set *set, size_t key)
{
    return part_at(set, ((const uint32_t *)part_at(set, set->part->names))[key]);
}

int dlp_prints_find(const struct dlp_prints_set *set, uint64_t print)
{
    const struct dlp_prints_part *part = set->part;
    const uint64_t *prints = part_at(set, part->prints);
    size_t low = 0, high = part->count;

    if (!dlp_prints_may(set, print))
        return -1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (prints[middle] < print)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == part->count || prints[low] != print)
        return -1;
    return ((const uint16_t *)part_at(set, part->owners))[low];
}
