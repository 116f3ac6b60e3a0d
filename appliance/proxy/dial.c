/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dial: see dial.h. It must never connect to an address that policy_may_dial has not accepted in this very
 * attempt, nor hand over a TLS connection whose peer is not verified. */
#include "proxy/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/limits.h"
#include "proxy/stream.h"

struct dial {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct resolve *resolve;
    struct policy *policy;
    const struct route *route;
    char host[HOST_MAX + 1];
    unsigned port;
    struct tls_kit *tls;
    struct resolve_answer answer; /* those that may be dialled */
    size_t next;
    uint64_t deadline;     /* ms, of all attempts */
    struct stream *stream; /* being connected */
    struct dial_result result;
    void (*done)(void *ctx, const struct dial_result *result);
    void *ctx;
};

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void dispose(struct dial *dial)
{
    resolve_cancel(dial->resolve);
    stream_close(dial->stream, true);
    policy_unref(dial->policy);
    uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
}

static void finish(struct dial *dial)
{
    dial->done(dial->ctx, &dial->result);
    dispose(dial);
}

static void attempt_next(struct dial *dial);

static void on_timer(uv_timer_t *timer)
{
    struct dial *dial = timer->data;

    stream_close(dial->stream, true);
    dial->stream = NULL;
    dial->result.denial = DENIAL_UPSTREAM_TIMEOUT;
    attempt_next(dial);
}

/* Hands the connection over. */
static void succeed(struct dial *dial)
{
    stream_want(dial->stream, 0);
    dial->result.denial = DENIAL_NONE;
    dial->result.stream = dial->stream;
    dial->stream = NULL;
    finish(dial);
}

/* A host whose TLS cannot be trusted is not tried at another address. */
static void distrust(struct dial *dial, const char *reason)
{
    dial->result.denial = DENIAL_UPSTREAM_TLS;
    dial->result.reason = reason;
    finish(dial); /* closes the stream */
}

static void on_shake(void *ctx, int events)
{
    struct dial *dial = ctx;
    int wanted;

    (void)events;
    int result = tls_handshake(dial->stream, &wanted);
    if (result == -EAGAIN)
        stream_want(dial->stream, wanted);
    else if (result == 0)
        succeed(dial);
    else
        distrust(dial, tls_failure(dial->stream).reason);
}

static void on_shake_timer(uv_timer_t *timer)
{
    struct dial *dial = timer->data;

    dial->result.denial = DENIAL_UPSTREAM_TIMEOUT;
    finish(dial);
}

static void secure(struct dial *dial)
{
    if (tls_connect(dial->tls, dial->stream, dial->host) != 0) {
        distrust(
            dial,
            "Its name has no dot, or a character that certificates do not allow, so it cannot be verified.");
        return;
    }
    stream_hand_over(dial->stream, on_shake, dial);
    uv_timer_start(&dial->timer, on_shake_timer, TIMEOUT_TLS_MS, 0);
    on_shake(dial, 0);
}

/* The attempt has succeeded or failed. */
static void on_ready(void *ctx, int events)
{
    struct dial *dial = ctx;
    int error = 0;

    (void)events;
    if (getsockopt(dial->stream->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) != 0)
        error = errno;
    if (error == 0) {
        if (dial->tls != NULL)
            secure(dial);
        else
            succeed(dial);
        return;
    }
    stream_close(dial->stream, true);
    dial->stream = NULL;
    dial->result.denial = error == ETIMEDOUT ? DENIAL_UPSTREAM_TIMEOUT : DENIAL_UPSTREAM_UNREACHABLE;
    attempt_next(dial);
}

/* Starts to connect. Returns 0, or -1 with the denial in the result. */
static int attempt(struct dial *dial, const struct ip *ip)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)dial->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    dial->result.ip = *ip;
    dial->result.denial = DENIAL_OVERLOADED;
    if (fd < 0)
        return -1;
    memcpy(&address.sin_addr, ip->bytes, 4);
    stream_options(fd);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        dial->result.denial = DENIAL_UPSTREAM_UNREACHABLE;
        close(fd);
        return -1;
    }
    dial->stream = stream_new(dial->loop, fd, on_ready, dial);
    if (dial->stream == NULL)
        return -1;
    stream_want(dial->stream, UV_WRITABLE);
    return 0;
}

static void attempt_next(struct dial *dial)
{
    uint64_t now = uv_now(dial->loop);

    while (dial->next < dial->answer.count && now < dial->deadline) {
        uint64_t left = dial->deadline - now;
        bool last = dial->next + 1 == dial->answer.count;
        if (attempt(dial, &dial->answer.ips[dial->next++]) != 0)
            continue;
        uv_timer_start(&dial->timer, on_timer,
                       last || left < TIMEOUT_CONNECT_ONE_MS ? left : TIMEOUT_CONNECT_ONE_MS, 0);
        return;
    }
    finish(dial);
}

/* Only what the policy accepts stays; the address that was refused is remembered for the audit. */
static void on_resolved(void *ctx, const struct resolve_answer *answer)
{
    struct dial *dial = ctx;

    dial->resolve = NULL;
    dial->result.denial = answer->denial;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->ips[i].family == 4 && policy_may_dial(dial->policy, dial->route, &answer->ips[i]))
            dial->answer.ips[dial->answer.count++] = answer->ips[i];
        else
            dial->result.denial = DENIAL_ADDRESS_REFUSED;
    }
    dial->deadline = uv_now(dial->loop) + TIMEOUT_CONNECT_MS;
    attempt_next(dial);
}

struct dial *dial_start(uv_loop_t *loop, struct resolver *resolver, struct policy *policy,
                        const struct route *route, const char *host, unsigned port, struct tls_kit *tls,
                        void (*done)(void *ctx, const struct dial_result *result), void *ctx)
{
    struct dial *dial = calloc(1, sizeof *dial);

    if (dial == NULL || strlen(host) > HOST_MAX) {
        free(dial);
        return NULL;
    }
    *dial = (struct dial){.loop = loop, .route = route, .port = port, .tls = tls, .done = done, .ctx = ctx};
    strcpy(dial->host, host);
    dial->resolve = resolve_start(resolver, host, on_resolved, dial);
    if (dial->resolve == NULL) {
        free(dial);
        return NULL;
    }
    dial->policy = policy_ref(policy);
    uv_timer_init(loop, &dial->timer);
    dial->timer.data = dial;
    return dial;
}

void dial_cancel(struct dial *dial)
{
    if (dial != NULL)
        dispose(dial);
}
