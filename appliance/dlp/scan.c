/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan: see scan.h. A body is looked at in steps. Each begins DLP_HOLD bytes before the last one's end, so that whatever is
 * no longer than that is seen in one piece by some step; and no byte leaves before DLP_HOLD more have been looked at. There is
 * no state of half a match: a step is a function of the bytes that it is given.
 */
#include "dlp/scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/secret.h"
#include "dlp/message.h"
#include "dlp/tokens.h"

#define UNPACK_STEP 32768 /* bytes of room for what is unpacked in one go */
#define RAW_STEP    8192  /* bytes that are taken for it: marks are that far apart at most */

/* What cannot be text that an agent reads: phrases are not looked for in it. */
static bool is_textual(struct str type)
{
    static const struct str kinds[] = {STR("image/"),
                                       STR("audio/"),
                                       STR("video/"),
                                       STR("font/"),
                                       STR("application/octet-stream"),
                                       STR("application/zip"),
                                       STR("application/gzip"),
                                       STR("application/x-tar"),
                                       STR("application/wasm"),
                                       STR("application/vnd.git"),
                                       STR("application/x-git")};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (type.len >= kinds[i].len && str_equal_nocase((struct str){type.ptr, kinds[i].len}, kinds[i]))
            return false;
    return true;
}

static bool contains(struct str text, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= text.len; i++)
        if (str_equal_nocase((struct str){text.ptr + i, len}, (struct str){word, len}))
            return true;
    return false;
}

static int packed_new(struct dlp_scan *scan, struct dlp_unpack *unpack)
{
    scan->packed = calloc(1, sizeof *scan->packed);
    if (scan->packed == NULL) {
        dlp_unpack_free(unpack);
        return -1;
    }
    scan->packed->unpack = unpack;
    scan->packed->text = malloc(DLP_HELD_MAX + UNPACK_STEP);
    return scan->packed->text != NULL ? 0 : -1;
}

struct dlp_scan *dlp_scan_begin(struct dlp_engine *engine, const struct dlp_message *message)
{
    struct dlp_scan *scan = calloc(1, sizeof *scan);
    struct dlp_unpack *unpack = NULL;

    if (scan == NULL)
        return NULL;
    scan->engine = dlp_engine_ref(engine);
    scan->detectors = message->detectors;
    scan->inbound = message->inbound;
    scan->textual = is_textual(message->content_type);
    scan->html = message->content_type.len == 0 || contains(message->content_type, "html");
    scan->carry = message->carry;
    enum dlp_violation wrong = dlp_unpack_new(message->content_encoding, &unpack);
    if (wrong == DLP_FAILED || (unpack != NULL && packed_new(scan, unpack) != 0)) {
        dlp_scan_end(scan);
        return NULL;
    }
    if (wrong != DLP_NO_VIOLATION)
        dlp_scan_refuse(scan, wrong);
    return scan;
}

void dlp_scan_end(struct dlp_scan *scan)
{
    if (scan == NULL)
        return;
    if (scan->packed != NULL) {
        dlp_unpack_free(scan->packed->unpack);
        if (scan->packed->text != NULL)
            secret_wipe(scan->packed->text, DLP_HELD_MAX + UNPACK_STEP);
        free(scan->packed->text);
        free(scan->packed);
    }
    free(scan->fields);
    dlp_engine_unref(scan->engine);
    secret_wipe(scan->kept, sizeof scan->kept);
    free(scan);
}

/* Findings. */

void dlp_scan_refuse(struct dlp_scan *scan, enum dlp_violation violation)
{
    if (scan->violation == DLP_NO_VIOLATION)
        scan->violation = violation;
}

void dlp_scan_note(struct dlp_scan *scan, const struct dlp_finding *finding)
{
    for (size_t i = 0; i < scan->finding_count; i++) {
        struct dlp_finding *old = &scan->findings[i];
        if (old->rule != finding->rule || old->surface != finding->surface || old->field != finding->field ||
            finding->start > old->end || old->start > finding->end)
            continue;
        if (finding->start >= old->start && finding->end <= old->end && old->across >= finding->across)
            return;
        old->start = finding->start < old->start ? finding->start : old->start;
        old->end = finding->end > old->end ? finding->end : old->end;
        old->across = old->across || finding->across;
        scan->news = true;
        return;
    }
    if (scan->finding_count == DLP_FINDINGS_MAX) {
        dlp_scan_refuse(scan, DLP_FLOOD);
        return;
    }
    scan->findings[scan->finding_count++] = *finding;
    scan->news = true;
}

