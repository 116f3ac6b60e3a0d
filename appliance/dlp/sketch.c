/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sketch: see sketch.h. A byte's kind is looked up in tables: whole ones of 128 where the processor has that, else by halves. */
#include "dlp/sketch.h"

#include <string.h>

#include "dlp/anchors.h"

#if defined __x86_64__
#include <immintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#endif

#define BLOCKS (DLP_CHUNK / DLP_BLOCK)
#define LANES  (DLP_BLOCK / DLP_LANE)
#define AHEAD  2048         /* bytes: what is not there yet is fetched while this is looked at */
#define BEHIND (1ull << 63) /* what follows the last byte of a block */

struct dlp_tables dlp_tables;

static void put_anchor(const struct dlp_anchor_literal *literal, size_t at, unsigned c)
{
    uint8_t bit = (uint8_t)(1u << literal->group);

    dlp_tables.anchors[at][c] |= bit;
    dlp_tables.anchor_low[at][c & 15] |= bit;
    dlp_tables.anchor_high[at][c >> 4] |= bit;
}

/* Before main, so that nothing has to ask whether they are there but what other constructors may call. */
__attribute__((constructor)) void dlp_sketch_prepare(void)
{
    static const char escaped[] = "\"/\\ux";

    if (dlp_tables.ready)
        return;
    dlp_tables.ready = true;
    for (const char *c = escaped; *c != '\0'; c++) { /* the higher half tells their lower ones apart */
        uint8_t bit = (uint8_t)(1u << (*c >> 4));
        dlp_tables.escaped_low[*c & 15] |= bit;
        dlp_tables.escaped_high[*c >> 4] |= bit;
    }
    memset(dlp_tables.kinds, 0, sizeof dlp_tables.kinds);
    for (const char *c = "!@#%^&*"; *c != '\0'; c++)
        dlp_tables.kinds[(uint8_t)*c] = DLP_OF_VALUE;
    for (unsigned c = 0; c < 256; c++) {
        bool word = dlp_is_word((char)c), core = dlp_is_core((char)c);
        bool alnum = core && c != '-' && c != '_';
        dlp_tables.kinds[c] |=
            (uint8_t)((word ? DLP_OF_VALUE : 0) | (core ? 0 : DLP_NO_CORE) | (word ? 0 : DLP_NO_WORD) |
                      (alnum ? 0 : DLP_NO_ALNUM) | (word && !alnum && c != '+' && c != '/' ? DLP_OTHER : 0) |
                      (c != 0 && strchr(escaped, (int)c) != NULL ? DLP_ESCAPED : 0) |
                      (c > ' ' && c < 0x7f ? 0 : DLP_NO_VISIBLE));
        if (c < 128)
            dlp_tables.letters[c] = (char)(!alnum ? 0 : c >= 'A' ? c | 0x20 : c);
        char byte = (char)c;
        dlp_values64(&byte, 1, &dlp_tables.values[c]);
    }
    for (size_t i = 0; i < dlp_anchor_literal_count; i++) {
        const struct dlp_anchor_literal *literal = &dlp_anchor_literals[i];
        for (size_t at = 0; at < DLP_ANCHOR; at++) {
            unsigned c = at < strlen(literal->text) ? (unsigned char)literal->text[at] : 0;
            if (c != 0)
                put_anchor(literal, at, c);
            if (c != 0 && literal->caseless && (c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                put_anchor(literal, at, c ^ 0x20);
            for (unsigned any = 0; c == 0 && any < 256; any++)
                put_anchor(literal, at, any);
        }
    }
}

/* In a group that begins a byte the highest bits of its three bytes are bit 5 of the first digit, bit 3 of the second and
 * bit 1 of the third; a later phase turns that. What is no digit has its highest bit set. */
static const uint8_t ascii_bits[4][DLP_LANE] = {
    {0xa0, 0x88, 0x82, 0x80}, {0x80, 0xa0, 0x88, 0x82}, {0x82, 0x80, 0xa0, 0x88}, {0x88, 0x82, 0x80, 0xa0}};

static uint8_t anchor_groups(const uint8_t *text)
{
    uint8_t groups = 0xff;

    for (size_t i = 0; i < DLP_ANCHOR; i++)
        groups &= dlp_tables.anchors[i][text[i]];
    return groups;
}

static void lane(struct dlp_sketch *sketch, const uint8_t *text, size_t at)
{
    uint8_t kinds = 0, ascii[4] = {0};

    for (size_t i = 0; i < DLP_LANE; i++) {
        kinds |= dlp_tables.kinds[text[i]];
        for (size_t phase = 0; phase < 4; phase++)
            ascii[phase] |= dlp_tables.values[text[i]] & ascii_bits[phase][i];
    }
    sketch->core |= (uint64_t)((kinds & DLP_NO_CORE) == 0) << at;
    sketch->word |= (uint64_t)((kinds & DLP_NO_WORD) == 0) << at;
    sketch->visible |= (uint64_t)((kinds & DLP_NO_VISIBLE) == 0) << at;
    for (size_t phase = 0; phase < 4; phase++)
        sketch->ascii[phase] |= (uint64_t)(ascii[phase] == 0) << at;
}

void dlp_sketch_plain(const char *text, size_t chunks, struct dlp_sketch *out)
{
    for (; chunks > 0; chunks--, text += DLP_CHUNK, out++) {
        memset(out, 0, sizeof *out);
        for (size_t i = 0; i < DLP_CHUNK; i++) {
            const uint8_t *at = (const uint8_t *)text + i;
            struct dlp_bytes *bytes = &out->blocks[i / DLP_BLOCK];
            uint64_t bit = 1ull << i % DLP_BLOCK;
            bytes->alnum |= dlp_tables.kinds[*at] & DLP_NO_ALNUM ? 0 : bit;
            bytes->plain |= (int8_t)*at > 8 ? bit : 0;
            bytes->anchor |= anchor_groups(at) != 0 ? bit : 0;
            bytes->escape |= *at == '\\' && (bit >> 63 || dlp_tables.kinds[at[1]] & DLP_ESCAPED) ? bit : 0;
            bytes->percent |= *at == '%' ? bit : 0;
            bytes->nul |= *at == 0 ? bit : 0;
            bytes->high |= *at >= 0x80 ? bit : 0;
            bytes->lead |= *at >= 0xc0 ? bit : 0;
            if (i % DLP_LANE == 0)
                lane(out, at, i / DLP_LANE);
        }
    }
}

void dlp_runs_plain(const char *text, struct dlp_runs *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < DLP_CHUNK; i++) {
        uint8_t kinds = dlp_tables.kinds[(uint8_t)text[i]];
        out->word[i / DLP_BLOCK] |= (uint64_t)((kinds & DLP_NO_WORD) == 0) << i % DLP_BLOCK;
        out->core[i / DLP_BLOCK] |= (uint64_t)((kinds & DLP_NO_CORE) == 0) << i % DLP_BLOCK;
    }
}

/* Most words are short. Returns `len` or the end; *at has come to where it went on. */
size_t dlp_word_end_plain(const char *text, size_t len, size_t at, bool *other)
{
    uint8_t kinds = 0, kind;

    for (; at < len; at++) {
        kind = dlp_tables.kinds[(uint8_t)text[at]];
        if (kind & DLP_NO_WORD)
            break;
        kinds |= kind;
    }
    *other = *other || (kinds & DLP_OTHER) != 0;
    return at;
}

#if defined __x86_64__

/* A table of 128 is read by seven bits of each byte. */
struct table_512 {
    __m512i first, last;
};

__attribute__((target("avx512f,avx512bw,avx512vbmi"), always_inline)) static inline struct table_512
table_512(const uint8_t *table)
{
    return (struct table_512){_mm512_loadu_si512(table), _mm512_loadu_si512(table + 64)};
}

__attribute__((target("avx512f,avx512bw,avx512vbmi"), always_inline)) static inline __m512i
look_512(__m512i v, struct table_512 table)
{
    return _mm512_permutex2var_epi8(table.first, v, table.last);
}

__attribute__((target("avx512f,avx512bw,avx512vbmi"), always_inline)) static inline uint64_t
lanes_512(__m512i v, __m512i bits)
{
    return _mm512_testn_epi32_mask(v, bits);
}

/* No inner loops: what they go over stays in registers. */
__attribute__((target("avx512f,avx512bw,avx512vbmi"))) void dlp_sketch_512(const char *text, size_t chunks,
                                                                           struct dlp_sketch *out)
{
    const struct table_512 kind_table = table_512(dlp_tables.kinds),
                           value_table = table_512(dlp_tables.values);
    const struct table_512 anchor_0 = table_512(dlp_tables.anchors[0]),
                           anchor_1 = table_512(dlp_tables.anchors[1]),
                           anchor_2 = table_512(dlp_tables.anchors[2]),
                           anchor_3 = table_512(dlp_tables.anchors[3]);
    const __m512i no_core = _mm512_set1_epi8(DLP_NO_CORE), no_word = _mm512_set1_epi8(DLP_NO_WORD),
                  no_visible = _mm512_set1_epi8(DLP_NO_VISIBLE);
    int four[4];

    memcpy(four, ascii_bits, sizeof four);
    const __m512i bits_0 = _mm512_set1_epi32(four[0]), bits_1 = _mm512_set1_epi32(four[1]),
                  bits_2 = _mm512_set1_epi32(four[2]), bits_3 = _mm512_set1_epi32(four[3]);
    for (; chunks > 0; chunks--, out++) {
        uint64_t core = 0, word = 0, visible = 0, ascii_0 = 0, ascii_1 = 0, ascii_2 = 0, ascii_3 = 0;
        for (unsigned i = 0; i < BLOCKS; i++, text += DLP_BLOCK) {
            __m512i v = _mm512_loadu_si512(text);
            _mm_prefetch(text + AHEAD, _MM_HINT_T0);
            __mmask64 high = _mm512_movepi8_mask(v);
            /* Bytes with the eighth bit are of no kind. */
            __m512i kinds = _mm512_mask_mov_epi8(look_512(v, kind_table), high, _mm512_set1_epi8(-1));
            __m512i values = _mm512_ternarylogic_epi32(look_512(v, value_table), v,
                                                       _mm512_set1_epi8((char)0x80), 0xf8); /* a | (b & c) */
            __m512i two =
                _mm512_and_si512(look_512(v, anchor_0), look_512(_mm512_loadu_si512(text + 1), anchor_1));
            __m512i four_of = _mm512_ternarylogic_epi32(two, look_512(_mm512_loadu_si512(text + 2), anchor_2),
                                                        look_512(_mm512_loadu_si512(text + 3), anchor_3),
                                                        0x80); /* a & b & c */
            unsigned at = LANES * i;
            core |= lanes_512(kinds, no_core) << at;
            word |= lanes_512(kinds, no_word) << at;
            visible |= lanes_512(kinds, no_visible) << at;
            ascii_0 |= lanes_512(values, bits_0) << at;
            ascii_1 |= lanes_512(values, bits_1) << at;
            ascii_2 |= lanes_512(values, bits_2) << at;
            ascii_3 |= lanes_512(values, bits_3) << at;
            uint64_t escaped = _mm512_test_epi8_mask(kinds, _mm512_set1_epi8(DLP_ESCAPED)) & ~high;
            struct dlp_bytes *bytes = &out->blocks[i];
            bytes->alnum = _mm512_testn_epi8_mask(kinds, _mm512_set1_epi8(DLP_NO_ALNUM));
            bytes->plain = _mm512_cmpgt_epi8_mask(v, _mm512_set1_epi8(8));
            bytes->anchor = _mm512_test_epi8_mask(four_of, four_of) & ~high;
            bytes->escape = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')) & (escaped >> 1 | BEHIND);
            bytes->percent = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('%'));
            bytes->nul = _mm512_testn_epi8_mask(v, v);
            bytes->high = high;
            bytes->lead = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8((char)0xc0));
        }
        out->core = core;
        out->word = word;
        out->visible = visible;
        out->ascii[0] = ascii_0;
        out->ascii[1] = ascii_1;
        out->ascii[2] = ascii_2;
        out->ascii[3] = ascii_3;
    }
}

