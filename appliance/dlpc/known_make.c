/* SPDX-License-Identifier: GPL-3.0-or-later */
/* known_make: see known_make.h. First all is counted, then it is laid down in one piece. */
#include "dlpc/known_make.h"

#include <stdlib.h>
#include <string.h>

#include "core/secret.h"
#include "dlp/decode.h"

#define SAME_MAX                                                                                             \
    16 /* places of one secret with the same four bytes that are looked at: "aaaa…" has thousands */
#define FIXED_MAX  20 /* bytes, and groups, of what counts as public in front */
#define GROUPS_MAX 3
#define RANDOM_MIN 16 /* bytes that must be left behind it: else all of the value counts */
#define MAP_MIN    14
#define MAP_MAX    20 /* bits of a slot's number: a map of 1 MiB */

static bool letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t dlpc_known_fixed(struct str value)
{
    size_t fixed = 0;

    for (size_t group = 0; group < GROUPS_MAX; group++) {
        size_t at = fixed, first = at;
        while (at < value.len && at - first < 10 && letter(value.ptr[at]))
            at++;
        if (at == first)
            break;
        for (size_t digits = 0; digits < 2 && at < value.len && digit(value.ptr[at]); digits++)
            at++;
        first = at;
        while (at < value.len && strchr("-_.:/@", value.ptr[at]) != NULL)
            at++;
        if (at == first || at > FIXED_MAX)
            break;
        fixed = at;
    }
    return value.len >= fixed + RANDOM_MIN ? fixed : 0;
}

struct maker {
    struct dlp_known_part *part;
    char *base;
    struct dlp_known_gram *grams[DLP_FORMS];
};

static int by_gram(const void *a, const void *b)
{
    const struct dlp_known_gram *x = a, *y = b;

    if (x->gram != y->gram)
        return x->gram < y->gram ? -1 : 1;
    return x->value != y->value ? (x->value < y->value ? -1 : 1) : (int)x->at - (int)y->at;
}

/* Keeps SAME_MAX of each value's equal ones. Returns how many are left. */
static uint32_t thin(struct dlp_known_gram *grams, uint32_t count)
{
    uint32_t kept = 0, same = 0;

    for (uint32_t i = 0; i < count; i++) {
        same = i > 0 && grams[i].gram == grams[i - 1].gram && grams[i].value == grams[i - 1].value ? same + 1
                                                                                                   : 0;
        if (same < SAME_MAX)
            grams[kept++] = grams[i];
    }
    return kept;
}

static void finish(struct maker *maker, enum dlp_form form)
{
    struct dlp_known_table *table = &maker->part->tables[form];
    uint8_t *map = (uint8_t *)maker->base + table->map;

    qsort(maker->grams[form], table->gram_count, sizeof *maker->grams[form], by_gram);
    table->gram_count = thin(maker->grams[form], table->gram_count);
    for (uint32_t i = 0; i < table->gram_count; i++) {
        map[dlp_known_slot(maker->grams[form][i].gram, table->map_mask)] = 1;
    }
}

/* One value in one form, which lies folded at form->at already. */
static void add(struct maker *maker, uint16_t value, enum dlp_form which, struct dlp_known_form *form,
                size_t fixed)
{
    struct dlp_known_table *table = &maker->part->tables[which];
    size_t counts = form->len - fixed;

    if (counts < SECRET_MIN) {
        fixed = 0;
        counts = form->len;
    }
    if (counts < SECRET_MIN) { /* letters and digits are too few to tell it from other text */
        form->len = 0;
        return;
    }
    form->fixed = (uint32_t)fixed;
    form->need = counts < DLP_FRAGMENT ? (uint32_t)counts : DLP_FRAGMENT;
    uint32_t stride = form->need - (DLP_GRAM - 1);
    if (table->stride == 0 || stride < table->stride)
        table->stride = stride;
    /* What does not count is in no piece. */
    for (uint32_t at = form->fixed; at + DLP_GRAM <= form->len; at++)
        maker->grams[which][table->gram_count++] = (struct dlp_known_gram){
            .gram = dlp_known_gram(maker->base + form->at + at), .value = value, .at = (uint16_t)at};
}

