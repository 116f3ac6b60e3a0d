/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * classes: see classes.h. A byte's kind is looked up by its two halves: two tables of 16, one for each half, whose entries
 * have a bit in common exactly when the byte is of that kind. One shuffle of a vector looks up as many as it is long.
 */
#include "dlp/classes.h"

#include <string.h>

#include "dlp/sketch.h"

#if defined __x86_64__
#include <immintrin.h>
#endif

/* Kinds: A-O a-o; P-Z p-z; 0-9; + /; - .; _; : =; ~ */
const uint8_t dlp_kind_low[16] = {0x02 | 0x04,
                                  0x07,
                                  0x07,
                                  0x07,
                                  0x07,
                                  0x07,
                                  0x07,
                                  0x07,
                                  0x07,
                                  0x07,
                                  0x01 | 0x02 | 0x40,
                                  0x01 | 0x08,
                                  0x01,
                                  0x01 | 0x10 | 0x40,
                                  0x01 | 0x10 | 0x80,
                                  0x01 | 0x08 | 0x20};
const uint8_t dlp_kind_high[16] = {0, 0, 0x08 | 0x10, 0x04 | 0x40, 0x01, 0x02 | 0x20, 0x01, 0x02 | 0x80};

static uint8_t kind(uint8_t byte)
{
    return dlp_kind_low[byte & 15] & dlp_kind_high[byte >> 4];
}

bool dlp_is_word(char c)
{
    return kind((uint8_t)c) != 0;
}

bool dlp_is_core(char c)
{
    return (kind((uint8_t)c) & DLP_KIND_CORE) != 0 || c == '-';
}

static bool between(uint8_t c, uint8_t first, uint8_t last)
{
    return c >= first && c <= last;
}

/* The plain forms. */

static void digits_plain(const char *text, size_t blocks, struct dlp_digits *out)
{
    for (size_t block = 0; block < blocks; block++, text += DLP_BLOCK) {
        struct dlp_digits m = {0};
        for (size_t i = 0; i < DLP_BLOCK; i++) {
            uint8_t c = (uint8_t)text[i], folded = c | 0x20;
            m.hex |= (uint64_t)(between(c, '0', '9') || between(folded, 'a', 'f')) << i;
            m.upper |= (uint64_t)(between(c, '2', '7') || between(c, 'A', 'Z')) << i;
            m.lower |= (uint64_t)(between(c, '2', '7') || between(c, 'a', 'z')) << i;
        }
        out[block] = m;
    }
}

static uint8_t value64(uint8_t c)
{
    if (between(c, 'A', 'Z'))
        return (uint8_t)(c - 'A');
    if (between(c, 'a', 'z'))
        return (uint8_t)(c - 'a' + 26);
    if (between(c, '0', '9'))
        return (uint8_t)(c - '0' + 52);
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : DLP_NO_DIGIT;
}

static void values_plain(const char *text, size_t len, uint8_t *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = value64((uint8_t)text[i]);
}

/* In a group that begins a byte the highest bits of its three bytes are bit 5 of the first digit, bit 3 of the second and
 * bit 1 of the third; a later phase turns that. What is no digit has its highest bit set. */
static const uint8_t ascii_bits[4][4] = {
    {0xa0, 0x88, 0x82, 0x80}, {0x80, 0xa0, 0x88, 0x82}, {0x82, 0x80, 0xa0, 0x88}, {0x88, 0x82, 0x80, 0xa0}};

static void groups_plain(const uint8_t *values, size_t blocks, struct dlp_groups *out)
{
    for (size_t block = 0; block < blocks; block++, values += DLP_BLOCK)
        for (size_t phase = 0; phase < 4; phase++) {
            uint32_t bits, four;
            unsigned mask = 0;
            memcpy(&bits, ascii_bits[phase], 4);
            for (size_t group = 0; group < DLP_BLOCK / 4; group++) {
                memcpy(&four, values + 4 * group, 4);
                mask |= (unsigned)((four & bits) == 0) << group;
            }
            out[block].phases[phase] = (uint16_t)mask;
        }
}

#if defined __x86_64__

__attribute__((target("avx512f,avx512bw"))) static void digits_512(const char *text, size_t blocks,
                                                                   struct dlp_digits *out)
{
    const __m512i fold = _mm512_set1_epi8(0x20);

