/* SPDX-License-Identifier: GPL-3.0-or-later */
/* outbound: see outbound.h. The search itself is dlp/scan.h's, which holds no bytes: those that wait are here, in one piece. */
#include "proxy/outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/forward.h"
#include "proxy/http_state.h"
#include "proxy/limits.h"
#include "proxy/rewrite.h"
#include "proxy/search.h"
#include "proxy/session.h"

#define PARTS_MAX (2 * FIELDS_MAX + 8)

struct outbound {
    struct search *search;
    struct dlp_engine *engine;
    struct dlp_scan *scan;
    struct dlp_carry *carry, before; /* before: what a request that is refused whole leaves behind */
    struct dlp_rules rules;
    struct buf held;
    uint64_t offset; /* in the body, of the first byte of `held` */
    size_t seen;     /* findings that were judged */
};

/* What of a head was given to the search. */
struct part {
    enum dlp_surface surface;
    struct str value;
    bool own; /* the agent's own credential, which the route lets through */
};

void outbound_end(struct http *http)
{
    struct outbound *outbound = http->outbound;

    if (outbound == NULL)
        return;
    http->outbound = NULL;
    dlp_scan_end(outbound->scan);
    search_carry_back(outbound->search, outbound->carry);
    dlp_engine_unref(outbound->engine);
    buf_fini(&outbound->held);
    free(outbound);
}

/* Beginning. */

/* All values of a field, as one; "" when it is not there. */
static struct str joined(const struct h1_head *head, const char *name, char *text, size_t size)
{
    size_t len = 0, count;

    h1_head_find(head, name, &count);
    for (size_t i = 0; count > 0 && i < head->field_count; i++) {
        const struct h1_field *field = &head->fields[i];
        if (!str_equal_nocase(field->name, str_of(name)))
            continue;
        int put = snprintf(text + len, size - len, "%s%.*s", len > 0 ? ", " : "",
                           (int)(field->value.len < size ? field->value.len : size), field->value.ptr);
        len = len + (size_t)put < size ? len + (size_t)put : size - 1;
    }
    return (struct str){text, len};
}

static struct outbound *begin(struct session *session, struct dlp_engine *engine, const struct h1_head *head)
{
    struct outbound *outbound = calloc(1, sizeof *outbound);
    char type[128], coding[128];

    if (outbound == NULL)
        return NULL;
    session->http->outbound = outbound;
    outbound->search = session->proxy->search;
    outbound->engine = dlp_engine_ref(engine);
    outbound->rules = session->exchange.route->dlp;
    outbound->carry = search_carry(outbound->search, session->exchange.host);
    buf_init(&outbound->held, DLP_HELD_MAX + IN_MAX);
    const struct dlp_message message = {.detectors = outbound->rules.outbound,
                                        .content_type = joined(head, "content-type", type, sizeof type),
                                        .content_encoding =
                                            joined(head, "content-encoding", coding, sizeof coding),
                                        .carry = outbound->carry};
    if (outbound->carry != NULL)
        outbound->before = *outbound->carry;
    if (outbound->carry != NULL)
        outbound->scan = dlp_scan_begin(engine, &message);
    return outbound->scan != NULL ? outbound : NULL;
}

/* Judging. */

static void note(struct session *session, const struct outbound *outbound, const struct dlp_finding *finding)
{
    struct exchange *x = &session->exchange;
    const struct dlp_rule *rule = dlp_rules_get(dlp_engine_rules(outbound->engine), finding->rule);
    bool canary = rule != NULL && finding->detector == DLP_KNOWN && rule->kind == DLP_CANARY;

    x->alarm = x->alarm || canary || finding->across;
    x->in_host = x->in_host || finding->surface == DLP_HOST;
    if (x->findings++ > 0)
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
    if (outbound->rules.transcript && finding->surface == DLP_BODY &&
        (finding->redactable || finding->across))
        return DENIAL_NONE; /* what is said again and again must not end the conversation */
    if (outbound->rules.outbound_on_match == DLP_RULES_REDACT && finding->redactable && !finding->across &&
        finding->surface != DLP_HOST)
        return DENIAL_NONE;
    return DENIAL_DLP_MATCH;
}