static void lay(struct maker *maker, const struct dlp_known *known, uint16_t index, uint32_t *at,
                uint32_t *name)
{
    struct dlp_known_value *value = (struct dlp_known_value *)(maker->base + maker->part->values) + index;
    size_t fixed = dlpc_known_fixed(known->value), fixed_letters = 0, size = strlen(known->name) + 1;

    value->kind = known->kind;
    value->name = *name;
    memcpy(maker->base + maker->part->names + *name, known->name, size);
    *name += (uint32_t)size;

    value->forms[DLP_AS_IS] = (struct dlp_known_form){.at = *at, .len = (uint32_t)known->value.len};
    for (size_t i = 0; i < known->value.len; i++)
        maker->base[*at + i] = dlp_known_fold(known->value.ptr[i]);
    *at += (uint32_t)known->value.len;

    for (size_t i = 0; i < fixed; i++)
        fixed_letters += letter(known->value.ptr[i]) || digit(known->value.ptr[i]);
    value->forms[DLP_LETTERS].at = *at;
    value->forms[DLP_LETTERS].len = (uint32_t)dlp_decode(DLP_ALNUM, 0, known->value, maker->base + *at);
    *at += (uint32_t)known->value.len + 4;

    add(maker, index, DLP_AS_IS, &value->forms[DLP_AS_IS], fixed);
    add(maker, index, DLP_LETTERS, &value->forms[DLP_LETTERS], fixed_letters);
}

static uint32_t align(size_t at)
{
    return (uint32_t)((at + 7) / 8 * 8);
}

static int check(const struct dlp_known *known, size_t count, size_t *bytes, size_t *names, struct err *err)
{
    if (count > DLP_KNOWN_MAX) {
        err_set(err, "more than %d known secrets", DLP_KNOWN_MAX);
        return -1;
    }
    *bytes = *names = 0;
    for (size_t i = 0; i < count; i++) {
        if (known[i].value.len < SECRET_MIN || known[i].value.len > SECRET_MAX) {
            err_set(err, "secret %s: has to have %d to %d bytes", known[i].name, SECRET_MIN, SECRET_MAX);
            return -1;
        }
        *bytes += known[i].value.len;
        *names += strlen(known[i].name) + 1;
    }
    if (*bytes > SECRETS_MAX_JSON) {
        err_set(err, "known secrets of more than %u bytes together", SECRETS_MAX_JSON);
        return -1;
    }
    return 0;
}

struct dlp_known_part *dlpc_known_make(const struct dlp_known *known, size_t count, size_t *size,
                                       struct err *err)
{
    size_t bytes, names;
    uint32_t bits = MAP_MIN;

    if (check(known, count, &bytes, &names, err) != 0)
        return NULL;
    while (bits < MAP_MAX && (1u << bits) < 64 * bytes)
        bits++;
    struct dlp_known_part part = {.count = (uint32_t)count};
    size_t at = align(sizeof part);
    part.values = (uint32_t)at;
    at = align(at + count * sizeof(struct dlp_known_value));
    for (size_t form = 0; form < DLP_FORMS; form++) {
        part.tables[form].map_mask = (1u << bits) - 1;
        part.tables[form].map = (uint32_t)at;
        at = align(at + (1u << bits));
        part.tables[form].grams = (uint32_t)at;
        at = align(at + bytes * sizeof(struct dlp_known_gram));
    }
    part.names = (uint32_t)at;
    uint32_t values = align(at + names), name = 0;
    *size = part.size = align(values + 2 * bytes + 4 * count);
    char *base = secret_alloc(*size);
    if (base == NULL) {
        err_set(err, "no locked memory for known secrets");
        return NULL;
    }
    memcpy(base, &part, sizeof part);
    struct maker maker = {.part = (struct dlp_known_part *)base, .base = base};
    for (size_t form = 0; form < DLP_FORMS; form++)
        maker.grams[form] = (struct dlp_known_gram *)(base + part.tables[form].grams);
    for (size_t i = 0; i < count; i++)
        lay(&maker, &known[i], (uint16_t)i, &values, &name);
    for (enum dlp_form form = 0; form < DLP_FORMS; form++)
        finish(&maker, form);
    return maker.part;
}
