/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fields: the head of a message. All of it is put into one text and looked through at once; then what can carry pieces of
 * something (segments of the path, parameters, values, names) is joined without what stands between, and looked through for what
 * lies across; then each piece behind what its namesake ended with in the message before. What comes of the first two depends on
 * the head's bytes alone, so they are left out for one in which they have found nothing before.
 */
#include <stdlib.h>
#include <string.h>

#include "core/h1_head.h"
#include "core/secret.h"
#include "dlp/decode.h"
#include "dlp/message.h"

#define PIECES_MAX 2048

/* A piece of the joined text, and where it is from. */
struct piece {
    size_t start, end; /* of the joined text */
    uint32_t field;
    enum dlp_surface surface;
    size_t at;    /* of the field's value, or name */
    bool whole;   /* what is found in it is the whole value: it has been rewritten */
    bool carried; /* from the message before */
};

struct joined {
    struct dlp_scan *scan;
    size_t len;
    size_t count;
    struct piece pieces[PIECES_MAX];
};

/* Returns whether there is room. */
static bool join(struct joined *joined, struct piece piece, struct str bytes)
{
    if (joined->count == PIECES_MAX || bytes.len > DLP_JOINED_MAX - joined->len) {
        dlp_scan_refuse(joined->scan, DLP_FAILED);
        return false;
    }
    if (bytes.len == 0)
        return true;
    memcpy(joined->scan->engine->joined + joined->len, bytes.ptr, bytes.len);
    piece.start = joined->len;
    joined->len += bytes.len;
    piece.end = joined->len;
    joined->pieces[joined->count++] = piece;
    return true;
}

static void part(struct joined *joined)
{
    if (joined->len < DLP_JOINED_MAX)
        joined->scan->engine->joined[joined->len++] = '\n';
}

/* Notes a hit in each piece that it touches. `across`: only if it touches several. */
static void note(struct joined *joined, const struct dlp_hit *hit, bool across)
{
    size_t touched = 0;
    bool carried = false;

    for (size_t i = 0; i < joined->count; i++)
        if (joined->pieces[i].start < hit->end && joined->pieces[i].end > hit->begin) {
            touched++;
            carried = carried || joined->pieces[i].carried;
        }
    if (across && touched < 2)
        return;
    for (size_t i = 0; i < joined->count; i++) {
        const struct piece *piece = &joined->pieces[i];
        if (piece->start >= hit->end || piece->end <= hit->start || piece->carried)
            continue;
        size_t start = hit->start > piece->start ? hit->start - piece->start : 0;
        size_t end = (hit->end < piece->end ? hit->end : piece->end) - piece->start;
        if (piece->whole) {
            start = 0;
            end = joined->scan->fields[piece->field].value.len;
        }
        dlp_scan_note(joined->scan, &(struct dlp_finding){.rule = hit->rule,
                                                          .detector = hit->detector,
                                                          .surface = piece->surface,
                                                          .field = joined->scan->field_base + piece->field,
                                                          .start = piece->at + start,
                                                          .end = piece->at + end,
                                                          .redactable = true,
                                                          .across = carried});
    }
}

static void look(struct joined *joined, bool across)
{
    struct dlp_scan *scan = joined->scan;
    struct dlp_hits *hits = dlp_scan_hits(scan);

    dlp_look(scan->engine, scan->detectors, (struct str){scan->engine->joined, joined->len},
             (struct dlp_looked){0, 0}, false, hits);
    dlp_scan_judge(scan, hits);
    for (size_t i = 0; i < hits->count; i++)
        note(joined, &hits->hits[i], across);
    joined->len = joined->count = 0;
}

static bool is_host(enum dlp_surface surface)
{
    return surface == DLP_HOST || surface == DLP_DNS;
}

/* Splits off what stands before the first of these bytes. *at: where it stands in the whole. */
static struct str cut(struct str whole, size_t *at, const char *separators)
{
    size_t start = *at, end = start;

