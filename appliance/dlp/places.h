/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * places: which place of a text that was made belongs to which of the text that it was made from, now and then: from there on the
 * rest is made again, where somebody asks. Private to the layer.
 */
#ifndef DLP_PLACES_H
#define DLP_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DLP_PLACES_APART 128 /* bytes of the source, at least */

struct dlp_place {
    uint32_t in, out; /* bytes in front of it */
};

/* Room for what is made of a text of `len` bytes. */
#define DLP_PLACES_ROOM(len) ((len) / DLP_PLACES_APART + 2)

struct dlp_places {
    bool
        within; /* the owner's: the source is the middle of a text, so that a blank in front of its words parts them from others */
    size_t count;
    struct dlp_place *all; /* the owner's; the first is the beginning of both */
};

static inline void dlp_places_begin(struct dlp_places *places)
{
    places->count = 1;
    places->all[0] = (struct dlp_place){0, 0};
}

/* A place from where on making can begin anew. What is too near to the one before is left out. */
static inline void dlp_places_add(struct dlp_places *places, size_t in, size_t out)
{
    if (in - places->all[places->count - 1].in >= DLP_PLACES_APART)
        places->all[places->count++] = (struct dlp_place){(uint32_t)in, (uint32_t)out};
}

/* The index of the last place at or before the byte `out` of what was made. */
static inline size_t dlp_places_find(const struct dlp_places *places, size_t out)
{
    size_t low = 0, high = places->count;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (places->all[middle].out <= out)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The index of the last place at or before the byte `in` of the source. */
static inline size_t dlp_places_find_source(const struct dlp_places *places, size_t in)
{
    size_t at = places->count - 1;

    while (places->all[at].in > in)
        at--;
    return at;
}

/* Bytes of the source in front of which, or behind which, lies what was made into the byte `out`. */
static inline size_t dlp_places_before(const struct dlp_places *places, size_t out)
{
    return places->all[dlp_places_find(places, out)].in;
}

static inline size_t dlp_places_after(const struct dlp_places *places, size_t out, size_t len)
{
    size_t next = dlp_places_find(places, out) + 1;

    return next < places->count ? places->all[next].in : len;
}

#endif