struct dlp_hits *dlp_scan_hits(struct dlp_scan *scan)
{
    struct dlp_hits *hits = scan->engine->hits;

    hits->count = 0;
    hits->flood = hits->failed = false;
    return hits;
}

void dlp_scan_judge(struct dlp_scan *scan, const struct dlp_hits *hits)
{
    if (hits->failed)
        dlp_scan_refuse(scan, DLP_FAILED);
    if (hits->flood)
        dlp_scan_refuse(scan, DLP_FLOOD);
}

const struct dlp_finding *dlp_scan_findings(const struct dlp_scan *scan, size_t *count)
{
    *count = scan->finding_count;
    return scan->findings;
}

enum dlp_violation dlp_scan_violation(const struct dlp_scan *scan)
{
    return scan->violation;
}

static enum dlp_answer answer(const struct dlp_scan *scan)
{
    return scan->violation != DLP_NO_VIOLATION ? DLP_VIOLATION : scan->news ? DLP_FOUND : DLP_PASS;
}

/* The body. */

static bool reads_phrases(const struct dlp_scan *scan)
{
    return scan->detectors & DLP_PHRASES && scan->inbound && scan->textual;
}

/* One step: `text` begins at `offset` of the body; what ends before `since` has been looked at. */
static void look(struct dlp_scan *scan, struct str text, uint64_t offset, size_t since, bool more)
{
    struct dlp_hits *hits = dlp_scan_hits(scan);
    struct dlp_looked looked = {since, scan->open > offset ? (size_t)(scan->open - offset) : 0};

    scan->open = offset + dlp_look(scan->engine, scan->detectors, text, looked, more, hits);
    dlp_scan_judge(scan, hits);
    for (size_t i = 0; i < hits->count; i++) {
        const struct dlp_hit *hit = &hits->hits[i];
        dlp_scan_note(scan, &(struct dlp_finding){.rule = hit->rule,
                                                  .detector = hit->detector,
                                                  .surface = DLP_BODY,
                                                  .start = offset + hit->start,
                                                  .end = offset + hit->end,
                                                  .redactable = scan->packed == NULL});
    }
    if (reads_phrases(scan))
        dlp_scan_phrases(scan, text, offset);
}

/* Tokens go on behind their match: one that reached the end of the last step may go on in this one. */
static void go_on(struct dlp_scan *scan, struct str text, uint64_t offset, uint64_t scanned)
{
    for (size_t i = 0; i < scan->finding_count; i++) {
        struct dlp_finding *old = &scan->findings[i];
        if (old->surface != DLP_BODY || old->detector != DLP_TOKENS || old->end != scanned ||
            !old->redactable)
            continue;
        while (old->end - offset < text.len &&
               dlp_token_goes_on(&dlp_tokens[old->rule], text.ptr[old->end - offset])) {
            old->end++;
            scan->news = true;
        }
    }
}

/* The end of what came before (which has left) and the beginning of what comes now, in one piece. */
static void look_across(struct dlp_scan *scan, struct str before, struct str begin, uint64_t offset)
{
    struct dlp_hits *hits = dlp_scan_hits(scan);
    char *joined = scan->engine->joined;

    if (before.len == 0 || begin.len == 0)
        return;
    begin.len = begin.len < DLP_ENDS_MAX ? begin.len : DLP_ENDS_MAX;
    memcpy(joined, before.ptr, before.len);
    memcpy(joined + before.len, begin.ptr, begin.len);
    dlp_look(scan->engine, scan->detectors, (struct str){joined, before.len + begin.len},
             (struct dlp_looked){0, 0}, begin.len == DLP_ENDS_MAX, hits);
    dlp_scan_judge(scan, hits);
    for (size_t i = 0; i < hits->count; i++) {
        const struct dlp_hit *hit = &hits->hits[i];
        if (hit->begin >= before.len || hit->end <= before.len)
            continue;
        dlp_scan_note(scan, &(struct dlp_finding){.rule = hit->rule,
                                                  .detector = hit->detector,
                                                  .surface = DLP_BODY,
                                                  .start = offset,
                                                  .end = offset + hit->end - before.len,
                                                  .redactable = scan->packed == NULL,
                                                  .across = true});
    }
    if (reads_phrases(scan) && offset >= before.len)
        dlp_scan_phrases(scan, (struct str){joined, before.len + begin.len}, offset - before.len);
}

