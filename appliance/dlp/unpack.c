/* SPDX-License-Identifier: GPL-3.0-or-later */
/* unpack: see unpack.h. A stage is one coding; two stages have a small buffer between them. */
#include "dlp/unpack.h"

#include <stdlib.h>
#include <string.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define STAGES      2
#define MIDDLE      16384
#define LAG         64     /* bytes that a decoder of single symbols may have taken in without showing */
#define LAG_ZSTD    131200 /* a block (RFC 8878 section 3.1.1.2.4), and headers */
#define WINDOW_ZSTD 23     /* 8 MiB: what RFC 9659 lets a sender use */

enum coding { GZIP, DEFLATE, BROTLI, ZSTD };

struct stage {
    enum coding coding;
    bool begun; /* a member has begun and not ended */
    bool any;   /* some member has ended */
    size_t memory;
    bool greedy; /* it wanted more memory than it may have */
    z_stream zlib;
    bool zlib_open;
    char front; /* of DEFLATE: the first byte, until the second tells what it is */
    bool has_front;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
};

struct dlp_unpack {
    size_t count;
    struct stage stages[STAGES];
    uint64_t in, out; /* bytes so far */
    char middle[MIDDLE];
    struct str waiting; /* of middle */
};

/* Memory of a decoder, with its size in front. */
static void *take(void *stage, size_t size)
{
    struct stage *of = stage;
    size_t *block = NULL;

    if (size > DLP_UNPACK_MEMORY - of->memory) {
        of->greedy = true;
        return NULL;
    }
    block = malloc(size + 16);
    if (block == NULL)
        return NULL;
    *block = size;
    of->memory += size;
    return (char *)block + 16;
}

static void give_back(void *stage, void *memory)
{
    if (memory == NULL)
        return;
    size_t *block = (size_t *)((char *)memory - 16);
    ((struct stage *)stage)->memory -= *block;
    free(block);
}

static void *take_items(void *stage, unsigned items, unsigned size)
{
    return take(stage, (size_t)items * size);
}

static int stage_zlib(struct stage *stage, int bits)
{
    stage->zlib = (z_stream){.zalloc = take_items, .zfree = give_back, .opaque = stage};
    stage->zlib_open = inflateInit2(&stage->zlib, bits) == Z_OK;
    return stage->zlib_open ? 0 : -1;
}

static int stage_init(struct stage *stage, enum coding coding)
{
    stage->coding = coding;
    if (coding == GZIP)
        return stage_zlib(stage, 15 + 16);
    if (coding == BROTLI)
        return (stage->brotli = BrotliDecoderCreateInstance(take, give_back, stage)) != NULL ? 0 : -1;
    if (coding == ZSTD) {
        stage->zstd = ZSTD_createDStream();
        return stage->zstd != NULL &&
                       !ZSTD_isError(ZSTD_DCtx_setParameter(stage->zstd, ZSTD_d_windowLogMax, WINDOW_ZSTD))
                   ? 0
                   : -1;
    }
    return 0; /* DEFLATE waits for its first bytes */
}

static void stage_fini(struct stage *stage)
{
    if (stage->zlib_open)
        inflateEnd(&stage->zlib);
    if (stage->brotli != NULL)
        BrotliDecoderDestroyInstance(stage->brotli);
    ZSTD_freeDStream(stage->zstd);
}

static enum dlp_violation next_zlib(struct stage *stage, struct str *in, char *out, size_t room, size_t *made)
{
    z_stream *z = &stage->zlib;

    if (!stage->begun && stage->any && in->len > 0) {
        /* Another member of gzip may follow; nothing may follow the others. */
        if (stage->coding != GZIP || inflateReset(z) != Z_OK)
            return DLP_BAD_ENCODING;
    }
    stage->begun = stage->begun || in->len > 0;
    if (!stage->begun)
        return DLP_NO_VIOLATION;
    z->next_in = (Bytef *)in->ptr;
    z->avail_in = (uInt)in->len;
    z->next_out = (Bytef *)out;
    z->avail_out = (uInt)room;
    int status = inflate(z, Z_NO_FLUSH);
    in->ptr += in->len - z->avail_in;
    in->len = z->avail_in;
    *made = room - z->avail_out;
    if (status == Z_STREAM_END) {
        stage->begun = false;
        stage->any = true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
        return stage->greedy ? DLP_BOMB : status == Z_MEM_ERROR ? DLP_FAILED : DLP_BAD_ENCODING;
    }
    return DLP_NO_VIOLATION;
}