    for (size_t block = 0; block < blocks; block++, text += DLP_BLOCK) {
        __m512i v = _mm512_loadu_si512(text), f = _mm512_or_si512(v, fold);
        __mmask64 two =
            _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('2')), _mm512_set1_epi8(6));
        out[block] = (struct dlp_digits){
            .hex = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('0')), _mm512_set1_epi8(10)) |
                   _mm512_cmplt_epu8_mask(_mm512_sub_epi8(f, _mm512_set1_epi8('a')), _mm512_set1_epi8(6)),
            .upper =
                two | _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('A')), _mm512_set1_epi8(26)),
            .lower =
                two | _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('a')), _mm512_set1_epi8(26)),
        };
    }
}

__attribute__((target("avx512f,avx512bw"))) static void groups_512(const uint8_t *values, size_t blocks,
                                                                   struct dlp_groups *out)
{
    uint32_t bits[4];

    memcpy(bits, ascii_bits, sizeof bits);
    for (size_t block = 0; block < blocks; block++, values += DLP_BLOCK) {
        __m512i v = _mm512_loadu_si512(values);
        for (size_t phase = 0; phase < 4; phase++)
            out[block].phases[phase] = _mm512_testn_epi32_mask(v, _mm512_set1_epi32((int)bits[phase]));
    }
}

/* first <= c <= last, for ASCII bounds. */
__attribute__((target("avx2"), always_inline)) static inline __m256i range_256(__m256i v, char first,
                                                                               char last)
{
    return _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8((char)(first - 1))),
                            _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(last + 1)), v));
}

__attribute__((target("avx2"))) static void digits_256(const char *text, size_t blocks,
                                                       struct dlp_digits *out)
{
    for (size_t block = 0; block < blocks; block++) {
        uint32_t hex[2], upper[2], lower[2];
        for (size_t i = 0; i < 2; i++, text += 32) {
            __m256i v = _mm256_loadu_si256((const __m256i *)text),
                    f = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
            __m256i two = range_256(v, '2', '7');
            hex[i] = (uint32_t)_mm256_movemask_epi8(
                _mm256_or_si256(range_256(v, '0', '9'), range_256(f, 'a', 'f')));
            upper[i] = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(two, range_256(v, 'A', 'Z')));
            lower[i] = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(two, range_256(v, 'a', 'z')));
        }
        out[block] = (struct dlp_digits){.hex = hex[0] | (uint64_t)hex[1] << 32,
                                         .upper = upper[0] | (uint64_t)upper[1] << 32,
                                         .lower = lower[0] | (uint64_t)lower[1] << 32};
    }
}

__attribute__((target("avx2"), always_inline)) static inline __m256i value_256(__m256i v)
{
    __m256i upper = range_256(v, 'A', 'Z'), lower = range_256(v, 'a', 'z'), digit = range_256(v, '0', '9');
    __m256i plus = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('+')),
                                   _mm256_cmpeq_epi8(v, _mm256_set1_epi8('-')));
    __m256i slash = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('/')),
                                    _mm256_cmpeq_epi8(v, _mm256_set1_epi8('_')));
    __m256i shift = _mm256_or_si256(_mm256_and_si256(upper, _mm256_set1_epi8(-'A')),
                                    _mm256_or_si256(_mm256_and_si256(lower, _mm256_set1_epi8(26 - 'a')),
                                                    _mm256_and_si256(digit, _mm256_set1_epi8(52 - '0'))));
    __m256i plain = _mm256_or_si256(upper, _mm256_or_si256(lower, digit));
    __m256i special = _mm256_or_si256(_mm256_and_si256(plus, _mm256_set1_epi8(62)),
                                      _mm256_and_si256(slash, _mm256_set1_epi8(63)));
    __m256i known = _mm256_or_si256(plain, _mm256_or_si256(plus, slash));
    __m256i value = _mm256_or_si256(_mm256_and_si256(plain, _mm256_add_epi8(v, shift)), special);

    return _mm256_or_si256(value, _mm256_xor_si256(known, _mm256_set1_epi8(-1)));
}

