/* SPDX-License-Identifier: GPL-3.0-or-later */
/* budget: see budget.h. A ring of seconds: what leaves it is forgotten. */
#include "core/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MINUTE "/minute"

/* Makes now the last second of the ring. */
static void turn(struct budget *budget, uint64_t now_ms)
{
    uint64_t now = now_ms / 1000;

    if (now > budget->second && now - budget->second >= BUDGET_SLOTS) {
        memset(budget->slots, 0, sizeof budget->slots);
        budget->used = 0;
        budget->second = now;
    }
    while (budget->second < now) {
        uint64_t *oldest = &budget->slots[++budget->second % BUDGET_SLOTS];
        budget->used -= *oldest;
        *oldest = 0;
    }
}

bool budget_fits(struct budget *budget, uint64_t limit, uint64_t bytes, uint64_t now_ms)
{
    turn(budget, now_ms);
    return budget->used <= limit && bytes <= limit - budget->used;
}

bool budget_spend(struct budget *budget, uint64_t limit, uint64_t bytes, uint64_t now_ms)
{
    if (!budget_fits(budget, limit, bytes, now_ms))
        return false;
    budget->slots[budget->second % BUDGET_SLOTS] += bytes;
    budget->used += bytes;
    return true;
}

unsigned budget_wait(struct budget *budget, uint64_t limit, uint64_t bytes, uint64_t now_ms)
{
    if (bytes > limit)
        return 0;
    turn(budget, now_ms);
    uint64_t used = budget->used;
    unsigned wait = 1;
    for (; wait < BUDGET_SLOTS; wait++) { /* the slot behind the last one is the oldest */
        used -= budget->slots[(budget->second + wait) % BUDGET_SLOTS];
        if (used <= limit - bytes)
            return wait;
    }
    return wait;
}

bool budget_alarm(struct budget *budget, uint64_t now_ms)
{
    uint64_t now = now_ms / 1000;

    if (budget->alarmed != 0 && now < budget->alarmed - 1 + 60)
        return false;
    budget->alarmed = now + 1;
    return true;
}

static int shift_of(char unit)
{
    return unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
}

const char *budget_parse(struct str text, uint64_t *bytes)
{
    size_t tail = sizeof MINUTE - 1, at = 0;
    uint64_t number = 0;

    if (text.len <= tail || memcmp(text.ptr + text.len - tail, MINUTE, tail) != 0)
        return "is no size with \"/minute\" behind it, such as 10m/minute";
    size_t len = text.len - tail;
    for (; at < len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && number <= BUDGET_MAX; at++)
        number = number * 10 + (uint64_t)(text.ptr[at] - '0');
    int shift = at + 1 == len ? shift_of(text.ptr[at]) : 0;
    if (at == 0 || (number <= BUDGET_MAX && at + (shift > 0 ? 1 : 0) != len))
        return "is no size: a number of bytes, or one with k, m or g behind it";
    if (number > BUDGET_MAX >> shift || number << shift < BUDGET_MIN)
        return "is out of range: 1k/minute to 1024g/minute";
    *bytes = number << shift;
    return NULL;
}

void budget_format(uint64_t bytes, char out[BUDGET_TEXT])
{
    static const char units[] = {'g', 'm', 'k'};

    for (size_t i = 0; i < sizeof units; i++) {
        int shift = shift_of(units[i]);
        if (bytes >> shift << shift == bytes && bytes > 0) {
            snprintf(out, BUDGET_TEXT, "%" PRIu64 "%c" MINUTE, bytes >> shift, units[i]);
            return;
        }
    }
    snprintf(out, BUDGET_TEXT, "%" PRIu64 MINUTE, bytes);
}
