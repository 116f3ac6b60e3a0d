/* SPDX-License-Identifier: GPL-3.0-or-later */
/* outbound: see outbound.h. The search itself is dlp/scan.h's, which holds no bytes: those that wait are here, in one piece. */
#include "proxy/outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/forward.h"
#include "dlp/unpack.h"
#include "proxy/ask.h"
#include "proxy/http_state.h"
#include "proxy/limits.h"
#include "proxy/rewrite.h"
#include "proxy/search.h"
#include "proxy/session.h"

#define PARTS_MAX     (2 * FIELDS_MAX + 8)
#define UNPACKED_SIZE 16384

struct outbound {
    struct search *search;
    struct dlp_engine *engine;
    struct dlp_scan *scan;
    struct dlp_carry *carry, before; /* before: what a request that is refused whole leaves behind */
    struct dlp_rules rules;
    struct dlp_unpack *unpack; /* NULL: the body goes on as it comes */
    struct buf packed;         /* of that, what was not unpacked yet */
    bool more;                 /* it may yield more without new bytes */
    struct buf held;
    uint64_t base;   /* where in the body this search began */
    uint64_t offset; /* from there, of the first byte of `held` */
    size_t seen;     /* findings that were judged */
    /* What waits for the operator: where the search would let go, whether that is the end, and what was approved up to where. */
    uint64_t leave;
    bool last, asks;
    struct {
        uint64_t start, end;
    } approved[DLP_FINDINGS_MAX];
};

/* What of a head was given to the search. */
struct part {
    enum dlp_surface surface;
    struct str value;
    bool own;        /* the agent's own credential, which the route lets through */
    struct str name; /* of a field: it is searched with its value */
};

/* Where the places of a finding are. */
static struct str text_of(const struct part *part, const struct dlp_finding *finding)
{
    return finding->surface == DLP_NAME ? part->name : part->value;
}

void outbound_end(struct http *http)
{
    struct outbound *outbound = http->outbound;

    if (outbound == NULL)
        return;
    http->outbound = NULL;
    dlp_scan_end(outbound->scan);
    search_carry_back(outbound->search, outbound->carry);
    dlp_engine_unref(outbound->engine);
    dlp_unpack_free(outbound->unpack);
    buf_fini(&outbound->packed);
    buf_fini(&outbound->held);
    free(outbound);
}

/* Beginning. */

static struct outbound *begin(struct session *session, struct dlp_engine *engine, const struct h1_head *head)
{
    struct outbound *outbound = calloc(1, sizeof *outbound);
    char coding[128], carried[HOST_MAX + 3];

    if (outbound == NULL)
        return NULL;
    session->http->outbound = outbound;
    outbound->search = session->proxy->search;
    outbound->engine = dlp_engine_ref(engine);
    outbound->rules = session->exchange.route->dlp;
    route_name(session->exchange.route, carried); /* all names under a wildcard lead to whoever has it */
    outbound->carry = search_carry(outbound->search, carried);
    buf_init(&outbound->held, DLP_HELD_MAX + DLP_HOLD + IN_MAX);
    buf_init(&outbound->packed, IN_MAX);
    struct str encoding = search_codings(head, coding, sizeof coding);
    if (outbound->rules.transcript && head->framing != H1_NO_BODY &&
        dlp_unpack_new(encoding, &outbound->unpack) == DLP_NO_VIOLATION && outbound->unpack != NULL)
        encoding = str_of("");
    const struct dlp_message message = {
        .detectors = outbound->rules.outbound, .content_encoding = encoding, .carry = outbound->carry};
    if (outbound->carry != NULL)
        outbound->before = *outbound->carry;
    if (outbound->carry != NULL)
        outbound->scan = dlp_scan_begin(engine, &message);
    return outbound->scan != NULL ? outbound : NULL;
}

/* Judging. */

static bool is_canary(const struct outbound *outbound, const struct dlp_finding *finding)
{
    const struct dlp_rule *rule = dlp_rules_get(dlp_engine_rules(outbound->engine), finding->rule);

    return rule != NULL && finding->detector == DLP_KNOWN && rule->kind == DLP_CANARY;
}

/* What is said again and again must not end the conversation. */
static bool in_transcript(const struct outbound *outbound, const struct dlp_finding *finding)
{
    return outbound->rules.transcript && finding->surface == DLP_BODY;
}

