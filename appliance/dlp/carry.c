/* SPDX-License-Identifier: GPL-3.0-or-later */
/* carry: the ends of the last messages to one host, each under what they have in common: a parameter's name, a field's. */
#include <string.h>

#include "core/secret.h"
#include "dlp/message.h"

/* FNV-1a, never 0. */
static uint32_t hash(enum dlp_surface surface, struct str name)
{
    uint32_t value = 0x811c9dc5u ^ (uint32_t)surface;

    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        value = (value ^ (c >= 'A' && c <= 'Z' ? c | 0x20u : c)) * 0x01000193u;
    }
    return value != 0 ? value : 1;
}

struct dlp_carry_slot *dlp_carry_get(struct dlp_carry *carry, enum dlp_surface surface, struct str name)
{
    uint32_t slot = hash(surface, name);

    for (size_t i = 0; carry != NULL && i < DLP_CARRY_SLOTS; i++)
        if (carry->slots[i].slot == slot)
            return &carry->slots[i];
    return NULL;
}

void dlp_carry_put(struct dlp_carry *carry, enum dlp_surface surface, struct str name, struct str bytes)
{
    if (carry == NULL || bytes.len == 0)
        return;
    struct dlp_carry_slot *slot = dlp_carry_get(carry, surface, name);
    if (slot == NULL) {
        slot = &carry->slots[0];
        for (size_t i = 1; i < DLP_CARRY_SLOTS; i++)
            if (carry->slots[i].used < slot->used)
                slot = &carry->slots[i];
        *slot = (struct dlp_carry_slot){.slot = hash(surface, name)};
    }
    slot->used = ++carry->clock;
    if (bytes.len >= DLP_CARRY_TAIL) {
        memcpy(slot->tail, bytes.ptr + bytes.len - DLP_CARRY_TAIL, DLP_CARRY_TAIL);
        slot->len = DLP_CARRY_TAIL;
        return;
    }
    size_t keep = slot->len + bytes.len > DLP_CARRY_TAIL ? DLP_CARRY_TAIL - bytes.len : slot->len;
    memmove(slot->tail, slot->tail + slot->len - keep, keep);
    memcpy(slot->tail + keep, bytes.ptr, bytes.len);
    slot->len = (uint16_t)(keep + bytes.len);
}

void dlp_carry_wipe(struct dlp_carry *carry)
{
    secret_wipe(carry, sizeof *carry);
}
