/* SPDX-License-Identifier: GPL-3.0-or-later */
/* known: see known.h. */
#include "dlp/known.h"

#include <string.h>

char dlp_known_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Folds more than letters; the comparison that follows does not. */
uint32_t dlp_known_gram(const char *at)
{
    uint32_t gram;

    memcpy(&gram, at, sizeof gram);
    return gram | 0x20202020u;
}

uint32_t dlp_known_slot(uint32_t gram, uint32_t map_mask)
{
    return gram * 0x9e3779b1u >> 10 & map_mask;
}

static const void *part_at(const struct dlp_known_set *set, uint32_t offset)
{
    return (const char *)set->part + offset;
}

const struct dlp_known_value *dlp_known_value(const struct dlp_known_set *set, size_t index)
{
    return (const struct dlp_known_value *)part_at(set, set->part->values) + index;
}

const char *dlp_known_name(const struct dlp_known_set *set, size_t index)
{
    return (const char *)part_at(set, set->part->names) + dlp_known_value(set, index)->name;
}

bool dlp_known_has(const struct dlp_known_set *set, enum dlp_form form)
{
    return set->part != NULL && set->part->tables[form].stride != 0;
}

size_t dlp_known_least(const struct dlp_known_set *set, enum dlp_form form)
{
    return dlp_known_has(set, form) ? set->part->tables[form].stride + DLP_GRAM - 1 : 0;
}

bool dlp_known_has_any(const struct dlp_known_set *set, const char *bytes, bool blank)
{
    for (size_t i = 0; set->part != NULL && i < set->part->count; i++) {
        const struct dlp_known_form *form = &dlp_known_value(set, i)->forms[DLP_AS_IS];
        const char *value = part_at(set, form->at);
        for (size_t at = 0; at < form->len; at++)
            if (strchr(bytes, value[at]) != NULL || (blank && (value[at] <= ' ' || value[at] > '~')))
                return true;
    }
    return false;
}

/* How far value and text agree around this place. */
static bool agree(const struct dlp_known_set *set, enum dlp_form form, const struct dlp_known_gram *gram,
                  struct str text, size_t at, struct dlp_known_find *find)
{
    const struct dlp_known_form *known = &dlp_known_value(set, gram->value)->forms[form];
    const char *value = part_at(set, known->at);
    size_t before = 0, behind = 0, in = gram->at;

    while (before < in && before < at && dlp_known_fold(text.ptr[at - before - 1]) == value[in - before - 1])
        before++;
    while (in + behind < known->len && at + behind < text.len &&
           dlp_known_fold(text.ptr[at + behind]) == value[in + behind])
        behind++;
    if (behind <
        DLP_GRAM) /* folded alike, and not the same; so that a find ends behind where it was looked for */
        return false;
    size_t first = in - before > known->fixed ? in - before : known->fixed;
    if (in + behind < first + known->need)
        return false;
    *find = (struct dlp_known_find){.value = gram->value, .start = at - before, .end = at + behind};
    return true;
}

static bool look_up(const struct dlp_known_set *set, enum dlp_form form, struct str text, size_t at,
                    struct dlp_known_find *find)
{
    const struct dlp_known_table *table = &set->part->tables[form];
    const struct dlp_known_gram *grams = part_at(set, table->grams);
    uint32_t gram = dlp_known_gram(text.ptr + at);
    size_t low = 0, high = table->gram_count;
    bool found = false;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (grams[middle].gram < gram)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < table->gram_count && grams[low].gram == gram; low++) {
        struct dlp_known_find other;
        if (agree(set, form, &grams[low], text, at, &other) &&
            (!found || other.end - other.start > find->end - find->start)) {
            *find = other;
            found = true;
        }
    }
    return found;
}

/* A piece of nine bytes and three more goes on for four on one side at least, wherever in it these four are. */
static bool is_beside(const uint8_t *map, const struct dlp_known_table *table, struct str text, size_t at)
{
    if (table->stride + DLP_GRAM - 1 < 3 * DLP_GRAM)
        return true;
    return (at >= DLP_GRAM &&
            map[dlp_known_slot(dlp_known_gram(text.ptr + at - DLP_GRAM), table->map_mask)]) ||
           (text.len - at >= 2 * DLP_GRAM &&
            map[dlp_known_slot(dlp_known_gram(text.ptr + at + DLP_GRAM), table->map_mask)]);
}

bool dlp_known_scan(const struct dlp_known_set *set, enum dlp_form form, struct str text, size_t *from,
                    size_t to, struct dlp_known_find *find)
{
    const struct dlp_known_table *table = &set->part->tables[form];
    const uint8_t *map = part_at(set, table->map);
    const uint32_t mask = table->map_mask;
    size_t stride = table->stride, last = to < text.len ? to : text.len, at = *from;

    last = last >= DLP_GRAM ? last - DLP_GRAM + 1 : 0;
    while (at < last) {
        /* Four places at once, and those one by one only where there is something. */
        for (const char *p = text.ptr + at; at + 3 * stride < last; at += 4 * stride, p += 4 * stride)
            if ((map[dlp_known_slot(dlp_known_gram(p), mask)] |
                 map[dlp_known_slot(dlp_known_gram(p + stride), mask)] |
                 map[dlp_known_slot(dlp_known_gram(p + 2 * stride), mask)] |
                 map[dlp_known_slot(dlp_known_gram(p + 3 * stride), mask)]) != 0)
                break;
        for (size_t end = at + 4 * stride; at < last && at < end; at += stride)
            if (map[dlp_known_slot(dlp_known_gram(text.ptr + at), mask)] && is_beside(map, table, text, at) &&
                look_up(set, form, text, at, find)) {
                *from = find->end;
                return true;
            }
    }
    *from = at;
    return false;
}

bool dlp_known_next(const struct dlp_known_set *set, enum dlp_form form, struct str text, size_t from,
                    struct dlp_known_find *find)
{
    return dlp_known_has(set, form) && dlp_known_scan(set, form, text, &from, text.len, find);
}
