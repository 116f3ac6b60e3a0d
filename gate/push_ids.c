/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_ids: see push_ids.h. Open addressing; who makes objects whose ids begin alike does not know the seed. */
#include "gate/push_ids.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void push_ids_init(struct push_ids *ids)
{
    *ids = (struct push_ids){.seed = 0};
    if (getrandom(&ids->seed, sizeof ids->seed, 0) != (ssize_t)sizeof ids->seed)
        abort();
}

void push_ids_fini(struct push_ids *ids)
{
    free(ids->all);
    free(ids->table);
    *ids = (struct push_ids){.seed = ids->seed};
}

static size_t slot_of(const struct push_ids *ids, const uint8_t *id)
{
    uint64_t one, two;

    memcpy(&one, id, sizeof one);
    memcpy(&two, id + 8, sizeof two);
    uint64_t mixed = ((one ^ ids->seed) * (ids->seed | 1)) ^ two;
    mixed = (mixed ^ mixed >> 29) * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed >> 32) & (ids->table_size - 1);
}

uint32_t push_ids_find(const struct push_ids *ids, const uint8_t id[PUSH_ID_BYTES])
{
    if (ids->table_size == 0)
        return PUSH_NO_ID;
    for (size_t i = slot_of(ids, id); ids->table[i] != 0; i = (i + 1) & (ids->table_size - 1))
        if (memcmp(ids->all[ids->table[i] - 1].id, id, PUSH_ID_BYTES) == 0)
            return ids->table[i] - 1;
    return PUSH_NO_ID;
}

static void put(struct push_ids *ids, uint32_t index)
{
    size_t i = slot_of(ids, ids->all[index].id);

    while (ids->table[i] != 0)
        i = (i + 1) & (ids->table_size - 1);
    ids->table[i] = index + 1;
}

static int grow(struct push_ids *ids)
{
    size_t size = ids->size > 0 ? ids->size * 2 : 256;
    struct push_id *all = realloc(ids->all, size * sizeof *all);

    if (all == NULL)
        return -1;
    ids->all = all;
    uint32_t *table = calloc(size * 2, sizeof *table);
    if (table == NULL)
        return -1;
    free(ids->table);
    ids->table = table;
    ids->table_size = size * 2;
    ids->size = size;
    for (size_t i = 0; i < ids->count; i++)
        put(ids, (uint32_t)i);
    return 0;
}

uint32_t push_ids_add(struct push_ids *ids, const uint8_t id[PUSH_ID_BYTES])
{
    uint32_t index = push_ids_find(ids, id);

    if (index != PUSH_NO_ID)
        return index;
    if (ids->count == ids->size && grow(ids) != 0)
        return PUSH_NO_ID;
    index = (uint32_t)ids->count++;
    ids->all[index] = (struct push_id){.tree = PUSH_NO_ID};
    memcpy(ids->all[index].id, id, PUSH_ID_BYTES);
    put(ids, index);
    return index;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t push_id_read(const char *digits, size_t len, uint8_t id[PUSH_ID_BYTES])
{
    if (len != 40 && len != 64)
        return 0;
    memset(id, 0, PUSH_ID_BYTES);
    for (size_t i = 0; i < len; i += 2) {
        int high = digit(digits[i]), low = digit(digits[i + 1]);
        if (high < 0 || low < 0)
            return 0;
        id[i / 2] = (uint8_t)(high << 4 | low);
    }
    return len / 2;
}

void push_id_write(const uint8_t *id, size_t bytes, char *out)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = hex[id[i] >> 4];
        out[2 * i + 1] = hex[id[i] & 15];
    }
    out[2 * bytes] = '\0';
}
