/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_hold: a request whose host no route names, where the policy says that such wait for the operator. Its head has
 * been read; of its body nothing is until it is approved, and the kernel's window holds the agent back. An agent that
 * closes its connection, or its half of it, is not waited for.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/hold.h"
#include "proxy/http_state.h"

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
static void on_verdict(struct session *session, enum denial denial)
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
        denial = http_search_head(session, head, &request);
    if (denial != DENIAL_NONE) {
        refuse(session, denial);
        return;
    }
    http_begin(session, head, &request);
    http_run(session);
}

bool http_hold(struct session *session, const struct h1_head *head, const struct request *request,
               struct str bytes)
{
    const struct policy *policy = session->proxy->worker.policy;
    struct http *http = session->http;
    struct hold_request hold;

    if (!judge_holdable(policy, session->port, session->opened, head, request))
        return false;
    memset(&hold, 0, sizeof hold); /* the gaps too: it leaves this process */
    hold.kind = HOLD_DENIED_HOST;
    hold.seconds = (uint32_t)(hold_ms(session) / 1000);
    hold.port = (uint16_t)session->port;
    hold.tls = session->opened;
    hold.query = request->query.len;
    hold.body = head->framing == H1_CHUNKED ? -1 : (int64_t)head->length;
    copy(hold.rule, sizeof hold.rule, str_of("egress.on_denied"));
    copy(hold.surface, sizeof hold.surface, str_of("host"));
    copy(hold.method, sizeof hold.method, head->method);
    copy(hold.host, sizeof hold.host, str_of(request->host));
    copy(hold.path, sizeof hold.path, request->path);
    http->active = true;
    session_wait(session, WAIT_NONE);
    enum denial denial = buf_append(&http->head, bytes.ptr, bytes.len) != 0
                             ? DENIAL_OVERLOADED
                             : hold_begin(session, &hold, on_verdict);
    if (denial != DENIAL_NONE)
        http_refuse(session, denial);
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
    refuse(session, DENIAL_HELD_ENDED);
}
