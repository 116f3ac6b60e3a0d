/* SPDX-License-Identifier: GPL-3.0-or-later */
/* question: sessions that wait for the operator, as init is told of them (core/hold.h, which has the order of messages). A session
 * waits for one answer at a time. */
#include <stdio.h>
#include <string.h>

#include "gate/conn.h"
#include "sys/channel.h"

static void answer(struct conn *conn, enum hold_outcome outcome)
{
    struct hold_verdict verdict = {.outcome = outcome};

    host_say(conn, TALK_VERDICT, 0, (struct str){(const char *)&verdict, sizeof verdict});
}

void question_ask(struct conn *conn, uint64_t ref, struct str text)
{
    struct server *server = conn->server;
    const struct policy *policy = server->worker->policy;
    struct hold_request request, read;

    if (text.len != sizeof request || ref >= conn->planned_count || conn->hold != 0) {
        host_kill(conn);
        return;
    }
    memcpy(&request, text.ptr, sizeof request);
    memset(request.event, 0, sizeof request.event);
    snprintf(request.event, sizeof request.event, "%s", conn->planned[ref].id);
    request.base = policy->approvals.base;
    if (hold_read(hold_bytes(&request), &read) != 0) { /* init would end the whole gate for it */
        host_kill(conn);
        return;
    }
    if (!policy->approvals.asks || conn->stale) {
        answer(conn, HOLD_STALE);
        return;
    }
    if (server->waiting >= HOLD_MAX || !hold_rate_take(&server->hold_rate, uv_now(&server->worker->loop)) ||
        channel_send(WORKER_FD_CHANNEL, CHANNEL_HOLD, server->holds + 1, -1, hold_bytes(&request)) != 0) {
        answer(conn, HOLD_CROWDED);
        return;
    }
    conn->hold = ++server->holds;
    server->waiting++;
}

void question_end(struct conn *conn)
{
    if (conn->hold == 0)
        return;
    channel_send(WORKER_FD_CHANNEL, CHANNEL_HOLD_END, conn->hold, -1, str_of(NULL));
    conn->hold = 0;
    conn->server->waiting--;
}

void question_verdict(struct server *server, uint64_t number, struct str text)
{
    struct conn *conn = server->first;

    while (conn != NULL && conn->hold != number)
        conn = conn->next;
    if (conn == NULL || number == 0) { /* it has gone meanwhile; the word of it may have been lost */
        channel_send(WORKER_FD_CHANNEL, CHANNEL_HOLD_END, number, -1, str_of(NULL));
        return;
    }
    if (text.len != sizeof(struct hold_verdict))
        return;
    conn->hold = 0;
    server->waiting--;
    host_say(conn, TALK_VERDICT, 0, text);
}