static void look_at_begin(struct dlp_scan *scan, struct str begin)
{
    const struct dlp_carry_slot *slot = dlp_carry_get(scan->carry, DLP_BODY, (struct str){NULL, 0});

    if (slot != NULL)
        look_across(scan, (struct str){slot->tail, slot->len}, begin, 0);
}

static void keep_end(struct dlp_scan *scan, struct str text)
{
    dlp_carry_put(scan->carry, DLP_BODY, (struct str){NULL, 0}, text);
}

/* All steps of a text that are due. `scanned` is moved on; offsets are the text's own. */
static void steps(struct dlp_scan *scan, struct str window, uint64_t offset, uint64_t *scanned, bool last,
                  bool all)
{
    uint64_t end = offset + window.len;

    if (*scanned == 0 && end > 0 && (last || all || end >= DLP_STEP))
        look_at_begin(scan, window);
    if (*scanned > 0 && *scanned == offset && scan->kept_to == offset && scan->kept_len > 0 && end > offset)
        look_across(scan, (struct str){scan->kept, scan->kept_len}, window, offset);
    while (end - *scanned >= DLP_STEP || ((last || all) && end > *scanned)) {
        uint64_t to = end - *scanned > DLP_STEP ? *scanned + DLP_STEP : end;
        uint64_t from = *scanned > offset + DLP_HOLD ? *scanned - DLP_HOLD : offset;
        struct str text = {window.ptr + (from - offset), (size_t)(to - from)};
        go_on(scan, text, from, *scanned);
        look(scan, text, from, (size_t)(*scanned - from), to < end || !last);
        *scanned = to;
    }
    if (last)
        keep_end(scan, window);
}

/* Takes in a part of a compressed body. Returns whether there is more to be had from the same input. */
static bool unpack_some(struct dlp_scan *scan, struct str *in, bool last)
{
    struct dlp_packed *packed = scan->packed;
    struct str part = {in->ptr, in->len < RAW_STEP ? in->len : RAW_STEP};
    size_t before = part.len, made;
    enum dlp_violation wrong =
        dlp_unpack_next(packed->unpack, &part, packed->text + packed->len, UNPACK_STEP, &made);

    if (wrong != DLP_NO_VIOLATION) {
        dlp_scan_refuse(scan, wrong);
        return false;
    }
    packed->fed += before - part.len;
    in->ptr += before - part.len;
    in->len -= before - part.len;
    packed->len += made;
    steps(scan, (struct str){packed->text, packed->len}, packed->from, &packed->scanned, false, false);
    if (packed->scanned > packed->from + DLP_HOLD) {
        size_t drop = (size_t)(packed->scanned - DLP_HOLD - packed->from);
        memmove(packed->text, packed->text + drop, packed->len - drop);
        packed->from += drop;
        packed->len -= drop;
    }
    if (made == 0 && before == part.len && in->len > 0) /* neither takes nor gives */
        dlp_scan_refuse(scan, DLP_BAD_ENCODING);
    return (made > 0 || before > part.len) && (in->len > 0 || made == UNPACK_STEP || last);
}

/* What of the body has been taken in when all that it made had been looked at, and DLP_HOLD more. */
static void let_go(struct dlp_scan *scan)
{
    struct dlp_packed *packed = scan->packed;
    uint64_t seen = packed->scanned > DLP_HOLD ? packed->scanned - DLP_HOLD : 0, raw = 0;
    size_t lag = dlp_unpack_lag(packed->unpack), gone = 0;

    for (size_t i = 0; i < packed->mark_count && packed->marks[i].text <= seen; i++)
        raw = packed->marks[i].raw;
    /* What a decoder has taken in and not shown is not known yet. */
    if (raw > scan->leave + lag)
        scan->leave = raw - lag;
    while (gone < packed->mark_count && packed->marks[gone].raw <= scan->leave + lag)
        gone++;
    packed->mark_count -= gone;
    memmove(packed->marks, packed->marks + gone, packed->mark_count * sizeof packed->marks[0]);
}

