/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_archive: see push_archive.h. What lies within another member is looked for as well. The memory is zlib's (a window of 32 KiB)
 * and that of one search; the time is bounded by how much all members of an object may unpack to, together.
 */
#include "gate/push_archive.h"

#include <string.h>

#include <zlib.h>

#include "dlp/unpack.h"
#include "gate/push_found.h"
#include "gate/push_scan.h"

#define GZIP_HEAD 10
#define ZIP_HEAD  30
#define PIECE     65536
#define FEED_MAX  (1u << 20) /* bytes that zlib is given at once: between two the time is looked at */

struct archive {
    struct push_run *run;
    struct push_place place;
    struct str object;
    uint64_t made; /* bytes, unpacked, of all members */
    uint64_t
        read;  /* bytes that went in for them: members may share what they are made of, and yield nothing */
    bool over; /* a bomb, or what cannot be looked into: told already */
};

static unsigned u16(const unsigned char *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8;
}

static void tell(struct archive *archive, const char *rule, const char *why, bool ask)
{
    struct push_finding *found = push_found_add(archive->run, PUSH_ARCHIVE, rule, &archive->place, 0);

    archive->over = true;
    if (found == NULL)
        return;
    memcpy(found->text, why, strlen(why) + 1);
    if (ask && archive->place.object != NULL)
        push_found_ask(archive->run, found, str_of(rule),
                       (struct str){(const char *)archive->place.object, PUSH_ID_BYTES});
}

static bool is_bomb(const struct archive *archive)
{
    uint64_t work = archive->made > archive->read ? archive->made : archive->read;

    return work > DLP_UNPACK_GRACE && work / DLP_UNPACK_RATIO > archive->object.len;
}

/* One piece of what comes out. Returns 0, or -1: the run has failed. */
static int take(struct archive *archive, struct push_stream *stream, struct str piece)
{
    archive->made += piece.len;
    archive->run->check->bytes += piece.len;
    if (is_bomb(archive))
        tell(archive, "archive-bomb", "an archive that unpacks to too much", false);
    if (push_time(archive->run) == 0)
        return -1;
    if (archive->over || piece.len == 0)
        return 0;
    if (stream->run == NULL && push_stream_begin(stream, archive->run, &archive->place) != 0)
        return -1;
    return push_stream_feed(stream, piece);
}

/* What follows, from `at` on, until its stream ends or is none. Returns 0, or -1: the run has failed. */
static int unpack(struct archive *archive, size_t at, int bits)
{
    static char piece[PIECE];
    struct push_stream stream = {.run = NULL};
    z_stream z = {.next_in = (Bytef *)(uintptr_t)(archive->object.ptr + at)};
    size_t left = archive->object.len - at;
    int status = Z_OK, failed = 0;

    if (inflateInit2(&z, bits) != Z_OK)
        return push_fail(archive->run, "no memory");
    while (status == Z_OK && failed == 0 && !archive->over && !archive->run->over) {
        if (z.avail_in == 0) {
            z.avail_in = (uInt)(left < FEED_MAX ? left : FEED_MAX);
            left -= z.avail_in;
        }
        z.next_out = (Bytef *)piece;
        z.avail_out = PIECE;
        uInt before = z.avail_in;
        status = inflate(&z, Z_NO_FLUSH);
        archive->read += before - z.avail_in;
        failed = take(archive, &stream, (struct str){piece, PIECE - z.avail_out});
    }
    inflateEnd(&z);
    if (stream.run != NULL && push_stream_end(&stream) != 0)
        failed = -1;
    return failed;
}

static bool is_gzip(const unsigned char *b)
{
    return b[2] == 8 && (b[3] & 0xe0) == 0 && (b[9] <= 13 || b[9] == 255);
}

/* A member's own head. What cannot be one is none: the four bytes may stand anywhere. */
static bool is_zip(const unsigned char *b)
{
    unsigned method = u16(b + 8), name = u16(b + 26);

    return b[4] <= 63 && name > 0 && name <= 4096 && (method <= 19 || (method >= 93 && method <= 99));
}

/* What begins at `at`. Returns 0, or -1: the run has failed. */
static int member(struct archive *archive, size_t at)
{
    const unsigned char *head = (const unsigned char *)archive->object.ptr + at;
    size_t left = archive->object.len - at;

    if (head[0] == 0x1f)
        return left >= GZIP_HEAD && is_gzip(head) ? unpack(archive, at, 16 + MAX_WBITS) : 0;
    if (left < ZIP_HEAD || !is_zip(head))
        return 0;
    unsigned method = u16(head + 8);
    size_t data = ZIP_HEAD + u16(head + 26) + u16(head + 28);
    if (u16(head + 6) & 1)
        tell(archive, "archive-encrypted", "a zip with an encrypted member, which cannot be looked into",
             true);
    else if (method == 8 && data < left)
        return unpack(archive, at + data, -MAX_WBITS);
    else if (method != 0 && method != 8)
        tell(archive, "archive-coding", "a zip with a member in a coding that cannot be looked into", true);
    return 0;
}

static const char *next(const char *at, const char *end, const char *mark, size_t len)
{
    const char *found = at < end ? memmem(at, (size_t)(end - at), mark, len) : NULL;

    return found != NULL ? found : end;
}

int push_archive_look(struct push_run *run, const struct push_place *place, struct str object)
{
    struct archive archive = {.run = run, .place = *place, .object = object};
    const char *end = object.ptr + object.len, *gzip = next(object.ptr, end, "\x1f\x8b\x08", 3),
               *zip = next(object.ptr, end, "PK\x03\x04", 4);

    archive.place.surface = "archive";
    while ((gzip < end || zip < end) && !archive.over && !run->over) {
        const char *at = gzip < zip ? gzip : zip;
        if (member(&archive, (size_t)(at - object.ptr)) != 0)
            return -1;
        if (at == gzip)
            gzip = next(at + 1, end, "\x1f\x8b\x08", 3);
        else
            zip = next(at + 1, end, "PK\x03\x04", 4);
    }
    return 0;
}