struct halves {
    __m256i low, high;
};

__attribute__((target("avx2"), always_inline)) static inline struct halves halves_256(const uint8_t *low,
                                                                                      const uint8_t *high)
{
    return (struct halves){_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                           _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high))};
}

__attribute__((target("avx2"), always_inline)) static inline __m256i look_256(__m256i v, struct halves tables)
{
    const __m256i half = _mm256_set1_epi8(15);

    return _mm256_and_si256(
        _mm256_shuffle_epi8(tables.low, _mm256_and_si256(v, half)),
        _mm256_shuffle_epi8(tables.high, _mm256_and_si256(_mm256_srli_epi16(v, 4), half)));
}

/* Bytes that have none of these bits: of all of a lane, or by themselves. */
__attribute__((target("avx2"), always_inline)) static inline __m256i lack_256(__m256i v, int bits)
{
    return _mm256_cmpeq_epi8(_mm256_and_si256(v, _mm256_set1_epi8((char)bits)), _mm256_setzero_si256());
}

__attribute__((target("avx2"), always_inline)) static inline uint64_t lanes_256(__m256i is)
{
    return (uint64_t)(uint32_t)_mm256_movemask_ps(
        _mm256_castsi256_ps(_mm256_cmpeq_epi32(is, _mm256_set1_epi8(-1))));
}

