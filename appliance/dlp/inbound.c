/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inbound: phrases that address the agent, in what a reader would see of a piece of a response. The piece is read twice at
 * most: as text, with JSON's escapes undone, and as the page that HTML makes of it. Each reading is made in one pass (plain.h) and
 * searched for the words that phrases cannot be without (dlp_phrase's `anchors`), which ordinary text has every few thousand
 * bytes; only around those it is shown to the expressions. What has escapes is looked at there as it is written, too.
 *
 * The next piece is read from where a phrase could begin that is not whole in this one. What comes before that was seen whole.
 */
#include <string.h>

#include "dlp/decode.h"
#include "dlp/message.h"
#include "dlp/plain.h"
#include "dlp/tokens.h"

/* A reading of a part of the message. */
struct reading {
    struct dlp_scan *scan;
    bool redactable;
    struct str text; /* of the message */
    uint64_t offset;
    bool html, unescaped;
    struct str source;                   /* the text, or the same without JSON's escapes */
    struct str plain;                    /* the byte in front of it is the sentinel */
    size_t open;                         /* in `source`: where markup begins that has no end yet */
    struct dlp_places *escapes, *places; /* of source and text, and of plain and source */
};

/* In front of what is not the message's beginning: no phrase begins behind it, and no word. */
#define SENTINEL 'a'

static uint64_t place(const struct reading *reading, size_t at)
{
    struct str text = reading->text;

    at = dlp_plain_start(reading->html, reading->source, reading->places, at);
    if (reading->unescaped) {
        struct dlp_place from = reading->escapes->all[dlp_places_find(reading->escapes, at)];
        at = at < reading->source.len
                 ? from.in + dlp_decode_start(DLP_JSON, 0,
                                              (struct str){text.ptr + from.in, text.len - from.in},
                                              at - from.out)
                 : text.len;
    }
    return reading->offset + at;
}

/* The expressions. */

struct search {
    const struct reading *reading;
    struct str part; /* of its plain form, */
    size_t at;       /* from this byte on, */
    size_t lead;     /* with the sentinel in front of it: 1 */
};

static uint64_t found_at(const struct search *search, size_t at)
{
    return place(search->reading, search->at + (at > search->lead ? at - search->lead : 0));
}

/* Where the phrase begins that ends at `to`; SIZE_MAX: there is none, of those that vectorscan does not tell as a whole. When PCRE2 has
 * no memory, or takes too many steps, there is one. */
static size_t begin_of(const struct search *search, size_t phrase, size_t to)
{
    struct dlp_engine *engine = search->reading->scan->engine;
    const pcre2_code *code = dlp_expression(engine, (uint32_t)(dlp_token_count + phrase));
    size_t from = to > dlp_phrases[phrase].max_len ? to - dlp_phrases[phrase].max_len : 0;
    int found =
        code == NULL
            ? PCRE2_ERROR_NOMEMORY
            : pcre2_match(code, (PCRE2_SPTR)search->part.ptr, to, from,
                          PCRE2_NO_UTF_CHECK | (dlp_phrases[phrase].end != NULL ? PCRE2_ENDANCHORED : 0),
                          engine->match, engine->limits);

    if (found >= 0)
        return pcre2_get_ovector_pointer(engine->match)[0];
    return found == PCRE2_ERROR_NOMATCH && dlp_phrases[phrase].end != NULL ? SIZE_MAX : from;
}

static int on_phrase(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                     void *context)
{
    const struct search *search = context;
    const struct reading *reading = search->reading;
    uint64_t last = found_at(search, (size_t)to - 1), leave = reading->scan->leave;
    size_t begin = dlp_phrases[id].end != NULL ? begin_of(search, id, (size_t)to) : 0;

    if (begin == SIZE_MAX)
        return 0;
    if (!dlp_phrase_seen(&reading->scan->score, id, last) || (reading->redactable && last < leave))
        return 0; /* not enough, or told before it left */
    if (dlp_phrases[id].end == NULL)
        begin = begin_of(search, id, (size_t)to);
    uint64_t start = found_at(search, begin);
    bool across = reading->redactable && start < leave; /* it began before a pause */
    dlp_scan_note(reading->scan, &(struct dlp_finding){.rule = dlp_rule_phrase(id),
                                                       .detector = DLP_PHRASES,
                                                       .surface = DLP_BODY,
                                                       .start = across ? leave : start,
                                                       .end = last + 1,
                                                       .redactable = reading->redactable,
                                                       .across = across});
    return reading->scan->violation != DLP_NO_VIOLATION;
}

/* Shows a part of the plain form to all expressions. */
static void search_part(const struct reading *reading, size_t from, size_t to)
{
    struct dlp_engine *engine = reading->scan->engine;
    size_t lead = from == 0 && reading->offset > 0;
    struct search search = {reading, {reading->plain.ptr + from - lead, to - from + lead}, from, lead};
    hs_error_t error = hs_scan(engine->rules->bases[DLP_BASE_PHRASES], search.part.ptr,
                               (unsigned)search.part.len, 0, engine->scratch, on_phrase, &search);

    if (error != HS_SUCCESS && error != HS_SCAN_TERMINATED)
        dlp_scan_refuse(reading->scan, DLP_FAILED);
}

static void make_plain(struct reading *reading, char *room)
{
    room[0] = SENTINEL;
    reading->places->within = reading->offset > 0;
    reading->plain.ptr = room + 1;
    reading->plain.len = dlp_plain(reading->html, reading->source, room + 1, reading->places, &reading->open);
}

/* The same part of the text, where that has escapes: they may be none. */
static void search_as_written(const struct reading *reading, size_t from, size_t to)
{
    struct dlp_engine *engine = reading->scan->engine;
    size_t begin = dlp_places_before(reading->escapes, dlp_places_before(reading->places, from));
    size_t end = dlp_places_after(reading->places, to, reading->source.len);

    end = dlp_places_after(reading->escapes, end, reading->text.len);
    struct str text = {reading->text.ptr + begin, end - begin};
    if (memchr(text.ptr, '\\', text.len) == NULL)
        return;
    struct reading written = {.scan = reading->scan,
                              .redactable = reading->redactable,
                              .text = text,
                              .offset = reading->offset + begin,
                              .source = text,
                              .places = &engine->places[DLP_PLACES_WRITTEN]};
    make_plain(&written, engine->texts[1]);
    search_part(&written, 0, written.plain.len);
}

static void search_around(const struct reading *reading, size_t from, size_t to)
{
    search_part(reading, from, to);
    if (reading->unescaped)
        search_as_written(reading, from, to);
}

/* Anchors. What is near one is marked in cells. */

#define CELL 64

struct spots {
    uint64_t *cells; /* a bit for each */
    size_t len;      /* of the plain form */
};

static int on_anchor(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                     void *context)
{
    const struct spots *spots = context;
    size_t reach = dlp_phrases[id].max_len, at = (size_t)to;
    size_t first = at > reach ? (at - reach) / CELL : 0;
    size_t last = (at + reach < spots->len ? at + reach : spots->len - 1) / CELL;

    for (size_t cell = first; cell <= last; cell++)
        spots->cells[cell / 64] |= 1ull << cell % 64;
    return 0;
}

static bool is_marked(const struct spots *spots, size_t cell)
{
    return spots->cells[cell / 64] >> cell % 64 & 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n';
}

/* Parts begin and end with a blank, or with the text: so it is no matter to the expressions where they were cut. */
static void search_spots(const struct reading *reading, const struct spots *spots)
{
    struct str plain = reading->plain;
    size_t cells = (plain.len + CELL - 1) / CELL, begin = 0, end = 0;

    for (size_t cell = 0; cell < cells; cell++) {
        if (!is_marked(spots, cell))
            continue;
        size_t from = cell * CELL;
        while (cell + 1 < cells && is_marked(spots, cell + 1))
            cell++;
        size_t to = (cell + 1) * CELL < plain.len ? (cell + 1) * CELL : plain.len;
        while (from > end && !is_blank(plain.ptr[from]))
            from--;
        if (from > end || end == 0) {
            if (end > 0)
                search_around(reading, begin, end);
            begin = from;
        }
        while (to < plain.len && !is_blank(plain.ptr[to - 1]))
            to++;
        end = to > end ? to : end;
    }
    if (end > 0)
        search_around(reading, begin, end);
}

static void search_reading(const struct reading *reading)
{
    struct dlp_engine *engine = reading->scan->engine;
    struct spots spots = {engine->spots, reading->plain.len};

    if (spots.len == 0)
        return;
    memset(spots.cells, 0, (spots.len / CELL / 64 + 1) * sizeof *spots.cells);
    if (hs_scan(engine->rules->bases[DLP_BASE_ANCHORS], reading->plain.ptr, (unsigned)spots.len, 0,
                engine->scratch, on_anchor, &spots) != HS_SUCCESS)
        dlp_scan_refuse(reading->scan, DLP_FAILED);
    search_spots(reading, &spots);
}

/* Where the next piece has to be read from: behind it are the bytes that a phrase can have which goes on there. What hides in markup
 * that has no end yet is known when it ends. A reading with less than that moves nothing: it may go on from one before a pause. */
static uint64_t next_begin(const struct reading *reading, uint64_t before)
{
    uint64_t end = reading->offset + reading->text.len, least = end > DLP_HOLD ? end - DLP_HOLD : 0;
    size_t len = reading->plain.len;

    if (reading->open < reading->source.len)
        len = reading->places->all[dlp_places_find_source(reading->places, reading->open)].out;
    uint64_t begin = len > DLP_PHRASE_KEPT ? place(reading, len - DLP_PHRASE_KEPT) : before;
    return begin > least ? begin : least;
}

/* Begins a reading of what is new of the text, with what has to be read once more. */
static struct reading reading_of(struct dlp_scan *scan, enum dlp_reading which, struct str text,
                                 uint64_t offset)
{
    size_t skip = scan->read[which] > offset ? (size_t)(scan->read[which] - offset) : 0;
    struct reading reading = {.scan = scan,
                              .redactable = scan->packed == NULL,
                              .text = {text.ptr + skip, text.len - skip},
                              .offset = offset + skip,
                              .escapes = &scan->engine->places[DLP_PLACES_ESCAPES],
                              .places = &scan->engine->places[DLP_PLACES_PLAIN]};

    reading.source = reading.text;
    return reading;
}

void dlp_scan_phrases(struct dlp_scan *scan, struct str text, uint64_t offset)
{
    struct dlp_engine *engine = scan->engine;

    if (text.len == 0)
        return;
    if (dlp_engine_room(engine, text.len) != 0) {
        dlp_scan_refuse(scan, DLP_FAILED);
        return;
    }
    struct reading reading = reading_of(scan, DLP_READ_TEXT, text, offset);
    reading.unescaped = memchr(reading.text.ptr, '\\', reading.text.len) != NULL;
    if (reading.unescaped)
        reading.source =
            (struct str){engine->texts[0], dlp_unescape(reading.text, engine->texts[0], reading.escapes)};
    make_plain(&reading, engine->plain);
    search_reading(&reading);
    scan->read[DLP_READ_TEXT] = next_begin(&reading, scan->read[DLP_READ_TEXT]);

    reading = reading_of(scan, DLP_READ_PAGE, text, offset);
    if (!scan->html || memchr(reading.text.ptr, '<', reading.text.len) == NULL) {
        scan->read[DLP_READ_PAGE] = scan->read[DLP_READ_TEXT];
        return;
    }
    reading.html = true;
    make_plain(&reading, engine->plain);
    search_reading(&reading);
    scan->read[DLP_READ_PAGE] = next_begin(&reading, scan->read[DLP_READ_PAGE]);
}
