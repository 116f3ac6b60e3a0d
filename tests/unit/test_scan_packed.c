/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_scan_packed: compressed bodies are looked into, let nothing go too early, and are refused when they are bombs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "dlp/unpack.h"
#include "tests/dlp/rig.h"
#include "tests/unit/suite.h"

static struct dlp_engine *engine;

__attribute__((constructor)) static void make(void)
{
    engine = rig_engine();
}

static size_t deflated(struct str in, int bits, char *out, size_t size)
{
    z_stream z = {.next_in = (Bytef *)in.ptr,
                  .avail_in = (uInt)in.len,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)size};

    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = size - z.avail_out;
    deflateEnd(&z);
    return len;
}

static size_t packed(const char *coding, struct str in, char *out, size_t size)
{
    if (strcmp(coding, "gzip") == 0)
        return deflated(in, 31, out, size);
    if (strcmp(coding, "deflate") == 0)
        return deflated(in, 15, out, size);
    if (strcmp(coding, "raw deflate") == 0)
        return deflated(in, -15, out, size);
    if (strcmp(coding, "br") == 0) {
        ck_assert(BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, in.len, (const uint8_t *)in.ptr, &size,
                                        (uint8_t *)out));
        return size;
    }
    size = ZSTD_compress(out, size, in.ptr, in.len, 3);
    ck_assert(!ZSTD_isError(size));
    return size;
}

#define BODY_MAX 700000
static char text[BODY_MAX], once[BODY_MAX + 1000], twice[BODY_MAX + 2000];

/* A body that cannot be compressed much, with the secret at this place. */
static void fill(size_t len, size_t at, const char *secret)
{
    unsigned seed = 7;

    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = "abcdefghijklmnop qrstuvwxyz\n,.;!"[seed >> 27];
    }
    memcpy(text + at, secret, strlen(secret));
}

static struct dlp_message message_of(const char *coding)
{
    if (strcmp(coding, "raw deflate") == 0)
        coding = "deflate";
    return (struct dlp_message){.detectors = DLP_TOKENS | DLP_KNOWN, .content_encoding = str_of(coding)};
}

static const char *const codings[] = {"gzip", "deflate", "raw deflate", "br", "zstd"};

START_TEST(secrets_in_compressed_bodies_are_found)
{
    static const size_t places[] = {0, 100, 57344 - 10, 300000, 600000 - 28};

    for (size_t c = 0; c < 5; c++)
        for (size_t p = 0; p < 5; p++)
            for (size_t step = 1000; step < 1000000; step = step * 9 + 1) {
                fill(600000, places[p], RIG_TOKEN);
                size_t len = packed(codings[c], (struct str){text, 600000}, once, sizeof once);
                struct dlp_message message = message_of(codings[c]);
                struct rig_result result = rig_body(engine, &message, (struct str){once, len}, step);
                ck_assert_msg(rig_covers(engine, &result, "TOKEN", places[p], places[p] + 28),
                              "%s at %zu in steps of %zu", codings[c], places[p], step);
                ck_assert(!result.findings[0].redactable);
                ck_assert_uint_le(result.held_max, DLP_HELD_PACKED_MAX + step);
                /* What has left, unpacked as far as it goes, does not reach the secret. */
                struct dlp_unpack *unpack;
                ck_assert_int_eq(dlp_unpack_new(message.content_encoding, &unpack), DLP_NO_VIOLATION);
                struct str in = {once, (size_t)result.left};
                size_t all = 0, made = 1;
                while (in.len > 0 || made > 0) {
                    ck_assert_int_eq(dlp_unpack_next(unpack, &in, twice, sizeof twice, &made),
                                     DLP_NO_VIOLATION);
                    all += made;
                }
                dlp_unpack_free(unpack);
                ck_assert_msg(all <= places[p], "%s: %zu bytes of the text left, the secret is at %zu",
                              codings[c], all, places[p]);
            }
}
END_TEST

START_TEST(two_codings_are_undone_in_their_order)
{
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++) {
            char names[64];
            fill(100000, 50000, RIG_CANARY);
            size_t len = packed(codings[a], (struct str){text, 100000}, once, sizeof once);
            len = packed(codings[b], (struct str){once, len}, twice, sizeof twice);
            snprintf(names, sizeof names, "%s , %s", message_of(codings[a]).content_encoding.ptr,
                     message_of(codings[b]).content_encoding.ptr);
            struct dlp_message message = message_of(names);
            struct rig_result result = rig_body(engine, &message, (struct str){twice, len}, 5000);
            ck_assert_msg(rig_covers(engine, &result, "CANARY", 50000, 50000 + sizeof RIG_CANARY - 1), "%s",
                          names);
        }
}
END_TEST

START_TEST(a_body_without_secrets_passes_whole)
{
    for (size_t c = 0; c < 5; c++) {
        fill(600000, 0, "");
        size_t len = packed(codings[c], (struct str){text, 600000}, once, sizeof once);
        struct dlp_message message = message_of(codings[c]);
        struct rig_result result = rig_body(engine, &message, (struct str){once, len}, 777);
        ck_assert_int_eq(result.answer, DLP_PASS);
        ck_assert_uint_eq(result.left, len);
    }
}
END_TEST