__attribute__((target("avx2"), always_inline)) static inline uint64_t bits_256(__m256i is)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(is);
}

__attribute__((target("avx2"))) void dlp_runs_256(const char *text, struct dlp_runs *out)
{
    const struct halves kinds = halves_256(dlp_kind_low, dlp_kind_high);

    for (size_t i = 0; i < BLOCKS; i++, text += DLP_BLOCK) {
        __m256i first = _mm256_loadu_si256((const __m256i *)text),
                last = _mm256_loadu_si256((const __m256i *)(text + 32));
        __m256i dash = _mm256_set1_epi8('-'), of_first = look_256(first, kinds),
                of_last = look_256(last, kinds);
        out->word[i] = ~(bits_256(lack_256(of_first, 0xff)) | bits_256(lack_256(of_last, 0xff)) << 32);
        out->core[i] = ~(bits_256(lack_256(of_first, DLP_KIND_CORE)) |
                         bits_256(lack_256(of_last, DLP_KIND_CORE)) << 32) |
                       bits_256(_mm256_cmpeq_epi8(first, dash)) |
                       bits_256(_mm256_cmpeq_epi8(last, dash)) << 32;
    }
}

__attribute__((target("avx2"))) void dlp_sketch_256(const char *text, size_t chunks, struct dlp_sketch *out)
{
    const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi8(-1);
    const struct halves kinds = halves_256(dlp_kind_low, dlp_kind_high);
    const struct halves escaped = halves_256(dlp_tables.escaped_low, dlp_tables.escaped_high);
    struct halves anchors[DLP_ANCHOR];
    uint64_t follow = 0;
    uint8_t values[DLP_CHUNK];
    int32_t bits[4];

    memcpy(bits, ascii_bits, sizeof bits);
    for (size_t i = 0; i < DLP_ANCHOR; i++)
        anchors[i] = halves_256(dlp_tables.anchor_low[i], dlp_tables.anchor_high[i]);
    for (; chunks > 0; chunks--, out++) {
        memset(out, 0, sizeof *out);
        dlp_values64(text, DLP_CHUNK, values);
        for (size_t i = 0; i < DLP_CHUNK / 32; i++, text += 32) {
            __m256i v = _mm256_loadu_si256((const __m256i *)text), kind = look_256(v, kinds), found = ones;
            __m256i value = _mm256_loadu_si256((const __m256i *)(values + 32 * i));
            __m256i core = _mm256_or_si256(_mm256_xor_si256(lack_256(kind, DLP_KIND_CORE), ones),
                                           _mm256_cmpeq_epi8(v, _mm256_set1_epi8('-')));
            struct dlp_bytes *bytes = &out->blocks[i / 2];
            unsigned shift = 32 * (i % 2);
            for (size_t at = 0; at < DLP_ANCHOR; at++)
                found = _mm256_and_si256(
                    found, look_256(_mm256_loadu_si256((const __m256i *)(text + at)), anchors[at]));
            out->core |= lanes_256(core) << 8 * i;
            out->visible |= lanes_256(_mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8(' ')),
                                                       _mm256_cmpgt_epi8(_mm256_set1_epi8(0x7f), v)))
                            << 8 * i;
            out->word |= lanes_256(_mm256_xor_si256(lack_256(kind, 0xff), ones)) << 8 * i;
            for (size_t phase = 0; phase < 4; phase++)
                out->ascii[phase] |= lanes_256(_mm256_cmpeq_epi32(
                                         _mm256_and_si256(value, _mm256_set1_epi32(bits[phase])), zero))
                                     << 8 * i;
            bytes->alnum |= (~bits_256(lack_256(kind, DLP_KIND_ALNUM)) & UINT32_MAX) << shift;
            bytes->plain |= bits_256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8(8))) << shift;
            bytes->anchor |= (~bits_256(_mm256_cmpeq_epi8(found, zero)) & UINT32_MAX) << shift;
            bytes->escape |= bits_256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'))) << shift;
            follow |= (~bits_256(_mm256_cmpeq_epi8(look_256(v, escaped), zero)) & UINT32_MAX) << shift;
            if (shift != 0) {
                bytes->escape &= follow >> 1 | BEHIND;
                follow = 0;
            }
            bytes->percent |= bits_256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('%'))) << shift;
            bytes->nul |= bits_256(_mm256_cmpeq_epi8(v, zero)) << shift;
            bytes->high |= bits_256(v) << shift;
            bytes->lead |= bits_256(_mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8((char)0xc0)), v))
                           << shift;
        }
    }
}

