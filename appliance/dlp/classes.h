/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * classes: what kind of byte stands where, 64 bytes at a time, one bit each. This is the only look that most bytes of a
 * stream get besides vectorscan's, so it is written for each processor's vectors; all of them say the same.
 */
#ifndef DLP_CLASSES_H
#define DLP_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DLP_BLOCK 64 /* bytes of a block */

struct dlp_masks {
    uint64_t word;    /* what tokens are made of: dlp_is_word */
    uint64_t other;   /* of those, the ones that standard base64 has not */
    uint64_t core;    /* letters, digits, '-' and '_': what the random part of a token is made of */
    uint64_t alnum;   /* A-Z a-z 0-9 */
    uint64_t plain;   /* ASCII but the controls below TAB */
    uint64_t escape;  /* \ */
    uint64_t percent; /* % */
    uint64_t nul;     /* NUL */
    uint64_t high;    /* 0x80 and up */
    uint64_t bad;     /* of those, what is in no UTF-8: C0, C1, F5 and up */
};

/* Letters, digits, and + / - . _ : = ~ */
bool dlp_is_word(char c);
/* Letters, digits, and - _ */
bool dlp_is_core(char c);

/* Of `blocks` whole blocks. */
void dlp_classify(const char *text, size_t blocks, struct dlp_masks *out);

/* Digits of encodings within words. */
struct dlp_digits {
    uint64_t hex;   /* 0-9 A-F a-f */
    uint64_t upper; /* A-Z 2-7: base32 */
    uint64_t lower; /* a-z 2-7 */
};
void dlp_classify_digits(const char *text, size_t blocks, struct dlp_digits *out);

/* The values of base64 digits, both alphabets; DLP_NO_DIGIT for every other byte. */
#define DLP_NO_DIGIT 0xff
void dlp_values64(const char *text, size_t len, uint8_t *out);

/* Of the 16 groups of four values in each block: whether the group can be ASCII, that is the highest bits of the bytes that
 * begin in it are zero; for each phase, which is where a group of three bytes begins. */
struct dlp_groups {
    uint16_t phases[4];
};
void dlp_ascii_groups(const uint8_t *values, size_t blocks, struct dlp_groups *out);

/* Every function of this page in its plain form and in the form that is chosen on this processor are the same: for tests.
 * `level` 0 is the plain form; false when this processor has no such level. */
bool dlp_classes_level(unsigned level);

#endif