    while (end < whole.len && strchr(separators, whole.ptr[end]) == NULL)
        end++;
    *at = end + 1;
    return (struct str){whole.ptr + start, end - start};
}

/* The pieces of one field's value that are joined with their like, and carried. */
struct pieces {
    const struct dlp_field *field;
    size_t at;
};

static bool next_piece(struct pieces *pieces, struct str *bytes, struct str *name)
{
    const struct dlp_field *field = pieces->field;

    while (pieces->at < field->value.len) {
        *name = field->name;
        if (field->surface == DLP_PATH) {
            *bytes = cut(field->value, &pieces->at, "/");
        } else if (is_host(field->surface)) {
            *bytes = cut(field->value, &pieces->at, ".");
        } else if (field->surface == DLP_QUERY || field->surface == DLP_COOKIE) {
            *bytes = cut(field->value, &pieces->at, "&;");
            const char *equals = bytes->len > 0 ? memchr(bytes->ptr, '=', bytes->len) : NULL;
            if (equals != NULL) {
                size_t len = (size_t)(equals - bytes->ptr);
                *name = (struct str){bytes->ptr, len};
                *bytes = (struct str){equals + 1, bytes->len - len - 1};
            }
        } else {
            *bytes = field->value;
            pieces->at = field->value.len;
        }
        if (bytes->len > 0)
            return true;
    }
    return false;
}

/* Fields that say the same in every message, and whose values are words of the protocol. */
static bool is_routine(const struct dlp_field *field)
{
    static const struct str names[] = {STR("accept"),
                                       STR("accept-encoding"),
                                       STR("accept-language"),
                                       STR("cache-control"),
                                       STR("connection"),
                                       STR("content-length"),
                                       STR("content-type"),
                                       STR("date"),
                                       STR("host"),
                                       STR("transfer-encoding"),
                                       STR("user-agent"),
                                       STR("vary"),
                                       STR("content-encoding")};

    for (size_t i = 0; field->surface == DLP_VALUE && i < sizeof names / sizeof names[0]; i++)
        if (str_equal_nocase(field->name, names[i]))
            return true;
    return false;
}

static void each_by_itself(struct joined *joined)
{
    struct dlp_scan *scan = joined->scan;

    for (uint32_t i = 0; i < scan->field_count; i++) {
        const struct dlp_field *field = &scan->fields[i];
        struct piece piece = {.field = i, .surface = field->surface};
        if (field->surface == DLP_VALUE || field->surface == DLP_TRAILER) {
            join(joined, (struct piece){.field = i, .surface = DLP_NAME}, field->name);
            join(joined, (struct piece){.field = i, .surface = DLP_NAME, .at = field->name.len},
                 str_of(": "));
        }
        join(joined, piece, field->value);
        part(joined);
    }
    look(joined, false);
}

/* Which pieces belong together. */
static bool of_kind(const struct dlp_field *field, unsigned kind)
{
    return kind == 0   ? field->surface == DLP_PATH
           : kind == 1 ? field->surface == DLP_QUERY
           : kind == 2
               ? field->surface == DLP_VALUE || field->surface == DLP_COOKIE || field->surface == DLP_TRAILER
               : is_host(field->surface);
}

static void together(struct joined *joined)
{
    struct dlp_scan *scan = joined->scan;
    struct str bytes, name;

    for (unsigned kind = 0; kind < 4; kind++, part(joined))
        for (uint32_t i = 0; i < scan->field_count; i++) {
            struct pieces pieces = {.field = &scan->fields[i]};
            if (!of_kind(pieces.field, kind) || is_routine(pieces.field))
                continue;
            while (next_piece(&pieces, &bytes, &name))
                if (!join(joined,
                          (struct piece){.field = i,
                                         .surface = pieces.field->surface,
                                         .at = (size_t)(bytes.ptr - pieces.field->value.ptr)},
                          bytes))
                    return;
        }
    for (uint32_t i = 0; i < scan->field_count; i++)
        if (scan->fields[i].surface == DLP_VALUE || scan->fields[i].surface == DLP_TRAILER)
            join(joined, (struct piece){.field = i, .surface = DLP_NAME}, scan->fields[i].name);
    look(joined, true);
}

