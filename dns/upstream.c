/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * upstream: the only file that sends anything towards the outside.
 *
 * Theory of operation. A flight is a name that is being asked for and the list of those who wait. It makes
 * attempts, one at a time: each has its own connected socket (so the kernel drops what does not come from
 * that resolver's address and port), its own id and letter case (RFC 5452, dns0x20). A packet that does not
 * match is ignored and counted; an error, a failure of the resolver or UPSTREAM_ATTEMPT_MS of silence start
 * the next attempt at the next resolver; truncation, a reply whose letter case was changed, or too many
 * foreign packets repeat the attempt over TCP (RFC 7766), where a forger would have to guess the sequence
 * numbers too. An attempt that is over closes its socket at once, so late replies meet nothing.
 *
 * The name in a query is the caller's canonical one; nothing else of what an agent sent can reach this file.
 */
#include "dns/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/query.h"

#define PORT_DOMAIN 53

struct flight;

struct attempt {
    uv_poll_t poll;
    int fd;
    struct flight *flight; /* NULL when the flight has moved on and the handle is closing */
    bool tcp, sent;
    struct ip server;
    unsigned foreign;
    size_t query_len;
    uint8_t query[2 + REPLY_QUERY_MAX]; /* with TCP's length in front */
    size_t got;
    uint8_t in[]; /* TCP: length and reply */
};

struct flight {
    struct upstream *upstream;
    char host[HOST_MAX + 1]; /* "" = free */
    struct upstream_waiter *waiters;
    uv_timer_t timer;
    uint64_t deadline_ms;
    unsigned attempts;
    size_t server; /* index of the resolver of this attempt */
    bool plain;    /* without EDNS */
    struct attempt *attempt;
};

struct upstream {
    uv_loop_t *loop;
    upstream_done done;
    void *ctx;
    struct ip servers[POLICY_MAX_UPSTREAMS];
    size_t server_count, preferred;
    unsigned busy;
    uint8_t in[4096]; /* UDP replies: more than we announce is not read */
    struct flight flights[UPSTREAM_FLIGHTS];
};

struct upstream *upstream_new(uv_loop_t *loop, upstream_done done, void *ctx)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);

    if (upstream == NULL)
        return NULL;
    upstream->loop = loop;
    upstream->done = done;
    upstream->ctx = ctx;
    for (size_t i = 0; i < UPSTREAM_FLIGHTS; i++) {
        struct flight *flight = &upstream->flights[i];
        flight->upstream = upstream;
        uv_timer_init(loop, &flight->timer);
        flight->timer.data = flight;
    }
    return upstream;
}