/* With or without the wrapper of zlib: its first two bytes are a multiple of 31, and name the method 8. */
static enum dlp_violation next_deflate(struct stage *stage, struct str *in, char *out, size_t room,
                                       size_t *made)
{
    if (!stage->zlib_open) {
        if (in->len == 0)
            return DLP_NO_VIOLATION;
        if (!stage->has_front) {
            stage->front = *in->ptr++;
            in->len--;
            stage->has_front = true;
            stage->begun = true;
            if (in->len == 0)
                return DLP_NO_VIOLATION;
        }
        unsigned first = (unsigned char)stage->front, second = (unsigned char)*in->ptr;
        bool wrapped = (first & 15) == 8 && first >> 4 <= 7 && (first << 8 | second) % 31 == 0;
        if (stage_zlib(stage, wrapped ? 15 : -15) != 0)
            return DLP_FAILED;
        struct str front = {&stage->front, 1};
        enum dlp_violation wrong = next_zlib(stage, &front, out, room, made);
        if (wrong != DLP_NO_VIOLATION || front.len > 0)
            return wrong != DLP_NO_VIOLATION ? wrong : DLP_BAD_ENCODING;
        /* One byte makes no output: three bits of it are the block's header. */
    }
    return next_zlib(stage, in, out, room, made);
}

static enum dlp_violation next_brotli(struct stage *stage, struct str *in, char *out, size_t room,
                                      size_t *made)
{
    const uint8_t *from = (const uint8_t *)in->ptr;
    uint8_t *to = (uint8_t *)out;
    size_t left = room;

    if (stage->any)
        return in->len > 0 ? DLP_BAD_ENCODING : DLP_NO_VIOLATION;
    stage->begun = stage->begun || in->len > 0;
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(stage->brotli, &in->len, &from, &left, &to, NULL);
    in->ptr = (const char *)from;
    *made = room - left;
    if (result == BROTLI_DECODER_RESULT_ERROR)
        return stage->greedy ? DLP_BOMB : DLP_BAD_ENCODING;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) {
        stage->begun = false;
        stage->any = true;
    }
    return DLP_NO_VIOLATION;
}

static enum dlp_violation next_zstd(struct stage *stage, struct str *in, char *out, size_t room, size_t *made)
{
    ZSTD_inBuffer from = {in->ptr, in->len, 0};
    ZSTD_outBuffer to = {out, room, 0};

    if (in->len == 0 && !stage->begun)
        return DLP_NO_VIOLATION;
    size_t result = ZSTD_decompressStream(stage->zstd, &to, &from);
    in->ptr += from.pos;
    in->len -= from.pos;
    *made = to.pos;
    if (ZSTD_isError(result))
        return ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge ? DLP_BOMB
                                                                                     : DLP_BAD_ENCODING;
    stage->begun = result != 0;
    stage->any = stage->any || result == 0;
    return DLP_NO_VIOLATION;
}

static enum dlp_violation stage_next(struct stage *stage, struct str *in, char *out, size_t room,
                                     size_t *made)
{
    static enum dlp_violation (*const next[])(struct stage * stage, struct str * in, char *out, size_t room,
                                              size_t *made) = {
        [GZIP] = next_zlib, [DEFLATE] = next_deflate, [BROTLI] = next_brotli, [ZSTD] = next_zstd};

    *made = 0;
    return next[stage->coding](stage, in, out, room, made);
}

/* Cuts the first element off a list (RFC 9110 section 5.6.1). */
static struct str element(struct str *list)
{
    const char *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : NULL;
    struct str first = {list->ptr, comma != NULL ? (size_t)(comma - list->ptr) : list->len};

    list->ptr += first.len + (comma != NULL);
    list->len -= first.len + (comma != NULL);
    return str_trim(first);
}

