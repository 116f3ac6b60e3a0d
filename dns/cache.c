/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cache: a table of buckets with a few places each. A name can only be in its own bucket, so that both calls
 * look at BUCKET_PLACES entries whatever happens; in a full bucket the entry that expires first is replaced.
 * No lists, no clean-up pass, no memory taken while serving.
 */
#include "dns/cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_PLACES 4

struct entry {
    uint64_t expires_ms; /* 0 = empty */
    uint64_t hash;
    struct answer answer;
    uint16_t type;
    char host[HOST_MAX + 1];
};

struct cache {
    uint64_t seed;
    size_t buckets; /* a power of two */
    struct entry entries[];
};

struct cache *cache_new(size_t entries, uint64_t seed)
{
    size_t buckets = 1;

    while (buckets * BUCKET_PLACES < entries)
        buckets *= 2;
    struct cache *cache = calloc(1, sizeof *cache + buckets * BUCKET_PLACES * sizeof(struct entry));
    if (cache == NULL)
        return NULL;
    cache->seed = seed;
    cache->buckets = buckets;
    return cache;
}

void cache_free(struct cache *cache)
{
    free(cache);
}

void cache_clear(struct cache *cache)
{
    for (size_t i = 0; i < cache->buckets * BUCKET_PLACES; i++)
        cache->entries[i].expires_ms = 0;
}

/* FNV-1a, started from the seed and mixed at the end. */
static uint64_t hash_of(const struct cache *cache, const char *host, uint16_t type)
{
    uint64_t hash = (0xcbf29ce484222325u ^ cache->seed) + type;

    for (const char *c = host; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    hash ^= hash >> 32;
    return hash * 0x9e3779b97f4a7c15u;
}

static struct entry *bucket_of(struct cache *cache, uint64_t hash)
{
    return cache->entries + (hash >> 32 & (cache->buckets - 1)) * BUCKET_PLACES;
}

static bool is_for(const struct entry *entry, uint64_t hash, const char *host, uint16_t type)
{
    return entry->expires_ms != 0 && entry->hash == hash && entry->type == type &&
           strcmp(entry->host, host) == 0;
}

bool cache_get(struct cache *cache, const char *host, uint16_t type, uint64_t now_ms, struct answer *answer)
{
    uint64_t hash = hash_of(cache, host, type);
    struct entry *bucket = bucket_of(cache, hash);

    for (size_t i = 0; i < BUCKET_PLACES; i++) {
        const struct entry *entry = &bucket[i];
        if (!is_for(entry, hash, host, type))
            continue;
        if (entry->expires_ms <= now_ms)
            return false;
        *answer = entry->answer;
        answer->ttl = (uint32_t)((entry->expires_ms - now_ms + 999) / 1000);
        return true;
    }
    return false;
}

void cache_put(struct cache *cache, const char *host, uint16_t type, uint64_t now_ms,
               const struct answer *answer)
{
    uint64_t hash = hash_of(cache, host, type);
    struct entry *bucket = bucket_of(cache, hash), *place = bucket;
    size_t len = strlen(host);

    if (len > HOST_MAX || answer->ttl == 0)
        return;
    for (size_t i = 0; i < BUCKET_PLACES; i++) {
        if (is_for(&bucket[i], hash, host, type)) {
            place = &bucket[i];
            break;
        }
        if (bucket[i].expires_ms < place->expires_ms)
            place = &bucket[i];
    }
    place->expires_ms = now_ms + (uint64_t)answer->ttl * 1000;
    place->hash = hash;
    place->answer = *answer;
    place->type = type;
    memcpy(place->host, host, len + 1);
}
