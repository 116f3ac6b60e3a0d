/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_hold: requests that wait for the operator: those whose host no route names, and those in which something was found
 * that he may let go. Its head has been read. When it waits for that, nothing of it has gone anywhere; in the middle of its
 * body it waits with what was found in hand, and its upstream is listened to: if that ends or answers, so does the request.
 * Nothing is read of the agent, whom the kernel's window holds back. One that closes its connection, or its half of it, is
 * not waited for.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/hold.h"
#include "proxy/http_state.h"
#include "proxy/outbound.h"

static void copy(char *into, size_t size, struct str text)
{
    memcpy(into, text.ptr, text.len < size ? text.len : size - 1);
}

/* The answer, and the end of the connection: an exchange that waited may be ended while another session has its turn. */
static void refuse(struct session *session, enum denial denial)
{
    session->http->keep_refused = false;
    http_refuse(session, denial);
}

/* It goes on as a request that is judged anew, by the policy that has the approval in it. */
static void judge_anew(struct session *session, enum denial denial)
{
    struct h1_head *head = &session->proxy->head;
    struct str bytes = buf_str(&session->http->head);
    struct request request;
    struct h1_check check;

    if (denial == DENIAL_NONE && h1_check_parse(&check, true, false, bytes.ptr, bytes.len, head) != H1_OK)
        denial = DENIAL_HTTP_MALFORMED; /* the same bytes were read before */
    if (denial == DENIAL_NONE)
        denial = session_judge(session, head, &request);
    if (denial == DENIAL_NONE)
        denial = outbound_search(session, head, &request);
    if (denial == DENIAL_DLP_MATCH && http_hold_match(session, str_of(NULL), false)) {
        http_run(session);
        return;
    }
    if (denial != DENIAL_NONE) {
        refuse(session, denial);
        return;
    }
    http_begin(session, head, &request);
    http_run(session);
}

static void on_host(struct session *session, enum denial denial)
{
    judge_anew(session, denial);
}

/* What was found, and why that was not let go. */
static void tell_why(struct exchange *x)
{
    size_t len = strlen(x->found);

    if (x->reason != NULL && x->reason != x->found)
        snprintf(x->found + len, sizeof x->found - len, ". %s", x->reason);
    x->reason = x->found;
}

static void on_head(struct session *session, enum denial denial)
{
    if (denial != DENIAL_NONE)
        tell_why(&session->exchange);
    judge_anew(session, denial);
}

/* The running request is judged by the policy that has the approval in it, as by any new one. */
static void on_body(struct session *session, enum denial denial)
{
    if (denial != DENIAL_NONE) {
        tell_why(&session->exchange);
        refuse(session, denial);
        return;
    }
    http_policy(session);
    if (session->ended || session->http->over || !session->http->active)
        return;
    http_request_data(session, str_of(NULL), outbound_asked_last(session->http));
    http_run(session);
}

/* What both kinds have in common. */
static void fill(const struct session *session, const struct h1_head *head, const struct request *request,
                 struct hold_request *hold)
{
    memset(hold, 0, sizeof *hold); /* the gaps too: it leaves this process */
    hold->seconds = (uint32_t)(hold_ms(session) / 1000);
    hold->port = (uint16_t)session->port;
    hold->tls = session->opened;
    hold->query = request->query.len;
    hold->body = head->framing == H1_CHUNKED ? -1 : (int64_t)head->length;
    copy(hold->method, sizeof hold->method, head->method);
    copy(hold->host, sizeof hold->host, str_of(request->host));
}

bool http_hold(struct session *session, const struct h1_head *head, const struct request *request,
               struct str bytes)
{
    const struct policy *policy = session->proxy->worker.policy;
    struct http *http = session->http;
    struct hold_request hold;

    if (!judge_holdable(policy, session->port, session->opened, head, request))
        return false;
    fill(session, head, request, &hold);
    hold.kind = HOLD_DENIED_HOST;
    copy(hold.rule, sizeof hold.rule, str_of("egress.on_denied"));
    copy(hold.surface, sizeof hold.surface, str_of("host"));
    copy(hold.path, sizeof hold.path, request->path);
    http->active = true;
    session_wait(session, WAIT_NONE);
    enum denial denial = buf_append(&http->head, bytes.ptr, bytes.len) != 0
                             ? DENIAL_OVERLOADED
                             : hold_begin(session, &hold, on_host);
    if (denial != DENIAL_NONE)
        http_refuse(session, denial);
    return true;
}

/* The path is the audit's, in which what was found is covered. Returns whether init will take the record. */
static bool fill_match(struct session *session, struct hold_request *hold)
{
    const struct exchange *x = &session->exchange;
    struct h1_head *head = &session->proxy->head;
    struct str bytes = buf_str(&session->http->head);
    struct request request;
    struct hold_request taken;
    struct h1_check check;

    if (h1_check_parse(&check, true, false, bytes.ptr, bytes.len, head) != H1_OK ||
        request_read(head, session->opened, &request) != DENIAL_NONE)
        return false;
    fill(session, head, &request, hold);
    hold->kind = HOLD_MATCH;
    copy(hold->detector, sizeof hold->detector, str_of(x->detector));
    copy(hold->rule, sizeof hold->rule, str_of(x->pattern));
    copy(hold->surface, sizeof hold->surface, str_of(x->surface));
    copy(hold->value, sizeof hold->value, str_of(x->asked));
    copy(hold->path, sizeof hold->path, str_of(x->path));
    memcpy(hold->event, x->id, sizeof hold->event);
    struct str record = hold_bytes(hold);
    if (hold_read(record, &taken) == 0)
        return true;
    memset(hold->path, 0, sizeof hold->path);
    memcpy(hold->path, "/*",
           2); /* covered in a way that it has no single reading, or too long for the audit */
    return hold_read(record, &taken) == 0;
}

bool http_hold_match(struct session *session, struct str bytes, bool in_body)
{
    struct exchange *x = &session->exchange;
    struct http *http = session->http;
    struct hold_request hold;

    if (x->asked[0] == '\0' || (http->head.len == 0 && buf_append(&http->head, bytes.ptr, bytes.len) != 0) ||
        !fill_match(session, &hold))
        return false;
    http->active = true;
    session_wait(session, WAIT_NONE);
    session->deadline = 0; /* a question's time counts from its own beginning */
    x->questions++;
    enum denial denial = hold_begin(session, &hold, in_body ? on_body : on_head);
    if (denial != DENIAL_NONE) {
        tell_why(x);
        refuse(session, denial);
    }
    return true;
}

void http_hold_late(struct session *session)
{
    hold_stop(session);
    refuse(session, DENIAL_HELD_TIMEOUT);
}

void http_hold_left(struct session *session)
{
    session->http->over = true;
    session_emit(session, DENIAL_HELD_ENDED, "the agent closed the connection");
    session_end(session, true);
}

void http_hold_policy(struct session *session)
{
    if (canary_closed(session->proxy)) {
        hold_stop(session);
        refuse(session, DENIAL_EGRESS_CLOSED);
        return;
    }
    if (session->proxy->worker.policy->approvals.base == session->exchange.hold_base)
        return; /* another one was approved */
    hold_stop(session);
    session->exchange.hold = 0; /* init forgets with the policy what waited under it: no word for each */
    session->exchange.reason = "The policy has changed.";
    if (session->exchange.asked[0] != '\0')
        tell_why(&session->exchange);
    refuse(session, DENIAL_HELD_ENDED);
}
