/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hold: see hold.h. The list is in the order in which they came; at most HOLD_MAX long, it is walked. */
#include "proxy/hold.h"

#include <stdio.h>
#include <string.h>

#include "sys/channel.h"

static void unlist(struct session *session)
{
    struct holds *holds = &session->proxy->holds;

    *(session->hold_prev != NULL ? &session->hold_prev->hold_next : &holds->first) = session->hold_next;
    *(session->hold_next != NULL ? &session->hold_next->hold_prev : &holds->last) = session->hold_prev;
    session->hold_prev = session->hold_next = NULL;
    holds->count--;
}

static void enlist(struct session *session)
{
    struct holds *holds = &session->proxy->holds;

    session->hold_prev = holds->last;
    *(holds->last != NULL ? &holds->last->hold_next : &holds->first) = session;
    holds->last = session;
    holds->count++;
}

bool hold_waits(const struct session *session)
{
    return session->on_verdict != NULL;
}

uint64_t hold_ms(const struct session *session)
{
    unsigned seconds = session->proxy->worker.policy->approvals.hold_seconds;

    return 1000 * (uint64_t)(seconds != 0 ? seconds : HOLD_SECONDS);
}

static void end(struct session *session, enum denial denial, const char *reason)
{
    void (*then)(struct session *, enum denial) = session->on_verdict;

    hold_stop(session);
    session->exchange.reason = reason;
    then(session, denial);
}

enum denial hold_begin(struct session *session, struct hold_request *request,
                       void (*then)(struct session *session, enum denial denial))
{
    struct exchange *x = &session->exchange;
    struct proxy *proxy = session->proxy;
    struct holds *holds = &proxy->holds;

    if (!hold_rate_take(&holds->rate, uv_now(&proxy->worker.loop))) {
        x->reason = "New ones are taken at a bounded rate.";
        return DENIAL_HELD_CROWDED;
    }
    if (holds->count >= HOLD_MAX)
        end(holds->first, DENIAL_HELD_CROWDED, "A newer one took its place.");
    request->base = proxy->worker.policy->approvals.base;
    snprintf(request->event, sizeof request->event, "%s", x->id);
    if (x->hold != 0) /* the question before this one is settled */
        channel_send(WORKER_FD_CHANNEL, CHANNEL_HOLD_END, x->hold, -1, str_of(NULL));
    if (channel_send(WORKER_FD_CHANNEL, CHANNEL_HOLD, holds->number + 1, -1, hold_bytes(request)) != 0) {
        x->reason = "The sidecar is busy.";
        return DENIAL_HELD_CROWDED;
    }
    x->hold = ++holds->number;
    x->hold_base = request->base;
    session->on_verdict = then;
    enlist(session);
    return DENIAL_NONE;
}

void hold_stop(struct session *session)
{
    if (session->on_verdict == NULL)
        return;
    session->on_verdict = NULL;
    unlist(session);
}

void hold_over(struct session *session)
{
    struct exchange *x = &session->exchange;

    hold_stop(session);
    if (x->hold != 0) /* init forgets by itself what is not said because its channel is full */
        channel_send(WORKER_FD_CHANNEL, CHANNEL_HOLD_END, x->hold, -1, str_of(NULL));
    x->hold = x->approved = 0;
}

void hold_verdict(struct proxy *proxy, uint64_t number, struct str text)
{
    static const struct {
        enum denial denial;
        const char *reason;
    } ends[] = {
        [HOLD_APPROVED] = {DENIAL_NONE, NULL},
        [HOLD_REFUSED] = {DENIAL_HELD_DENIED, NULL},
        [HOLD_REFUSED_OFTEN] = {DENIAL_HELD_DENIED,
                                "The host was denied so often that nobody is asked again."},
        [HOLD_CROWDED] = {DENIAL_HELD_CROWDED, "A newer one took its place."},
        [HOLD_UNHEARD] = {DENIAL_HELD_ENDED, "It could not be put before the operator."},
    };
    struct session *session = proxy->holds.first;
    struct hold_verdict verdict;

    while (session != NULL && session->exchange.hold != number)
        session = session->hold_next;
    if (session == NULL) { /* it has gone meanwhile; the word of it may have been lost */
        channel_send(WORKER_FD_CHANNEL, CHANNEL_HOLD_END, number, -1, str_of(NULL));
        return;
    }
    if (text.len != sizeof verdict)
        return;
    memcpy(&verdict, text.ptr, sizeof verdict);
    if (verdict.outcome < HOLD_APPROVED || verdict.outcome >= sizeof ends / sizeof ends[0])
        return;
    session->exchange.approved = verdict.outcome == HOLD_APPROVED ? verdict.approval : 0;
    end(session, ends[verdict.outcome].denial, ends[verdict.outcome].reason);
}