void upstream_configure(struct upstream *upstream, const struct policy *policy)
{
    memcpy(upstream->servers, policy->dns_upstreams, sizeof upstream->servers);
    upstream->server_count = policy->dns_upstream_count;
    upstream->preferred = 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void attempt_end(struct flight *flight)
{
    struct attempt *attempt = flight->attempt;

    if (attempt == NULL)
        return;
    flight->attempt = NULL;
    attempt->flight = NULL;
    uv_close((uv_handle_t *)&attempt->poll, on_closed);
    close(attempt->fd);
}

/* Frees the flight for the next name. Returns those who waited. */
static struct upstream_waiter *flight_end(struct flight *flight)
{
    struct upstream_waiter *waiters = flight->waiters;

    attempt_end(flight);
    uv_timer_stop(&flight->timer);
    flight->host[0] = '\0';
    flight->waiters = NULL;
    flight->upstream->busy--;
    return waiters;
}

static void flight_finish(struct flight *flight, const struct reply *reply, const struct ip *server)
{
    struct upstream *upstream = flight->upstream;
    char host[HOST_MAX + 1];

    memcpy(host, flight->host, sizeof host);
    struct upstream_waiter *waiters = flight_end(flight);
    upstream->done(upstream->ctx, host, reply, server, waiters);
}

struct upstream_waiter *upstream_cancel(struct upstream *upstream)
{
    struct upstream_waiter *all = NULL;

    for (size_t i = 0; i < UPSTREAM_FLIGHTS; i++) {
        if (upstream->flights[i].host[0] == '\0')
            continue;
        struct upstream_waiter *waiters = flight_end(&upstream->flights[i]);
        while (waiters != NULL) {
            struct upstream_waiter *waiter = waiters;
            waiters = waiter->next;
            waiter->next = all;
            all = waiter;
        }
    }
    return all;
}

static void on_event(uv_poll_t *poll, int status, int events);

static int attempt_socket(struct attempt *attempt)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT_DOMAIN)};

    memcpy(&to.sin_addr, attempt->server.bytes, 4);
    attempt->fd =
        socket(AF_INET, (attempt->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0)
        return -1;
    if (connect(attempt->fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        close(attempt->fd);
        return -1;
    }
    return 0;
}

static int attempt_query(struct attempt *attempt, const char *host, bool edns)
{
    struct {
        uint16_t id;
        uint8_t mix[32];
    } dice;

    if (getrandom(&dice, sizeof dice, 0) != sizeof dice)
        return -1;
    attempt->query_len = reply_query(host, dice.id, edns, dice.mix, attempt->query + 2);
    attempt->query[0] = (uint8_t)(attempt->query_len >> 8);
    attempt->query[1] = (uint8_t)attempt->query_len;
    return attempt->query_len > 0 ? 0 : -1;
}

/* Returns 0 when the query is sent (UDP) or the connection is being made (TCP). */
static int attempt_start(struct flight *flight, bool tcp)
{
    struct upstream *upstream = flight->upstream;
    struct attempt *attempt = calloc(1, sizeof *attempt + (tcp ? 2 + UPSTREAM_TCP_MAX : 0));

    if (attempt == NULL)
        return -1;
    attempt->flight = flight;
    attempt->tcp = tcp;
    attempt->server = upstream->servers[flight->server % upstream->server_count];
    if (attempt->server.family != 4 || attempt_query(attempt, flight->host, !flight->plain) != 0 ||
        attempt_socket(attempt) != 0) {
        free(attempt);
        return -1;
    }
    if (uv_poll_init(upstream->loop, &attempt->poll, attempt->fd) != 0) {
        close(attempt->fd);
        free(attempt);
        return -1;
    }
    attempt->poll.data = attempt;
    flight->attempt = attempt;
    uv_poll_start(&attempt->poll, tcp ? UV_WRITABLE : UV_READABLE, on_event);
    if (!tcp && send(attempt->fd, attempt->query + 2, attempt->query_len, MSG_NOSIGNAL) < 0) {
        attempt_end(flight);
        return -1;
    }
    return 0;
}

static void on_timeout(uv_timer_t *timer);

/* The next attempt, at the resolver that flight->server names; or the end. */
static void flight_try(struct flight *flight, bool tcp)
{
    struct upstream *upstream = flight->upstream;
    unsigned most = 2 * (unsigned)upstream->server_count;

    attempt_end(flight);
    if (most < UPSTREAM_ATTEMPTS_MIN)
        most = UPSTREAM_ATTEMPTS_MIN;
    uv_update_time(upstream->loop);
    uint64_t now = uv_now(upstream->loop);
    while (upstream->server_count > 0 && flight->attempts < most && now < flight->deadline_ms) {
        uint64_t left = flight->deadline_ms - now;
        flight->attempts++;
        if (attempt_start(flight, tcp) == 0) {
            uv_timer_start(&flight->timer, on_timeout,
                           left < UPSTREAM_ATTEMPT_MS ? left : UPSTREAM_ATTEMPT_MS, 0);
            return;
        }
        flight->server++;
        tcp = false;
    }
    flight_finish(flight, NULL, NULL);
}

static void flight_next(struct flight *flight)
{
    flight->server++;
    flight_try(flight, false);
}

static void on_timeout(uv_timer_t *timer)
{
    flight_next(timer->data);
}

/* Looks at a whole message. Returns whether the attempt is over. */
static bool take_message(struct attempt *attempt, const uint8_t *wire, size_t len)
{
    struct flight *flight = attempt->flight;
    struct upstream *upstream = flight->upstream;
    struct reply reply;

    switch (reply_read(attempt->query + 2, attempt->query_len, wire, len, attempt->tcp, &reply)) {
    case REPLY_OK: {
        struct ip server = attempt->server;
        upstream->preferred = upstream->server_count > 0 ? flight->server % upstream->server_count : 0;
        flight_finish(flight, &reply, &server);
        return true;
    }
    case REPLY_FOREIGN:
        if (attempt->tcp)
            flight_next(flight);
        else if (++attempt->foreign >= UPSTREAM_FOREIGN_MAX)
            flight_try(flight, true);
        else
            return false;
        return true;
    case REPLY_RECASED:
    case REPLY_TRUNCATED:
        flight_try(flight, true);
        return true;
    case REPLY_NO_EDNS:
        if (!flight->plain) {
            flight->plain = true;
            flight_try(flight, attempt->tcp);
            return true;
        }
        break;
    case REPLY_FAILED:
        break;
    }
    flight_next(flight);
    return true;
}

static void read_udp(struct attempt *attempt)
{
    struct upstream *upstream = attempt->flight->upstream;

    for (;;) {
        ssize_t got = recv(attempt->fd, upstream->in, sizeof upstream->in, MSG_TRUNC);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got < 0) {
            flight_next(attempt->flight); /* port unreachable, most often */
            return;
        }
        if (take_message(attempt, upstream->in, (size_t)got <= sizeof upstream->in ? (size_t)got : 0))
            return;
    }
}