/* Of a path the last segment, of a host name the first label; of others each piece has a name of its own. */
static void behind_the_last(struct joined *joined)
{
    struct dlp_scan *scan = joined->scan;
    struct str bytes, name;

    for (uint32_t i = 0; i < scan->field_count; i++) {
        const struct dlp_field *field = &scan->fields[i];
        struct pieces pieces = {.field = field};
        size_t number = 0;
        if (is_routine(field) || field->surface == DLP_METHOD)
            continue;
        while (next_piece(&pieces, &bytes, &name)) {
            if ((field->surface == DLP_PATH && pieces.at < field->value.len) ||
                (is_host(field->surface) && number++ > 0))
                continue;
            struct dlp_carry_slot *slot = dlp_carry_get(scan->carry, field->surface, name);
            bool same = slot != NULL && slot->len >= bytes.len &&
                        memcmp(slot->tail + slot->len - bytes.len, bytes.ptr, bytes.len) == 0;
            if (same) /* what is sent again is no next piece */
                continue;
            struct str begin = {bytes.ptr, bytes.len < DLP_ENDS_MAX ? bytes.len : DLP_ENDS_MAX};
            struct piece piece = {
                .field = i, .surface = field->surface, .at = (size_t)(bytes.ptr - field->value.ptr)};
            if (slot != NULL) {
                join(joined, (struct piece){.carried = true, .surface = field->surface, .field = i},
                     (struct str){slot->tail, slot->len});
                join(joined, piece, begin);
                part(joined);
            }
            dlp_carry_put(scan->carry, field->surface, name, bytes);
        }
    }
    if (joined->count > 0)
        look(joined, true);
}

/* Line ends and NULs. */

/* The byte that two digits at this place say; -1: they are not there. */
static int hex(struct str text, size_t at)
{
    int high = at + 1 < text.len ? dlp_hex_digit(text.ptr[at]) : -1;
    int low = high >= 0 ? dlp_hex_digit(text.ptr[at + 1]) : -1;

    return low >= 0 ? high << 4 | low : -1;
}

/* The byte here, percent signs undone twice over (%250d); *used of the text. */
static int byte_at(struct str text, size_t at, size_t *used)
{
    int value = text.ptr[at] == '%' ? hex(text, at + 1) : -1;

    *used = 1;
    if (value < 0)
        return (unsigned char)text.ptr[at];
    *used = 3;
    if (value == '%' && hex(text, at + 3) >= 0) {
        *used = 5;
        return hex(text, at + 3);
    }
    return value;
}

/* Whether a line that begins here would be one of a head: a name and a colon, or a version. */
static bool like_a_head(struct str text, size_t at)
{
    size_t letters = 0, used;

    while (at < text.len) {
        int c = byte_at(text, at, &used), folded = c | 0x20;
        at += used;
        if ((folded >= 'a' && folded <= 'z') || c == '-')
            letters++;
        else if (c == '\r' || c == '\n' || (letters == 0 && (c == ' ' || c == '+' || c == '\t')))
            continue;
        else
            return letters > 0 && (c == ':' || (c == '/' && letters == 4));
    }
    return false;
}

static bool injects(const struct dlp_field *field)
{
    struct str text = field->value;
    size_t used;

    if (field->surface == DLP_METHOD || is_host(field->surface))
        return false;
    if (text.len == 0 ||
        (memchr(text.ptr, '%', text.len) == NULL && memchr(text.ptr, '\n', text.len) == NULL))
        return false;
    for (size_t at = 0; at < text.len; at += used) {
        int c = byte_at(text, at, &used);
        if (used == 1 && c != '\n' && c != '\r' && c != 0)
            continue;
        if (field->surface == DLP_PATH && (c == '\r' || c == '\n' || c == 0))
            return true;
        if (c == 0 && field->surface == DLP_QUERY)
            return true;
        if ((c == '\r' || c == '\n') && like_a_head(text, at + used))
            return true;
    }
    return false;
}