__attribute__((target("avx2"))) static void values_256(const char *text, size_t len, uint8_t *out)
{
    char rest[32] = {0};
    size_t at = 0;

    for (; at + 32 <= len; at += 32)
        _mm256_storeu_si256((__m256i *)(out + at),
                            value_256(_mm256_loadu_si256((const __m256i *)(text + at))));
    if (at == len)
        return;
    memcpy(rest, text + at, len - at);
    _mm256_storeu_si256((__m256i *)rest, value_256(_mm256_loadu_si256((const __m256i *)rest)));
    memcpy(out + at, rest, len - at);
}

/* One bit for each group that has none of these bits. */
__attribute__((target("avx2"), always_inline)) static inline unsigned lack_groups_256(__m256i v, __m256i bits)
{
    __m256i lack = _mm256_cmpeq_epi32(_mm256_and_si256(v, bits), _mm256_setzero_si256());

    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(lack));
}

__attribute__((target("avx2"))) static void groups_256(const uint8_t *values, size_t blocks,
                                                       struct dlp_groups *out)
{
    uint32_t bits[4];

    memcpy(bits, ascii_bits, sizeof bits);
    for (size_t block = 0; block < blocks; block++, values += DLP_BLOCK) {
        __m256i a = _mm256_loadu_si256((const __m256i *)values);
        __m256i b = _mm256_loadu_si256((const __m256i *)(values + 32));
        for (size_t phase = 0; phase < 4; phase++) {
            __m256i wanted = _mm256_set1_epi32((int)bits[phase]);
            out[block].phases[phase] =
                (uint16_t)(lack_groups_256(a, wanted) | lack_groups_256(b, wanted) << 8);
        }
    }
}

#endif

/* Which form is used. */

struct forms {
    void (*sketch)(const char *text, size_t chunks, struct dlp_sketch *out);
    void (*runs)(const char *text, struct dlp_runs *out);
    size_t (*word_end)(const char *text, size_t len, size_t at, bool *other);
    void (*digits)(const char *text, size_t blocks, struct dlp_digits *out);
    void (*values)(const char *text, size_t len, uint8_t *out);
    void (*groups)(const uint8_t *values, size_t blocks, struct dlp_groups *out);
};

static const struct forms levels[] = {
    {dlp_sketch_plain, dlp_runs_plain, dlp_word_end_plain, digits_plain, values_plain, groups_plain},
#if defined __x86_64__
    {dlp_sketch_256, dlp_runs_256, dlp_word_end_256, digits_256, values_256, groups_256},
    {dlp_sketch_512, dlp_runs_256, dlp_word_end_256, digits_512, values_256, groups_512},
#elif defined __aarch64__
    {dlp_sketch_neon, dlp_runs_neon, dlp_word_end_plain, digits_plain, values_plain, groups_plain},
#endif
};

static const struct forms *chosen;

bool dlp_classes_level(unsigned level)
{
    bool has = level < sizeof levels / sizeof levels[0];

#if defined __x86_64__
    has = has && (level < 1 || __builtin_cpu_supports("avx2")) &&
          (level < 2 || (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi")));
#endif
    if (has)
        chosen = &levels[level];
    return has;
}

static const struct forms *form(void)
{
    if (chosen == NULL)
        for (unsigned level = 0; dlp_classes_level(level);)
            level++;
    return chosen;
}

void dlp_sketch(const char *text, size_t chunks, struct dlp_sketch *out)
{
    form()->sketch(text, chunks, out);
}

void dlp_sketch_runs(const char *text, struct dlp_runs *out)
{
    form()->runs(text, out);
}

size_t dlp_word_end(const char *text, size_t len, size_t at, bool *other)
{
    size_t near = len - at > DLP_BLOCK ? at + DLP_BLOCK : len; /* most are short */

    at = dlp_word_end_plain(text, near, at, other);
    return at < near || at == len ? at : form()->word_end(text, len, at, other);
}

void dlp_classify_digits(const char *text, size_t blocks, struct dlp_digits *out)
{
    form()->digits(text, blocks, out);
}

void dlp_values64(const char *text, size_t len, uint8_t *out)
{
    form()->values(text, len, out);
}

void dlp_ascii_groups(const uint8_t *values, size_t blocks, struct dlp_groups *out)
{
    form()->groups(values, blocks, out);
}