static enum denial violated(struct session *session, const struct outbound *outbound)
{
    struct exchange *x = &session->exchange;
    enum dlp_violation violation = dlp_scan_violation(outbound->scan);

    snprintf(x->found, sizeof x->found, "%s", dlp_violation_text(violation));
    x->detector = "structural";
    snprintf(x->pattern, sizeof x->pattern, "%s", dlp_violation_name(violation));
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
        add(scan, parts, &count, (struct part){DLP_HOST, str_of(request->host), false}, str_of(NULL));
    add(scan, parts, &count, (struct part){DLP_PATH, request->path, false}, str_of(NULL));
    if (query.len > 1)
        add(scan, parts, &count, (struct part){DLP_QUERY, {query.ptr + 1, query.len - 1}, false},
            str_of(NULL));
    for (size_t i = 0; i < head->field_count; i++) {
        const struct h1_field *field = &head->fields[i];
        if (!forward_field(head, route, field))
            continue;
        bool cookie = str_equal_nocase(field->name, str_of("cookie"));
        bool own = route->auth.scheme == AUTH_PASSTHROUGH && forward_carries(field->name);
        add(scan, parts, &count, (struct part){DLP_NAME, field->name, false}, field->name);
        if (field->value.len > 0)
            add(scan, parts, &count, (struct part){cookie ? DLP_COOKIE : DLP_VALUE, field->value, own},
                field->name);
    }
    return count;
}

enum denial outbound_head(struct session *session, const struct h1_head *head, const struct request *request,
                          bool *covered)
{
    struct exchange *x = &session->exchange;
    struct dlp_engine *engine = search_engine(x->policy);
    struct part parts[PARTS_MAX];
    enum denial denial = DENIAL_NONE;
    size_t count;

    *covered = false;
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
        enum denial one = judge(outbound, &findings[i]);
        note(session, outbound, &findings[i]);
        cover(part->value, findings[i].start, findings[i].end);
        *covered = true;
        denial = denial != DENIAL_NONE ? denial : one;
    }
    outbound->seen = count;
    if (denial == DENIAL_NONE && answer == DLP_VIOLATION)
        denial = violated(session, outbound);
    if (denial != DENIAL_NONE)
        *outbound->carry = outbound->before;
    if (denial != DENIAL_NONE || head->framing == H1_NO_BODY)
        outbound_end(session->http);
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
        enum denial one = judge(outbound, finding);
        note(session, outbound, finding);
        denial = denial != DENIAL_NONE ? denial : one;
    }
    return denial;
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

enum denial outbound_body(struct session *session, struct str data, bool last, bool chunked, struct buf *out)
{
    struct outbound *outbound = session->http->outbound;
    struct buf *held = &outbound->held;
    uint64_t leave = outbound->offset;

    if (data.len > 0 && buf_append(held, data.ptr, data.len) != 0)
        return DENIAL_OVERLOADED;
    struct str window = buf_str(held);
    enum dlp_answer answer = dlp_scan_body(outbound->scan, window, outbound->offset, last, &leave);
    enum denial denial = judge_body(session, outbound);
    if (denial == DENIAL_NONE && answer == DLP_VIOLATION)
        denial = violated(session, outbound);
    if (denial != DENIAL_NONE)
        return denial;
    if (leave <= outbound->offset || leave > outbound->offset + window.len)
        return leave == outbound->offset ? DENIAL_NONE : DENIAL_OVERLOADED;
    struct str leaving = {window.ptr, (size_t)(leave - outbound->offset)};
    cover_body(outbound, leaving);
    int fits = chunked ? rewrite_chunk(leaving, out) : buf_append(out, leaving.ptr, leaving.len);
    buf_consume(held, leaving.len);
    outbound->offset = leave;
    return fits == 0 ? DENIAL_NONE : DENIAL_OVERLOADED;
}
