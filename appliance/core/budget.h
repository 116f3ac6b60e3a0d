/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * budget: how many bytes went somewhere in the last minute, and whether more may. In no 60 seconds, wherever they begin, are
 * there more than the limit: bytes are counted by the second in which they went, and forgotten when that second's last
 * moment is a minute ago. The clock is the caller's, in milliseconds, and never goes back; no call asks for another.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define BUDGET_MIN   1024u /* bytes a minute, as it is written: less than a request's fields has no use */
#define BUDGET_MAX   ((uint64_t)1 << 40)
#define BUDGET_SLOTS 61 /* this second, and those of a minute */
#define BUDGET_TEXT  32 /* bytes of budget_format, NUL included */

/* All zero: nothing went. The limit is not in it, so that another one finds what went. */
struct budget {
    uint64_t second; /* of the clock; the last that is counted */
    uint64_t used;   /* in all slots */
    uint64_t slots[BUDGET_SLOTS];
    uint64_t alarmed; /* second of the last alarm and 1; 0 = none yet */
};

/* Whether so many bytes more stay within the limit now. */
bool budget_fits(struct budget *budget, uint64_t limit, uint64_t bytes, uint64_t now_ms);

/* Counts them if they do, all or none. Returns whether they do. */
bool budget_spend(struct budget *budget, uint64_t limit, uint64_t bytes, uint64_t now_ms);

/* In how many seconds they fit if nothing goes until then, 1 to 61; 0 = never, they are more than the limit. */
unsigned budget_wait(struct budget *budget, uint64_t limit, uint64_t bytes, uint64_t now_ms);

/* Whether to raise an alarm: once in a minute. */
bool budget_alarm(struct budget *budget, uint64_t now_ms);

/* Reads "10m/minute": a number of bytes, with k, m or g behind it of 1024, 1024^2 or 1024^3. Returns NULL, or what is wrong. */
const char *budget_parse(struct str text, uint64_t *bytes);

/* The same form, with the largest unit that is whole. */
void budget_format(uint64_t bytes, char out[BUDGET_TEXT]);

#endif