__attribute__((target("avx2"))) size_t dlp_word_end_256(const char *text, size_t len, size_t at, bool *other)
{
    const struct halves kinds = halves_256(dlp_kind_low, dlp_kind_high);
    uint64_t others = 0;

    for (; at + 32 <= len; at += 32) {
        __m256i kind = look_256(_mm256_loadu_si256((const __m256i *)(text + at)), kinds);
        uint64_t not_word = bits_256(lack_256(kind, 0xff)),
                 is_other = ~bits_256(lack_256(kind, DLP_KIND_OTHER)) & UINT32_MAX;
        if (not_word != 0) {
            unsigned end = (unsigned)__builtin_ctzll(not_word);
            *other = *other || (others | (is_other & ((1ull << end) - 1))) != 0;
            return at + end;
        }
        others |= is_other;
    }
    *other = *other || others != 0;
    return dlp_word_end_plain(text, len, at, other);
}

#elif defined __aarch64__

/* One bit for each byte that is 0xff, of four vectors. */
static uint64_t bits_neon(const uint8x16_t *v)
{
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t w = vld1q_u8(weights);
    uint8x16_t ab = vpaddq_u8(vandq_u8(v[0], w), vandq_u8(v[1], w)),
               cd = vpaddq_u8(vandq_u8(v[2], w), vandq_u8(v[3], w));
    uint8x16_t all = vpaddq_u8(ab, cd);

    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

/* One bit for each lane that is 0xff all over. */
static uint64_t lanes_neon(const uint8x16_t *v)
{
    static const uint16_t weights[2][8] = {{1, 2, 4, 8, 16, 32, 64, 128},
                                           {256, 512, 1024, 2048, 4096, 8192, 16384, 32768}};
    uint32x4_t is[4];

    for (size_t i = 0; i < 4; i++)
        is[i] = vceqq_u32(vreinterpretq_u32_u8(v[i]), vdupq_n_u32(UINT32_MAX));
    uint16x8_t first = vcombine_u16(vmovn_u32(is[0]), vmovn_u32(is[1])),
               last = vcombine_u16(vmovn_u32(is[2]), vmovn_u32(is[3]));
    return vaddvq_u16(
        vorrq_u16(vandq_u16(first, vld1q_u16(weights[0])), vandq_u16(last, vld1q_u16(weights[1]))));
}

static uint8x16_t look_neon(uint8x16_t v, const uint8_t *low, const uint8_t *high)
{
    return vandq_u8(vqtbl1q_u8(vld1q_u8(low), vandq_u8(v, vdupq_n_u8(15))),
                    vqtbl1q_u8(vld1q_u8(high), vshrq_n_u8(v, 4)));
}

void dlp_runs_neon(const char *text, struct dlp_runs *out)
{
    for (size_t block = 0; block < BLOCKS; block++, text += DLP_BLOCK) {
        uint8x16_t word[4], core[4];
        for (size_t i = 0; i < 4; i++) {
            uint8x16_t v = vld1q_u8((const uint8_t *)text + 16 * i),
                       kind = look_neon(v, dlp_kind_low, dlp_kind_high);
            word[i] = vtstq_u8(kind, kind);
            core[i] = vorrq_u8(vtstq_u8(kind, vdupq_n_u8(DLP_KIND_CORE)), vceqq_u8(v, vdupq_n_u8('-')));
        }
        out->word[block] = bits_neon(word);
        out->core[block] = bits_neon(core);
    }
}

static void block_neon(const uint8_t *text, const uint8_t *values, size_t block, struct dlp_sketch *out)
{
    static const uint8_t literals[] = {'\\', '%', 0};
    uint8x16_t v[4], kind[4], is[4];
    uint64_t equal[3];
    struct dlp_bytes *bytes = &out->blocks[block];

#define EACH(expression)                                                                                     \
    for (size_t i = 0; i < 4; i++)                                                                           \
    is[i] = (expression)
    for (size_t i = 0; i < 4; i++) {
        v[i] = vld1q_u8(text + 16 * i);
        kind[i] = look_neon(v[i], dlp_kind_low, dlp_kind_high);
    }
    EACH(vorrq_u8(vtstq_u8(kind[i], vdupq_n_u8(DLP_KIND_CORE)), vceqq_u8(v[i], vdupq_n_u8('-'))));
    out->core |= lanes_neon(is) << LANES * block;
    EACH(vandq_u8(vcgtq_u8(v[i], vdupq_n_u8(' ')), vcltq_u8(v[i], vdupq_n_u8(0x7f))));
    out->visible |= lanes_neon(is) << LANES * block;
    EACH(vtstq_u8(kind[i], vdupq_n_u8(0xff)));
    out->word |= lanes_neon(is) << LANES * block;
    for (size_t phase = 0; phase < 4; phase++) {
        uint32_t four;
        memcpy(&four, ascii_bits[phase], sizeof four);
        EACH(vreinterpretq_u8_u32(vceqq_u32(
            vandq_u32(vreinterpretq_u32_u8(vld1q_u8(values + 16 * i)), vdupq_n_u32(four)), vdupq_n_u32(0))));
        out->ascii[phase] |= lanes_neon(is) << LANES * block;
    }
    EACH(vtstq_u8(kind[i], vdupq_n_u8(DLP_KIND_ALNUM)));
    bytes->alnum = bits_neon(is);
    EACH(vcgtq_s8(vreinterpretq_s8_u8(v[i]), vdupq_n_s8(8)));
    bytes->plain = bits_neon(is);
    for (size_t literal = 0; literal < sizeof literals; literal++) {
        EACH(vceqq_u8(v[i], vdupq_n_u8(literals[literal])));
        equal[literal] = bits_neon(is);
    }
    EACH(vtstq_u8(look_neon(v[i], dlp_tables.escaped_low, dlp_tables.escaped_high), vdupq_n_u8(0xff)));
    bytes->escape = equal[0] & (bits_neon(is) >> 1 | BEHIND);
    bytes->percent = equal[1];
    bytes->nul = equal[2];
    EACH(vcgeq_u8(v[i], vdupq_n_u8(0x80)));
    bytes->high = bits_neon(is);
    EACH(vcgeq_u8(v[i], vdupq_n_u8(0xc0)));
    bytes->lead = bits_neon(is);
    for (size_t i = 0; i < 4; i++) {
        is[i] = vdupq_n_u8(0xff);
        for (size_t at = 0; at < DLP_ANCHOR; at++)
            is[i] = vandq_u8(is[i], look_neon(vld1q_u8(text + 16 * i + at), dlp_tables.anchor_low[at],
                                              dlp_tables.anchor_high[at]));
        is[i] = vtstq_u8(is[i], is[i]);
    }
    bytes->anchor = bits_neon(is);
#undef EACH
}

void dlp_sketch_neon(const char *text, size_t chunks, struct dlp_sketch *out)
{
    uint8_t values[DLP_CHUNK];

    for (; chunks > 0; chunks--, text += DLP_CHUNK, out++) {
        memset(out, 0, sizeof *out);
        dlp_values64(text, DLP_CHUNK, values);
        for (size_t block = 0; block < BLOCKS; block++)
            block_neon((const uint8_t *)text + DLP_BLOCK * block, values + DLP_BLOCK * block, block, out);
    }
}

#endif