/* Heads that are known. */

/* Writes the head down, so that no two read the same. False: it is too long. */
static bool write_down(const struct dlp_scan *scan, struct dlp_clean *clean)
{
    char *at = clean->bytes;

    clean->detectors = scan->detectors;
    for (size_t i = 0; i < scan->field_count; i++) {
        const struct dlp_field *field = &scan->fields[i];
        const uint32_t sizes[3] = {field->surface, (uint32_t)field->name.len, (uint32_t)field->value.len};
        if (field->name.len + field->value.len + sizeof sizes > (size_t)(clean->bytes + DLP_CLEAN_MAX - at))
            return false;
        memcpy(at, sizes, sizeof sizes);
        at += sizeof sizes;
        if (field->name.len > 0)
            memcpy(at, field->name.ptr, field->name.len);
        at += field->name.len;
        if (field->value.len > 0)
            memcpy(at, field->value.ptr, field->value.len);
        at += field->value.len;
    }
    clean->len = (size_t)(at - clean->bytes);
    return true;
}

static bool is_known(const struct dlp_engine *engine, const struct dlp_clean *head)
{
    for (size_t i = 0; i < DLP_CLEAN_HEADS; i++)
        if (engine->clean[i].len == head->len && engine->clean[i].detectors == head->detectors &&
            memcmp(engine->clean[i].bytes, head->bytes, head->len) == 0)
            return true;
    return false;
}

static void look_at_all(struct joined *joined)
{
    struct dlp_scan *scan = joined->scan;
    struct dlp_engine *engine = scan->engine;
    struct dlp_clean *head = &engine->clean[DLP_CLEAN_HEADS];
    bool written = write_down(scan, head);

    if (written && is_known(engine, head))
        return;
    for (size_t i = 0; i < scan->field_count && !scan->inbound; i++)
        if (injects(&scan->fields[i]))
            dlp_scan_refuse(scan, DLP_INJECTION);
    each_by_itself(joined);
    together(joined);
    if (!written || scan->inbound || scan->finding_count > 0 || scan->violation != DLP_NO_VIOLATION) {
        secret_wipe(head->bytes, sizeof head->bytes);
        return;
    }
    struct dlp_clean *place = &engine->clean[engine->next_clean++ % DLP_CLEAN_HEADS];
    place->detectors = head->detectors;
    place->len = head->len;
    memcpy(place->bytes, head->bytes, head->len);
}

void dlp_scan_field(struct dlp_scan *scan, enum dlp_surface surface, struct str name, struct str value)
{
    if (scan->fields == NULL)
        scan->fields = malloc(DLP_FIELDS_MAX * sizeof *scan->fields);
    if (scan->fields == NULL || scan->field_count == DLP_FIELDS_MAX ||
        name.len + value.len > HEAD_MAX + FIELDS_MAX - scan->field_bytes) {
        dlp_scan_refuse(scan, DLP_FAILED);
        return;
    }
    scan->field_bytes += name.len + value.len;
    scan->fields[scan->field_count++] = (struct dlp_field){surface, name, value};
}

enum dlp_answer dlp_scan_fields(struct dlp_scan *scan)
{
    scan->news = false;
    struct joined *joined =
        scan->violation == DLP_NO_VIOLATION && scan->field_count > 0 ? malloc(sizeof *joined) : NULL;

    if (joined != NULL) {
        joined->scan = scan;
        joined->len = joined->count = 0;
        look_at_all(joined);
        if (scan->carry != NULL)
            behind_the_last(joined);
    } else if (scan->field_count > 0) {
        dlp_scan_refuse(scan, DLP_FAILED);
    }
    free(joined);
    free(scan->fields);
    scan->fields = NULL;
    scan->field_base += (uint32_t)scan->field_count;
    scan->field_count = scan->field_bytes = 0;
    return scan->violation != DLP_NO_VIOLATION ? DLP_VIOLATION : scan->news ? DLP_FOUND : DLP_PASS;
}