static void note(struct session *session, const struct outbound *outbound, const struct dlp_finding *finding)
{
    struct exchange *x = &session->exchange;
    const struct dlp_rule *rule = dlp_rules_get(dlp_engine_rules(outbound->engine), finding->rule);
    bool canary = is_canary(outbound, finding) && !in_transcript(outbound, finding);

    if (canary)
        canary_seen(session);
    x->alarm = x->alarm || canary || (finding->across && !in_transcript(outbound, finding));
    x->in_host = x->in_host || finding->surface == DLP_HOST;
    if (x->findings++ > 0 && !canary) /* which the line names first of all */
        return;
    x->detector = dlp_rules_detector_name(finding->detector);
    x->surface = dlp_surface_name(finding->surface);
    snprintf(x->pattern, sizeof x->pattern, "%s", rule != NULL ? rule->name : "");
    search_describe(outbound->engine, finding, x->found, sizeof x->found);
    x->reason = x->found;
}

/* What becomes of a finding. */
static enum denial judge(const struct outbound *outbound, const struct dlp_finding *finding)
{
    if (in_transcript(outbound, finding) && (finding->redactable || finding->across))
        return DENIAL_NONE;
    if (is_canary(outbound, finding))
        return DENIAL_DLP_MATCH;
    if (outbound->rules.outbound_on_match == DLP_RULES_REDACT && finding->redactable && !finding->across &&
        finding->surface != DLP_HOST)
        return DENIAL_NONE;
    return DENIAL_DLP_MATCH;
}

static enum denial violated(struct session *session, enum dlp_violation violation)
{
    struct exchange *x = &session->exchange;

    x->detector = "structural";
    x->surface = NULL;
    snprintf(x->pattern, sizeof x->pattern, "%s", dlp_violation_name(violation));
    snprintf(x->found, sizeof x->found, "%s", dlp_violation_text(violation));
    x->reason = x->found;
    return DENIAL_DLP_STRUCTURE;
}

static void cover(struct str bytes, uint64_t start, uint64_t end)
{
    if (end > bytes.len)
        end = bytes.len;
    if (start < end)
        memset((char *)bytes.ptr + start, '*', end - start);
}

/* The head. */

static void add(struct dlp_scan *scan, struct part *parts, size_t *count, struct part part, struct str name)
{
    parts[(*count)++] = part;
    dlp_scan_field(scan, part.surface, name, part.value);
}

/* What goes on of the head. The method is one of a few words, and Host of an exact route is the operator's. */
static size_t add_parts(struct dlp_scan *scan, const struct session *session, const struct h1_head *head,
                        const struct request *request, struct part parts[PARTS_MAX])
{
    const struct route *route = session->exchange.route;
    struct str query = request->query;
    size_t count = 0;

    if (route->wildcard)
        add(scan, parts, &count, (struct part){DLP_HOST, str_of(request->host), false, {NULL, 0}},
            str_of(NULL));
    add(scan, parts, &count, (struct part){DLP_PATH, request->path, false, {NULL, 0}}, str_of(NULL));
    if (query.len > 1)
        add(scan, parts, &count, (struct part){DLP_QUERY, {query.ptr + 1, query.len - 1}, false, {NULL, 0}},
            str_of(NULL));
    for (size_t i = 0; i < head->field_count; i++) {
        const struct h1_field *field = &head->fields[i];
        if (!forward_field(head, route, field))
            continue;
        bool cookie = str_equal_nocase(field->name, str_of("cookie"));
        bool own = route->auth.scheme == AUTH_PASSTHROUGH && forward_carries(field->name);
        if (cookie || field->value.len == 0)
            add(scan, parts, &count, (struct part){DLP_NAME, field->name, false, field->name}, field->name);
        if (field->value.len > 0)
            add(scan, parts, &count,
                (struct part){cookie ? DLP_COOKIE : DLP_VALUE, field->value, own, field->name}, field->name);
    }
    return count;
}

/* What the operator decides goes on unchanged, and is covered in the audit's texts alone. Returns DENIAL_NONE when all of it is approved;
 * else the first that is not is what is asked about. */
