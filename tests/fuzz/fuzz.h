/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz: a fuzz target is a file with LLVMFuzzerTestOneInput. It is linked with clang's -fsanitize=fuzzer to
 * search for long, and by a unit test with fuzz_mutations, which changes good inputs a bounded number of
 * times, the same every time.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MAX 1500 /* bytes of an input */

static inline unsigned fuzz_dice(uint64_t *state, size_t sides)
{
    *state ^= *state << 13; /* xorshift64 */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)(*state % sides);
}

static inline size_t fuzz_change(uint64_t *state, uint8_t *data, size_t len)
{
    size_t at = fuzz_dice(state, len + 1), some = 1 + fuzz_dice(state, 20);

    switch (fuzz_dice(state, 5)) {
    case 0: /* a byte */
        data[at] = (uint8_t)fuzz_dice(state, 256);
        return len;
    case 1: /* a bit */
        data[at] ^= (uint8_t)(1u << fuzz_dice(state, 8));
        return len;
    case 2: /* cut */
        return fuzz_dice(state, 4) == 0 ? at : len;
    case 3: /* grown */
        if (len + some > FUZZ_MAX)
            return len;
        memmove(data + at + some, data + at, len - at);
        return len + some;
    default: /* shrunk */
        if (at + some > len)
            return len;
        memmove(data + at, data + at + some, len - at - some);
        return len - some;
    }
}

/* Runs the target on `count` changed copies of the seed, each in memory of exactly its size. */
static inline void fuzz_mutations(const uint8_t *seed, size_t len, unsigned count)
{
    uint8_t data[FUZZ_MAX + 1];
    uint64_t state = 0x9e3779b97f4a7c15u;

    for (unsigned i = 0; i < count; i++) {
        size_t now = len;
        memset(data, 0, sizeof data);
        memcpy(data, seed, len);
        for (unsigned changes = 1 + fuzz_dice(&state, 4); changes > 0; changes--)
            now = fuzz_change(&state, data, now);
        uint8_t *exact = malloc(now > 0 ? now : 1);
        if (exact == NULL)
            abort();
        memcpy(exact, data, now);
        LLVMFuzzerTestOneInput(exact, now);
        free(exact);
    }
}

#endif
