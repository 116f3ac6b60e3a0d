/* SPDX-License-Identifier: GPL-3.0-or-later */
/* canary: see canary.h. */
#include "proxy/canary.h"

#include <stdio.h>

#include "proxy/session.h"
#include "sys/channel.h"

#define AGAIN_MS 20 /* until init is told again, when its channel was full */

static void on_timer(uv_timer_t *timer)
{
    struct proxy *proxy = timer->data;
    struct canary *canary = &proxy->canary;

    if (channel_send(WORKER_FD_CHANNEL, CHANNEL_CANARY, proxy->worker.policy->generation, -1,
                     str_of(canary->event)) != 0)
        uv_timer_start(timer, on_timer, AGAIN_MS, 0);
    if (canary->ended)
        return;
    canary->ended = true;
    session_all_policy(proxy);
}

void canary_init(struct proxy *proxy)
{
    uv_timer_init(&proxy->worker.loop, &proxy->canary.timer);
    proxy->canary.timer.data = proxy;
}

void canary_seen(struct session *session)
{
    struct proxy *proxy = session->proxy;
    const struct policy *policy = proxy->worker.policy;
    struct canary *canary = &proxy->canary;

    if (policy == NULL || !policy->canary_stop || canary_closed(proxy))
        return;
    canary->seen = true;
    canary->ended = false;
    snprintf(canary->event, sizeof canary->event, "%s", session->exchange.id);
    uv_timer_start(&canary->timer, on_timer, 0, 0);
}

bool canary_closed(const struct proxy *proxy)
{
    return proxy->canary.seen || (proxy->worker.policy != NULL && proxy->worker.policy->closed);
}

void canary_policy(struct proxy *proxy)
{
    if (!proxy->worker.policy->closed)
        return;
    proxy->canary.seen = false;
    uv_timer_stop(&proxy->canary.timer);
}
