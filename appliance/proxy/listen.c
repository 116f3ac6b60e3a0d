/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listen: see listen.h. The original destination decides the port and is written into the audit; it is never
 * dialled. When there is none, the connection did not come through the wall's redirection, so the wall may be
 * gone: it is refused.
 */
#define _GNU_SOURCE
#include "proxy/listen.h"

#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/limits.h"

#define ACCEPTS_MAX  64              /* in a turn of the loop */
#define FILES_OF_OWN (64 + POOL_MAX) /* descriptors beside the connections' */

uint64_t listen_files(void)
{
    return CONNECTIONS_MAX * CONNECTION_FILES + FILES_OF_OWN;
}

size_t listen_max(uint64_t open_files)
{
    uint64_t fit = open_files > FILES_OF_OWN ? (open_files - FILES_OF_OWN) / CONNECTION_FILES : 0;

    return fit < CONNECTIONS_MAX ? (size_t)fit : CONNECTIONS_MAX;
}

/* Where the agent meant to go. Returns false when the connection was not redirected. */
static bool original(int fd, struct sockaddr_in *to)
{
    struct sockaddr_in own;
    socklen_t len = sizeof *to, own_len = sizeof own;

    if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, to, &len) != 0 || len != sizeof *to ||
        to->sin_family != AF_INET)
        return false;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) != 0)
        return false;
    return to->sin_addr.s_addr != own.sin_addr.s_addr || to->sin_port != own.sin_port;
}

/* By RST, with its line; room for it is held. */
static void reject(struct proxy *proxy, int fd, enum denial denial, const char *address, unsigned port)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct audit audit = {
        .kind = AUDIT_TCP,
        .verdict = AUDIT_BLOCK,
        .rule = "default",
        .reason = denial,
        .address = address,
        .port = port,
        .generation = proxy->worker.policy != NULL ? proxy->worker.policy->generation : 0,
    };

    audit_id(audit.id);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    audit_sink_emit(proxy->worker.audit, &audit);
}

static void take(struct proxy *proxy, int fd)
{
    struct sockaddr_in to = {0};
    char address[IP_TEXT];

    if (!original(fd, &to)) {
        reject(proxy, fd, DENIAL_NOT_REDIRECTED, NULL, 0);
        return;
    }
    struct ip ip = ip_from_v4((const uint8_t *)&to.sin_addr);
    if (proxy->count >= proxy->max && !session_evict(proxy)) { /* all are in use */
        ip_format(&ip, address);
        reject(proxy, fd, DENIAL_OVERLOADED, address, ntohs(to.sin_port));
        return;
    }
    stream_options(fd);
    audit_sink_release(proxy->worker.audit); /* the session holds room itself when it decides */
    session_new(proxy, fd, &ip, ntohs(to.sin_port));
}

static void on_pause_over(uv_timer_t *timer)
{
    listen_resume(timer->data);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct proxy *proxy = poll->data;
    int listener;

    (void)status;
    (void)events;
    uv_fileno((const uv_handle_t *)poll, &listener);
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (!audit_sink_reserve(
                proxy->worker.audit)) { /* no connection without room for what is said of it */
            proxy->starved = true;
            uv_poll_stop(poll);
            return;
        }
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            audit_sink_release(proxy->worker.audit);
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno !=
                EAGAIN) { /* no descriptors or no memory: those that wait would wake the loop for ever */
                uv_poll_stop(poll);
                uv_timer_start(&proxy->pause, on_pause_over, TIMEOUT_ACCEPT_MS, 0);
            }
            return;
        }
        take(proxy, fd);
    }
}

int listen_start(struct proxy *proxy, int fd)
{
    int error = uv_poll_init(&proxy->worker.loop, &proxy->listener, fd);

    uv_timer_init(&proxy->worker.loop, &proxy->pause);
    proxy->listener.data = proxy->pause.data = proxy;
    return error != 0 ? error : uv_poll_start(&proxy->listener, UV_READABLE, on_connection);
}

void listen_stop(struct proxy *proxy)
{
    uv_poll_stop(&proxy->listener);
    uv_timer_stop(&proxy->pause);
}

void listen_resume(struct proxy *proxy)
{
    uv_poll_start(&proxy->listener, UV_READABLE, on_connection);
}