static enum denial ask_head(struct session *session, const struct outbound *outbound,
                            const struct part *parts, size_t part_count)
{
    size_t count;
    const struct dlp_finding *findings = dlp_scan_findings(outbound->scan, &count);
    bool approved = true;

    for (size_t i = 0; i < count; i++) {
        const struct dlp_finding *finding = &findings[i];
        const struct part *part = finding->field < part_count ? &parts[finding->field] : NULL;
        if (part == NULL || (part->own && finding->detector == DLP_TOKENS) ||
            !ask_may(&outbound->rules, finding))
            continue;
        if (finding->surface == DLP_PATH)
            ask_cover_path(session, finding);
        if (approved)
            approved = finding->end <= text_of(part, finding).len &&
                       ask_approved(session, outbound->engine, finding,
                                    (struct str){text_of(part, finding).ptr + finding->start,
                                                 (size_t)(finding->end - finding->start)});
    }
    return approved ? DENIAL_NONE : DENIAL_DLP_MATCH;
}

static enum denial search_head(struct session *session, const struct h1_head *head,
                               const struct request *request, bool *covered)
{
    struct exchange *x = &session->exchange;
    struct dlp_engine *engine = search_engine(x->policy);
    static struct part parts[PARTS_MAX]; /* used up before it is left; too large to be cleared each time */
    enum denial denial = DENIAL_NONE;
    size_t count;

    *covered = false;
    x->asked[0] = '\0';
    if (x->route->dlp.outbound == 0)
        return DENIAL_NONE;
    struct outbound *outbound = engine != NULL ? begin(session, engine, head) : NULL;
    if (outbound == NULL)
        return DENIAL_OVERLOADED;
    size_t part_count = add_parts(outbound->scan, session, head, request, parts);
    enum dlp_answer answer = dlp_scan_fields(outbound->scan);
    const struct dlp_finding *findings = dlp_scan_findings(outbound->scan, &count);
    for (size_t i = 0; i < count; i++) {
        const struct part *part = findings[i].field < part_count ? &parts[findings[i].field] : NULL;
        if (part == NULL || (part->own && findings[i].detector == DLP_TOKENS))
            continue;
        if (ask_may(&outbound->rules, &findings[i]))
            continue;
        enum denial one = judge(outbound, &findings[i]);
        note(session, outbound, &findings[i]);
        *covered = true;
        denial = denial != DENIAL_NONE ? denial : one;
    }
    outbound->seen = count;
    if (denial == DENIAL_NONE && answer == DLP_VIOLATION)
        denial = violated(session, dlp_scan_violation(outbound->scan));
    if (denial == DENIAL_NONE)
        denial = ask_head(session, outbound, parts, part_count);
    for (size_t i = 0; i < count && *covered; i++)
        if (findings[i].field < part_count &&
            !(parts[findings[i].field].own && findings[i].detector == DLP_TOKENS))
            cover(text_of(&parts[findings[i].field], &findings[i]), findings[i].start, findings[i].end);
    if (denial != DENIAL_NONE)
        *outbound->carry = outbound->before;
    if (denial != DENIAL_NONE || head->framing == H1_NO_BODY)
        outbound_end(session->http);
    return denial;
}

/* What was covered in the head is judged as it goes on, and so are the audit's texts of it. */
enum denial outbound_search(struct session *session, const struct h1_head *head, struct request *request)
{
    struct exchange *x = &session->exchange;
    bool covered;
    enum denial denial = search_head(session, head, request, &covered);

    if (!covered)
        return denial;
    enum denial again = session_judge(session, head, request);
    if (x->in_host)
        snprintf(x->host, sizeof x->host, "*.%s", x->route->host);
    return denial != DENIAL_NONE ? denial : again;
}

enum denial outbound_search_name(struct session *session, struct str labels)
{
    struct exchange *x = &session->exchange;
    struct outbound name = {.search = session->proxy->search, .engine = search_engine(x->policy)};
    enum denial denial = DENIAL_OVERLOADED;
    char carried[HOST_MAX + 3];
    size_t count;