START_TEST(members_of_gzip_are_all_looked_at)
{
    fill(1000, 100, "");
    size_t len = packed("gzip", (struct str){text, 1000}, once, sizeof once);
    fill(1000, 100, RIG_TOKEN);
    len += packed("gzip", (struct str){text, 1000}, once + len, sizeof once - len);
    struct dlp_message message = message_of("gzip");
    struct rig_result result = rig_body(engine, &message, (struct str){once, len}, 64);
    ck_assert(rig_covers(engine, &result, "TOKEN", 1100, 1128));
}
END_TEST

static void refused(const char *coding, struct str body, enum dlp_violation wanted, const char *what)
{
    struct dlp_message message = message_of(coding);

    for (size_t step = 100; step < 1000000; step *= 100) {
        struct rig_result result = rig_body(engine, &message, body, step);
        ck_assert_int_eq(result.answer, DLP_VIOLATION);
        ck_assert_msg(result.violation == wanted, "%s, %s: %s", coding, what,
                      dlp_violation_name(result.violation));
        ck_assert_uint_lt(result.left, body.len);
    }
}

START_TEST(what_is_not_its_coding_is_refused)
{
    for (size_t c = 0; c < 5; c++) {
        fill(50000, 0, "");
        size_t len = packed(codings[c], (struct str){text, 50000}, once, sizeof once);
        refused(codings[c], (struct str){once, len - 1}, DLP_BAD_ENCODING, "cut short");
        once[len] = 'x';
        refused(codings[c], (struct str){once, len + 1}, DLP_BAD_ENCODING, "a byte behind it");
        refused(codings[c], (struct str){text, 50000}, DLP_BAD_ENCODING, "something else");
    }
    refused("compress", str_of("abc"), DLP_UNKNOWN_ENCODING, "unknown");
    refused("gzip, lz4", str_of("abc"), DLP_UNKNOWN_ENCODING, "unknown, second");
    refused("gzip, br, gzip", str_of("abc"), DLP_UNKNOWN_ENCODING, "three");
    refused("gzip;q=1", str_of("abc"), DLP_UNKNOWN_ENCODING, "with a parameter");
}
END_TEST

START_TEST(an_empty_body_has_any_coding)
{
    for (size_t c = 0; c < 5; c++) {
        struct dlp_message message = message_of(codings[c]);
        ck_assert_int_eq(rig_body(engine, &message, (struct str){"", 0}, 100).answer, DLP_PASS);
    }
}
END_TEST

/* A megabyte or so of a coding that unpacks to ten gigabytes: one member of gzip after the other, each of NULs. */
static size_t bomb(const char *coding, char *out, size_t size)
{
    enum { PIECE = 1 << 24 };
    char *nuls = calloc(1, PIECE);
    size_t piece, len = 0;

    ck_assert_ptr_nonnull(nuls);
    piece = packed(coding, (struct str){nuls, PIECE}, out, size);
    free(nuls);
    for (len = piece; len + piece < size; len += piece)
        memcpy(out + len, out, piece);
    return len;
}

static double seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
}

START_TEST(bombs_are_refused_early)
{
    static const char *const bombs[] = {"gzip", "zstd", "br"};
    struct rusage before, after;

    for (size_t c = 0; c < 3; c++) {
        size_t len = bomb(bombs[c], once, 1 << 18), inner;
        struct dlp_message message = message_of(bombs[c]);
        getrusage(RUSAGE_SELF, &before);
        double start = seconds();
        struct rig_result result = rig_body(engine, &message, (struct str){once, len}, 40000);
        double took = seconds() - start;
        getrusage(RUSAGE_SELF, &after);
        ck_assert_int_eq(result.violation, DLP_BOMB);
        ck_assert_uint_le(result.left, 40000);
        ck_assert_msg(after.ru_maxrss - before.ru_maxrss < 100 * 1024, "%ld KiB",
                      after.ru_maxrss - before.ru_maxrss);
        ck_assert_msg(took < 30, "%f s", took); /* unpacking all of it takes minutes here */
        /* And within another: a few hundred bytes that unpack to it. */
        char name[32];
        snprintf(name, sizeof name, "%s, gzip", bombs[c]);
        inner = packed("gzip", (struct str){once, len}, twice, sizeof twice);
        message = message_of(name);
        result = rig_body(engine, &message, (struct str){twice, inner}, 40000);
        ck_assert_int_eq(result.violation, DLP_BOMB);
    }
}
END_TEST

START_TEST(a_window_that_wants_too_much_memory_is_refused)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();

    ck_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27)));
    ck_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)));
    fill(1000, 0, "");
    ZSTD_inBuffer in = {text, 1000, 0};
    ZSTD_outBuffer out = {once, sizeof once, 0};
    size_t left = ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush);
    ck_assert_uint_eq(left, 0);
    ZSTD_freeCCtx(context);
    refused("zstd", (struct str){once, out.pos}, DLP_BOMB, "a window of 128 MiB");
}
END_TEST

SUITE_MAIN("scan_packed", secrets_in_compressed_bodies_are_found, two_codings_are_undone_in_their_order,
           a_body_without_secrets_passes_whole, members_of_gzip_are_all_looked_at,
           what_is_not_its_coding_is_refused, an_empty_body_has_any_coding, bombs_are_refused_early,
           a_window_that_wants_too_much_memory_is_refused)
