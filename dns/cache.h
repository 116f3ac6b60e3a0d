/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cache: answers that upstream gave, by name and type, for their lifetime. All of its memory is taken at the
 * start. It holds answers that one policy checked: whoever changes the policy clears it.
 */
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/answer.h"

struct cache;

/* A cache of at least `entries` entries. seed: random, so that nobody can choose names that push each other
 * out. Returns NULL when memory is out. */
struct cache *cache_new(size_t entries, uint64_t seed);
void cache_free(struct cache *cache); /* NULL is fine */

void cache_clear(struct cache *cache);

/* Whether there is a live answer for this canonical name; *answer is a copy whose ttl is what is left, in
 * seconds, rounded up. now_ms: any monotonic clock, in milliseconds, the same for all calls. */
bool cache_get(struct cache *cache, const char *host, uint16_t type, uint64_t now_ms, struct answer *answer);

/* Keeps an answer for answer->ttl seconds; what expires first gives way. */
void cache_put(struct cache *cache, const char *host, uint16_t type, uint64_t now_ms,
               const struct answer *answer);

#endif
