/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_cache: what is kept, for how long, and that it stays bounded. */
#include <stdio.h>
#include <string.h>

#include "dns/cache.h"
#include "tests/unit/suite.h"

START_TEST(an_answer_is_kept_for_its_lifetime_and_ages)
{
    struct cache *cache = cache_new(64, 42);
    struct answer in = {.count = 1, .ttl = 10, .addresses = {{198, 51, 100, 1}}}, out;

    ck_assert(!cache_get(cache, "api.test", 1, 5000, &out));
    cache_put(cache, "api.test", 1, 5000, &in);
    ck_assert(cache_get(cache, "api.test", 1, 5000, &out));
    ck_assert(out.ttl == 10 && out.count == 1 && memcmp(out.addresses, in.addresses, 4) == 0);
    ck_assert(cache_get(cache, "api.test", 1, 5001, &out) && out.ttl == 10);
    ck_assert(cache_get(cache, "api.test", 1, 6000, &out) && out.ttl == 9);
    ck_assert(cache_get(cache, "api.test", 1, 14999, &out) && out.ttl == 1);
    ck_assert(!cache_get(cache, "api.test", 1, 15000, &out));
    cache_free(cache);
}
END_TEST

START_TEST(name_and_type_both_have_to_fit)
{
    struct cache *cache = cache_new(64, 42);
    struct answer in = {.ttl = 10}, out;

    cache_put(cache, "api.test", 1, 0, &in);
    ck_assert(!cache_get(cache, "api.test", 28, 1, &out));
    ck_assert(!cache_get(cache, "api.tes", 1, 1, &out));
    ck_assert(!cache_get(cache, "api.test.x", 1, 1, &out));
    ck_assert(cache_get(cache, "api.test", 1, 1, &out));
    cache_free(cache);
}
END_TEST

START_TEST(a_new_answer_replaces_the_old_and_no_lifetime_is_not_kept)
{
    struct cache *cache = cache_new(64, 42);
    struct answer in = {.ttl = 10, .rcode = 3}, out;

    cache_put(cache, "api.test", 1, 0, &in);
    in.rcode = 0;
    cache_put(cache, "api.test", 1, 0, &in);
    ck_assert(cache_get(cache, "api.test", 1, 1, &out) && out.rcode == 0);
    in.ttl = 0;
    cache_put(cache, "b.test", 1, 0, &in);
    ck_assert(!cache_get(cache, "b.test", 1, 0, &out));
    cache_free(cache);
}
END_TEST

START_TEST(a_cleared_cache_is_empty)
{
    struct cache *cache = cache_new(64, 42);
    struct answer in = {.ttl = 10}, out;

    cache_put(cache, "api.test", 1, 0, &in);
    cache_clear(cache);
    ck_assert(!cache_get(cache, "api.test", 1, 0, &out));
    cache_free(cache);
}
END_TEST

START_TEST(a_flood_of_names_pushes_out_what_expires_first)
{
    struct cache *cache = cache_new(64, 42);
    struct answer brief = {.ttl = 1}, lasting = {.ttl = 300}, out;
    char name[HOST_MAX + 1];
    unsigned found = 0;

    cache_put(cache, "keep.test", 1, 0, &lasting);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        cache_put(cache, name, 1, 0, &brief);
        ck_assert(cache_get(cache, name, 1, 0, &out));
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        found += cache_get(cache, name, 1, 0, &out);
    }
    ck_assert_uint_le(found, 63);
    ck_assert(cache_get(cache, "keep.test", 1, 0, &out));
    cache_free(cache);
}
END_TEST

SUITE_MAIN("cache", an_answer_is_kept_for_its_lifetime_and_ages, name_and_type_both_have_to_fit,
           a_new_answer_replaces_the_old_and_no_lifetime_is_not_kept, a_cleared_cache_is_empty,
           a_flood_of_names_pushes_out_what_expires_first)