static enum dlp_violation add(struct dlp_unpack *unpack, struct str name)
{
    static const struct {
        struct str name;
        enum coding coding;
    } names[] = {{STR("gzip"), GZIP},
                 {STR("x-gzip"), GZIP},
                 {STR("deflate"), DEFLATE},
                 {STR("br"), BROTLI},
                 {STR("zstd"), ZSTD}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_equal_nocase(name, names[i].name)) {
            if (unpack->count == STAGES)
                return DLP_UNKNOWN_ENCODING;
            return stage_init(&unpack->stages[unpack->count++], names[i].coding) == 0 ? DLP_NO_VIOLATION
                                                                                      : DLP_FAILED;
        }
    return DLP_UNKNOWN_ENCODING;
}

enum dlp_violation dlp_unpack_new(struct str content_encoding, struct dlp_unpack **unpack)
{
    struct str list = content_encoding;
    enum dlp_violation wrong = DLP_NO_VIOLATION;

    *unpack = NULL;
    while (list.len > 0 && wrong == DLP_NO_VIOLATION) {
        struct str name = element(&list);
        if (name.len == 0 || str_equal_nocase(name, str_of("identity")))
            continue;
        if (*unpack == NULL && (*unpack = calloc(1, sizeof **unpack)) == NULL)
            return DLP_FAILED;
        wrong = add(*unpack, name);
    }
    if (wrong == DLP_NO_VIOLATION && *unpack != NULL && (*unpack)->count == STAGES) {
        /* They were put on in the order of the list, and come off in the other. */
        struct dlp_unpack *turned = NULL;
        enum coding first = (*unpack)->stages[0].coding, last = (*unpack)->stages[1].coding;
        dlp_unpack_free(*unpack);
        *unpack = turned = calloc(1, sizeof **unpack);
        if (turned == NULL)
            return DLP_FAILED;
        turned->count = STAGES;
        if (stage_init(&turned->stages[0], last) != 0 || stage_init(&turned->stages[1], first) != 0)
            wrong = DLP_FAILED;
    }
    if (wrong != DLP_NO_VIOLATION) {
        dlp_unpack_free(*unpack);
        *unpack = NULL;
    }
    return wrong;
}

void dlp_unpack_free(struct dlp_unpack *unpack)
{
    if (unpack == NULL)
        return;
    for (size_t i = 0; i < unpack->count; i++)
        stage_fini(&unpack->stages[i]);
    free(unpack);
}

/* Two stages: what the first makes waits in the middle for the second. */
static enum dlp_violation both(struct dlp_unpack *unpack, struct str *in, char *out, size_t room,
                               size_t *made)
{
    enum dlp_violation wrong;

    for (*made = 0;;) {
        size_t more, before = unpack->waiting.len;
        wrong = stage_next(&unpack->stages[1], &unpack->waiting, out + *made, room - *made, &more);
        *made += more;
        if (wrong != DLP_NO_VIOLATION || *made == room)
            return wrong;
        if (unpack->waiting.len > 0) {
            if (more == 0 && unpack->waiting.len == before)
                return DLP_BAD_ENCODING; /* neither takes nor gives */
            continue;
        }
        wrong = stage_next(&unpack->stages[0], in, unpack->middle, MIDDLE, &more);
        if (wrong != DLP_NO_VIOLATION || more == 0)
            return wrong;
        unpack->waiting = (struct str){unpack->middle, more};
    }
}

enum dlp_violation dlp_unpack_next(struct dlp_unpack *unpack, struct str *in, char *out, size_t room,
                                   size_t *made)
{
    size_t before = in->len;
    enum dlp_violation wrong = unpack->count == STAGES ? both(unpack, in, out, room, made)
                                                       : stage_next(&unpack->stages[0], in, out, room, made);

    unpack->in += before - in->len;
    unpack->out += *made;
    if (wrong == DLP_NO_VIOLATION && unpack->out > DLP_UNPACK_GRACE &&
        unpack->out / DLP_UNPACK_RATIO > unpack->in)
        return DLP_BOMB;
    return wrong;
}

bool dlp_unpack_whole(const struct dlp_unpack *unpack)
{
    bool whole = unpack->waiting.len == 0;

    for (size_t i = 0; i < unpack->count; i++)
        whole = whole && !unpack->stages[i].begun && (unpack->stages[i].any || unpack->in == 0);
    return whole;
}

size_t dlp_unpack_lag(const struct dlp_unpack *unpack)
{
    size_t lag = 0;

    for (size_t i = 0; i < unpack->count; i++)
        lag += unpack->stages[i].coding == ZSTD ? LAG_ZSTD : LAG;
    return lag;
}