static void mark(struct dlp_scan *scan)
{
    struct dlp_packed *packed = scan->packed;
    size_t kept = 0;

    if (packed->mark_count > 0 && packed->marks[packed->mark_count - 1].raw == packed->fed)
        packed->mark_count--;
    if (packed->mark_count ==
        sizeof packed->marks / sizeof packed->marks[0]) { /* every second is fine enough */
        for (size_t i = 1; i < packed->mark_count; i += 2)
            packed->marks[kept++] = packed->marks[i];
        packed->mark_count = kept;
    }
    packed->marks[packed->mark_count++] = (struct dlp_mark){packed->fed, packed->from + packed->len};
}

static void unpack_all(struct dlp_scan *scan, struct str in, bool last, bool all)
{
    struct dlp_packed *packed = scan->packed;
    bool more = true;

    while (more) {
        more = unpack_some(scan, &in, last);
        if (scan->violation != DLP_NO_VIOLATION)
            return;
        mark(scan);
    }
    if (last && !dlp_unpack_whole(packed->unpack)) {
        dlp_scan_refuse(scan, DLP_BAD_ENCODING);
        return;
    }
    if (last || all)
        steps(scan, (struct str){packed->text, packed->len}, packed->from, &packed->scanned, last, all);
    let_go(scan);
    if (!last && !all && packed->fed - scan->leave > DLP_HELD_PACKED_MAX)
        dlp_scan_refuse(scan, DLP_STALLED);
}

static enum dlp_answer body(struct dlp_scan *scan, struct str window, uint64_t offset, bool last, bool all,
                            uint64_t *leave)
{
    uint64_t end = offset + window.len;

    *leave = scan->leave;
    scan->news = false;
    if (scan->violation != DLP_NO_VIOLATION)
        return DLP_VIOLATION;
    if (offset > scan->leave || end < scan->fed || scan->ended) {
        dlp_scan_refuse(scan, DLP_FAILED);
        return DLP_VIOLATION;
    }
    if (scan->packed != NULL) {
        size_t seen = (size_t)(scan->fed - offset);
        unpack_all(scan, (struct str){window.ptr + seen, window.len - seen}, last, all);
    } else {
        steps(scan, window, offset, &scan->scanned, last, all);
        if (scan->scanned > scan->leave + DLP_HOLD)
            scan->leave = scan->scanned - DLP_HOLD;
    }
    scan->fed = end;
    if (last || all)
        scan->leave = end;
    scan->ended = last;
    if (scan->violation == DLP_NO_VIOLATION)
        *leave = scan->leave;
    return answer(scan);
}

enum dlp_answer dlp_scan_body(struct dlp_scan *scan, struct str window, uint64_t offset, bool last,
                              uint64_t *leave)
{
    return body(scan, window, offset, last, false, leave);
}

/* The end of what was let go; of several small windows in a row that is the end of all of them. */
static void keep_flushed(struct dlp_scan *scan, struct str window, uint64_t offset)
{
    size_t room = window.len < sizeof scan->kept ? sizeof scan->kept - window.len : 0,
           older = scan->kept_to != offset ? 0
                   : scan->kept_len < room ? scan->kept_len
                                           : room,
           newer = sizeof scan->kept - room;

    memmove(scan->kept, scan->kept + scan->kept_len - older, older);
    memcpy(scan->kept + older, window.ptr + window.len - newer, newer);
    scan->kept_len = older + newer;
    scan->kept_to = offset + window.len;
}

enum dlp_answer dlp_scan_flush(struct dlp_scan *scan, struct str window, uint64_t offset, uint64_t *leave)
{
    enum dlp_answer result = body(scan, window, offset, false, true, leave);

    if (scan->packed == NULL && window.len > 0)
        keep_flushed(scan, window, offset);
    return result;
}