static void write_tcp(struct attempt *attempt)
{
    int error = 0;
    socklen_t size = sizeof error;

    /* Some hundred bytes into an empty socket: less than all of them is a failure. */
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0 ||
        send(attempt->fd, attempt->query, 2 + attempt->query_len, MSG_NOSIGNAL) !=
            (ssize_t)(2 + attempt->query_len)) {
        flight_next(attempt->flight);
        return;
    }
    attempt->sent = true;
    uv_poll_start(&attempt->poll, UV_READABLE, on_event);
}

static void read_tcp(struct attempt *attempt)
{
    ssize_t got = recv(attempt->fd, attempt->in + attempt->got, 2 + UPSTREAM_TCP_MAX - attempt->got, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        flight_next(attempt->flight);
        return;
    }
    attempt->got += (size_t)got;
    if (attempt->got < 2)
        return;
    size_t len = (size_t)attempt->in[0] << 8 | attempt->in[1];
    if (len > UPSTREAM_TCP_MAX)
        flight_next(attempt->flight);
    else if (attempt->got >= 2 + len)
        take_message(attempt, attempt->in + 2, len);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct attempt *attempt = poll->data;

    (void)events;
    if (attempt->flight == NULL)
        return;
    if (attempt->tcp && !attempt->sent)
        write_tcp(attempt); /* a connection that failed is writable too, and says why there */
    else if (status != 0)
        flight_next(attempt->flight);
    else if (attempt->tcp)
        read_tcp(attempt);
    else
        read_udp(attempt);
}

int upstream_ask(struct upstream *upstream, const char *host, unsigned limit, struct upstream_waiter *waiter)
{
    struct flight *vacant = NULL;

    for (size_t i = 0; i < UPSTREAM_FLIGHTS; i++) {
        struct flight *flight = &upstream->flights[i];
        if (flight->host[0] == '\0') {
            vacant = flight;
        } else if (strcmp(flight->host, host) == 0) {
            waiter->next = flight->waiters;
            flight->waiters = waiter;
            return 0;
        }
    }
    if (vacant == NULL || upstream->busy >= limit || strlen(host) > HOST_MAX)
        return -1;
    memcpy(vacant->host, host, strlen(host) + 1);
    waiter->next = NULL;
    vacant->waiters = waiter;
    vacant->attempts = 0;
    vacant->server = upstream->preferred;
    vacant->plain = false;
    uv_update_time(upstream->loop);
    vacant->deadline_ms = uv_now(upstream->loop) + UPSTREAM_TOTAL_MS;
    upstream->busy++;
    flight_try(vacant, false);
    return 0;
}