    name.rules = x->route->dlp;
    route_name(x->route, carried);
    name.carry = name.engine != NULL ? search_carry(name.search, carried) : NULL;
    if (name.carry == NULL)
        return denial;
    name.before = *name.carry;
    name.scan = dlp_scan_begin(name.engine,
                               &(struct dlp_message){.detectors = name.rules.outbound, .carry = name.carry});
    if (name.scan != NULL) {
        dlp_scan_field(name.scan, DLP_HOST, str_of(NULL), labels);
        bool failed = dlp_scan_fields(name.scan) == DLP_VIOLATION;
        const struct dlp_finding *findings = dlp_scan_findings(name.scan, &count);
        for (size_t i = 0; i < count; i++)
            note(session, &name, &findings[i]);
        denial = count > 0 ? DENIAL_DLP_MATCH
                 : failed  ? violated(session, dlp_scan_violation(name.scan))
                           : DENIAL_NONE;
    }
    if (denial != DENIAL_NONE) {
        *name.carry = name.before;
        snprintf(x->host, sizeof x->host, "%s", carried);
    }
    dlp_scan_end(name.scan);
    dlp_carry_wipe(&name.before);
    search_carry_back(name.search, name.carry);
    return denial;
}

/* The body. */

/* Judges what is new. */
static enum denial judge_body(struct session *session, struct outbound *outbound)
{
    size_t count;
    const struct dlp_finding *findings = dlp_scan_findings(outbound->scan, &count);
    enum denial denial = DENIAL_NONE;

    for (; outbound->seen < count; outbound->seen++) {
        const struct dlp_finding *finding = &findings[outbound->seen];
        if (ask_may(&outbound->rules, finding)) /* when it would leave */
            continue;
        enum denial one = judge(outbound, finding);
        note(session, outbound, finding);
        denial = denial != DENIAL_NONE ? denial : one;
    }
    return denial;
}

/* What the operator decides: keeps back what may still grow, and the first that is not approved is what is asked about. */
static enum denial ask_body(struct session *session, struct outbound *outbound, uint64_t *leave)
{
    struct str held = buf_str(&outbound->held);
    size_t count, first;
    const struct dlp_finding *findings = dlp_scan_findings(outbound->scan, &count);

    for (first = 0; first < count; first++) {
        const struct dlp_finding *finding = &findings[first];
        bool settled = outbound->last || finding->end < outbound->leave;
        bool same = outbound->approved[first].end == finding->end &&
                    outbound->approved[first].start == finding->start;
        if (finding->surface != DLP_BODY || !ask_may(&outbound->rules, finding) ||
            finding->end <= outbound->offset || finding->start >= outbound->leave || same)
            continue;
        if (!settled) {
            *leave = finding->start < *leave ? finding->start : *leave;
            continue;
        }
        if (finding->start < outbound->offset || finding->end > outbound->offset + held.len)
            return DENIAL_DLP_MATCH; /* it has grown behind its approval */
        if (!ask_approved(session, outbound->engine, finding,
                          (struct str){held.ptr + (finding->start - outbound->offset),
                                       (size_t)(finding->end - finding->start)}))
            return DENIAL_DLP_MATCH;
        outbound->approved[first].start = finding->start;
        outbound->approved[first].end = finding->end;
    }
    return DENIAL_NONE;
}

/* Covers what was found in the first `len` bytes that wait. */
static void cover_body(const struct outbound *outbound, struct str leaving)
{
    size_t count;
    const struct dlp_finding *findings = dlp_scan_findings(outbound->scan, &count);

    for (size_t i = 0; i < count; i++) {
        const struct dlp_finding *finding = &findings[i];
        if (finding->surface == DLP_BODY && finding->end > outbound->offset)
            cover(leaving, finding->start > outbound->offset ? finding->start - outbound->offset : 0,
                  finding->end - outbound->offset);
    }
}

/* A transcript may hold more than a search can note: what was found is covered where it waits, and a new search begins there.
 * Each time there is less to be found. */
static bool begin_again(struct outbound *outbound)
{
    const struct dlp_message message = {.detectors = outbound->rules.outbound};

    if (!outbound->rules.transcript || dlp_scan_violation(outbound->scan) != DLP_FLOOD)
        return false;
    cover_body(outbound, buf_str(&outbound->held));
    dlp_scan_end(outbound->scan);
    outbound->scan = dlp_scan_begin(outbound->engine, &message);
    outbound->base += outbound->offset;
    outbound->offset = outbound->seen = 0;
    return outbound->scan != NULL;
}

/* Lets go of what was looked through. Again with the same after the operator's verdict. */
static enum denial let_go(struct session *session, bool chunked, struct buf *out)
{
    struct outbound *outbound = session->http->outbound;
    struct str window = buf_str(&outbound->held);
    uint64_t leave = outbound->leave;

