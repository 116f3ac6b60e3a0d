/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_scan: see push_scan.h. A place in a text is told by its line, so line ends are counted, where something was found. */
#include "gate/push_scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/secret.h"
#include "gate/push_found.h"

#define FEED 131072 /* bytes that are looked at in one go */

static uint64_t lines_in(const char *text, size_t len)
{
    uint64_t lines = 0;

    for (const char *at = text, *end = text + len;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        lines++;
    return lines;
}

/* What was found in `window`, whose first byte is at `offset`, since the last time. */
static int tell(struct push_stream *stream, struct str window, enum dlp_answer answer)
{
    struct push_run *run = stream->run;
    size_t count;
    const struct dlp_finding *found = dlp_scan_findings(stream->scan, &count);

    for (; stream->seen < count; stream->seen++) {
        const struct dlp_finding *f = &found[stream->seen];
        size_t start = f->start > stream->offset ? (size_t)(f->start - stream->offset) : 0,
               end = f->end > stream->offset ? (size_t)(f->end - stream->offset) : 0;
        start = start < window.len ? start : window.len;
        end = end < start ? start : end > window.len ? window.len : end;
        struct push_place place = stream->place;
        size_t head = place.head < window.len ? place.head : window.len;
        uint64_t line = stream->lines + lines_in(window.ptr, start) + 1;
        if (start < head)
            place.surface = place.head_surface;
        line = start < head ? 0 : line - lines_in(window.ptr, head);
        push_found_secret(run, &place, f, window, start, end, line);
    }
    if (answer != DLP_VIOLATION)
        return 0;
    enum dlp_violation violation = dlp_scan_violation(stream->scan);
    if (violation != DLP_FLOOD)
        return push_fail(run, "the search of %s failed: %s", stream->place.surface,
                         dlp_violation_text(violation));
    run->check->more = true; /* and so it is refused, whoever could be asked about the rest */
    return 0;
}

static int begin(struct push_stream *stream, struct push_run *run, const struct push_place *place)
{
    struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN};

    *stream = (struct push_stream){.run = run, .place = *place};
    stream->scan = dlp_scan_begin(run->in->engine, &message);
    return stream->scan != NULL ? 0 : push_fail(run, "no memory");
}

int push_scan_text(struct push_run *run, const struct push_place *place, struct str text)
{
    struct push_stream stream;
    uint64_t leave;

    if (begin(&stream, run, place) != 0)
        return -1;
    int status = tell(&stream, text, dlp_scan_body(stream.scan, text, 0, true, &leave));
    dlp_scan_end(stream.scan);
    return status;
}

int push_stream_begin(struct push_stream *stream, struct push_run *run, const struct push_place *place)
{
    if (begin(stream, run, place) != 0)
        return -1;
    stream->size = DLP_HELD_MAX + FEED;
    stream->window = malloc(stream->size);
    return stream->window != NULL ? 0 : push_fail(run, "no memory");
}

static int look(struct push_stream *stream, bool last)
{
    struct str window = {stream->window, stream->len};
    uint64_t leave = stream->offset;
    enum dlp_answer answer = dlp_scan_body(stream->scan, window, stream->offset, last, &leave);

    if (tell(stream, window, answer) != 0)
        return -1;
    size_t gone = (size_t)(leave - stream->offset);
    if (answer == DLP_VIOLATION) /* a flood: nothing more is looked at, and it is refused */
        gone = stream->len;
    stream->lines += lines_in(stream->window, gone);
    memmove(stream->window, stream->window + gone, stream->len - gone);
    stream->offset += gone;
    stream->len -= gone;
    return 0;
}

int push_stream_feed(struct push_stream *stream, struct str bytes)
{
    while (bytes.len > 0) {
        size_t part = stream->size - stream->len;
        part = part < bytes.len ? part : bytes.len;
        memcpy(stream->window + stream->len, bytes.ptr, part);
        stream->len += part;
        bytes.ptr += part;
        bytes.len -= part;
        if (stream->len == stream->size && look(stream, false) != 0)
            return -1;
    }
    return 0;
}

int push_stream_end(struct push_stream *stream)
{
    int status = 0;

    if (stream->scan != NULL && stream->window != NULL && !stream->run->over)
        status = look(stream, true);
    dlp_scan_end(stream->scan);
    if (stream->window != NULL)
        secret_wipe(stream->window, stream->size);
    free(stream->window);
    *stream = (struct push_stream){.run = stream->run};
    return status;
}
