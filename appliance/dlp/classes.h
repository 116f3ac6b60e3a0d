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

/* Letters, digits, and + / - . _ : = ~ */
bool dlp_is_word(char c);
/* Letters, digits, and - _ */
bool dlp_is_core(char c);

/* By the halves of a byte: what its entries have in common are its kinds. */
extern const uint8_t dlp_kind_low[16], dlp_kind_high[16];
#define DLP_KIND_ALNUM 0x07
#define DLP_KIND_OTHER 0xf0                    /* what standard base64 has not */
#define DLP_KIND_CORE  (DLP_KIND_ALNUM | 0x20) /* and '-' */

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