    session->exchange.asked[0] = '\0';
    outbound->asks = false;
    if (leave < outbound->offset || leave > outbound->offset + window.len)
        return DENIAL_OVERLOADED;
    enum denial denial = ask_body(session, outbound, &leave);
    outbound->asks = denial != DENIAL_NONE && session->exchange.asked[0] != '\0';
    if (denial != DENIAL_NONE || leave <= outbound->offset)
        return denial;
    struct str leaving = {window.ptr, (size_t)(leave - outbound->offset)};
    if (outbound->rules.outbound_on_match != DLP_RULES_SUPERVISE || outbound->rules.transcript)
        cover_body(outbound, leaving);
    int fits = chunked ? rewrite_chunk(leaving, out) : buf_append(out, leaving.ptr, leaving.len);
    buf_consume(&outbound->held, leaving.len);
    outbound->offset = leave;
    return fits == 0 ? DENIAL_NONE : DENIAL_OVERLOADED;
}

static enum denial search_body(struct session *session, struct str data, bool last, bool chunked,
                               struct buf *out)
{
    struct outbound *outbound = session->http->outbound;
    struct buf *held = &outbound->held;
    enum dlp_answer answer;
    enum denial denial;
    struct str window;

    session->exchange.asked[0] = '\0';

    if (data.len > 0 && buf_append(held, data.ptr, data.len) != 0)
        return DENIAL_OVERLOADED;
    do {
        window = buf_str(held);
        outbound->leave = outbound->offset;
        answer = dlp_scan_body(outbound->scan, window, outbound->offset, last, &outbound->leave);
        denial = judge_body(session, outbound);
    } while (denial == DENIAL_NONE && answer == DLP_VIOLATION && begin_again(outbound));
    if (outbound->scan == NULL)
        return DENIAL_OVERLOADED;
    if (denial == DENIAL_NONE && answer == DLP_VIOLATION)
        denial = violated(session, dlp_scan_violation(outbound->scan));
    outbound->last = last;
    return denial != DENIAL_NONE ? denial : let_go(session, chunked, out);
}

/* As much as there is room for; the rest waits (outbound_waits). */
static enum denial unpack_body(struct session *session, struct str data, bool last, struct buf *out)
{
    struct outbound *outbound = session->http->outbound;
    char text[UNPACKED_SIZE];

    if (data.len > 0 && buf_append(&outbound->packed, data.ptr, data.len) != 0)
        return DENIAL_OVERLOADED;
    outbound->more = outbound->more || data.len > 0;
    while (outbound->more && out->len < READ_SIZE) {
        struct str in = buf_str(&outbound->packed);
        size_t had = in.len, made = 0;
        enum dlp_violation wrong = dlp_unpack_next(outbound->unpack, &in, text, sizeof text, &made);
        if (wrong != DLP_NO_VIOLATION)
            return violated(session, wrong);
        buf_consume(&outbound->packed, had - in.len);
        outbound->more = in.len > 0 || made == sizeof text;
        enum denial denial = search_body(session, (struct str){text, made}, false, true, out);
        if (denial != DENIAL_NONE)
            return denial;
    }
    if (!last)
        return DENIAL_NONE;
    return dlp_unpack_whole(outbound->unpack) ? search_body(session, (struct str){0}, true, true, out)
                                              : violated(session, DLP_BAD_ENCODING);
}

bool outbound_waits(const struct http *http)
{
    return http->outbound != NULL && http->outbound->unpack != NULL && http->outbound->more;
}

bool outbound_unpacks(const struct http *http)
{
    return http->outbound != NULL && http->outbound->unpack != NULL;
}

void outbound_unpacked_head(struct h1_head *head)
{
    size_t kept = 0;

    for (size_t i = 0; i < head->field_count; i++)
        if (!str_equal_nocase(head->fields[i].name, str_of("content-encoding")))
            head->fields[kept++] = head->fields[i];
    head->field_count = kept;
    head->framing = H1_CHUNKED;
}

bool outbound_asked_last(const struct http *http)
{
    return http->outbound != NULL && http->outbound->last;
}

enum denial outbound_body(struct session *session, struct str data, bool last, bool chunked, struct buf *out)
{
    if (session->http->outbound->asks)
        return let_go(session, chunked, out);
    return session->http->outbound->unpack != NULL ? unpack_body(session, data, last, out)
                                                   : search_body(session, data, last, chunked, out);
}
