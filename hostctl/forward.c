/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forward: see forward.h. One loop of poll(2).
 *
 *   WAITING   entered, no client yet        -> OPENING when one is accepted: the port goes in
 *   OPENING   the shim connects             -> FLOWING or, with a reason told, LEAVING
 *   FLOWING   the duct carries              -> LEAVING
 *   LEAVING   the client is gone; what the shim holds is delivered, or given up, until it ends
 *
 * What comes out of a bottle goes into a client's socket and nowhere else: of the answer one number is looked
 * up, and stderr is not shown. It must never connect for the bottle's side, nor listen beyond the loopback.
 */
#include "hostctl/forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/duct.h"
#include "hostctl/signals.h"

#define TUNNELS_MAX                                                                                          \
    128 /* connections and the one that waits; a further client waits in the listener's queue */
#define BACKLOG   128
#define RETRY_MS  200 /* after an exec that ended or failed, and after accept(2) did */
#define RETRIES   5
#define LOSSES    10 /* of what waits, in a row, each before LIVED_MS: then the way in is not one */
#define LIVED_MS  5000
#define SETTLE_MS 20   /* for a connection's first bytes, before the next exec holds up the loop */
#define LEAVE_MS  1000 /* for the shims, at the end */

enum phase { WAITING, OPENING, FLOWING, LEAVING };

#define TUNNEL_POLLS (1 + DUCT_POLLS) /* stderr; then the duct's, or in another phase stdout */

struct tunnel {
    enum phase phase;
    struct session session;
    int client; /* -1: none */
    unsigned short port;
    long long entered_at;
    struct duct duct;
};

struct forward {
    const struct runtime *runtime;
    const struct state *state;
    const struct forward_port *ports;
    size_t count;
    int listeners[FORWARD_PORTS_MAX];
    struct tunnel *tunnels[TUNNELS_MAX];
    size_t tunnel_count;
    struct tunnel *waiting; /* one of them, or NULL */
    long long enter_at;     /* monotonic milliseconds: not before */
    long long accept_at;
    long long settle_until; /* as enter_at, unless a further client is there */
    unsigned failures;      /* of exec, in a row */
    unsigned losses;
    bool announced, ended;
};

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- listeners --- */

static int own_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0
               ? -1
               : 0;
}

static int listen_on(unsigned short port, struct err *err)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (fd < 0)
        return err_set_errno(err, "socket");
    /* Connections of an earlier run that linger must not hold the port; one that listens still does. */
    if (own_flags(fd) == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return error == EADDRINUSE
               ? err_set(err, "port %u of 127.0.0.1 is taken; \"FREE:%u\" leads another one there", port,
                         port)
               : err_set_errno(err, "port %u of 127.0.0.1", port);
}

static int announce(const struct forward *forward, struct err *err)
{
    for (size_t i = 0; i < forward->count; i++) {
        struct sockaddr_in address = {0};
        socklen_t len = sizeof address;
        if (getsockname(forward->listeners[i], (struct sockaddr *)&address, &len) != 0)
            return err_set_errno(err, "getsockname");
        printf("127.0.0.1:%u leads to port %u in the bottle \"%s\"\n", ntohs(address.sin_port),
               forward->ports[i].agent, forward->state->name);
    }
    return fflush(stdout) != 0 ? err_set_errno(err, "stdout") : 0;
}

/* --- tunnels --- */

static void tunnel_remove(struct forward *forward, size_t at)
{
    struct tunnel *tunnel = forward->tunnels[at];

    if (forward->waiting == tunnel)
        forward->waiting = NULL;
    duct_reset(tunnel->client);
    session_close(&tunnel->session);
    free(tunnel);
    forward->tunnels[at] = forward->tunnels[--forward->tunnel_count];
}

/* Enters the bottle. The path leads the shim to itself, wherever a runtime has put it. */
static int enter(struct forward *forward, struct err *err)
{
    static char shim[] = "/proc/self/exe", verb[] = "connect";
    static char *const argv[] = {shim, verb, NULL};
    static const char *const env[] = {NULL};
    const struct command_spec spec = {
        .argv = argv, .env = env, .cwd = "/", .interrupt = signals_interrupt_fd()};
    struct tunnel *tunnel = calloc(1, sizeof *tunnel);

    if (tunnel == NULL)
        return err_set(err, "out of memory");
    session_init(&tunnel->session);
    tunnel->client = -1;
    tunnel->entered_at = now_ms();
    if (forward->runtime->exec(&spec, forward->state, &tunnel->session, err) != 0) {
        session_close(&tunnel->session);
        free(tunnel);
        return -1;
    }
    forward->waiting = forward->tunnels[forward->tunnel_count++] = tunnel;
    return 0;
}

/* Sees to it that one waits. Returns 0, also when that has to wait itself; -1 with err. */
static int keep_waiting(struct forward *forward, struct err *err)
{
    long long now = now_ms();

    if (forward->waiting != NULL || forward->tunnel_count == TUNNELS_MAX || now < forward->enter_at ||
        now < forward->settle_until)
        return 0;
    if (enter(forward, err) == 0) {
        forward->failures = 0;
        return 0;
    }
    if (forward->announced && !forward->runtime->alive(forward->state)) {
        forward->ended = true;
        return 0;
    }
    if (!forward->announced || ++forward->failures == RETRIES)
        return -1;
    forward->enter_at = now_ms() + RETRY_MS;
    return 0;
}

static void leave(struct tunnel *tunnel, bool whole)
{
    if (whole) {
        shut(&tunnel->client);
    } else { /* the shim takes the missing end for what it is, and resets its side too */
        duct_reset(tunnel->client);
        tunnel->client = -1;
        shut(&tunnel->session.in);
    }
    tunnel->phase = LEAVING;
}

/* Why there was no connection: the sentence is ours, whatever the bottle sent. */
static void tell_failure(const struct forward *forward, const struct tunnel *tunnel, ssize_t got,
                         unsigned char answer)
{
    static const char *const reasons[] = {
        [DUCT_REFUSED] = "nothing listens there",
        [DUCT_TIMEOUT] = "what listens there does not accept",
        [DUCT_FAILED] = "no socket could be had there",
    };
    const char *reason = "the way in ended before it was connected";

    if (got == 1 && answer != DUCT_CONNECTED && answer < sizeof reasons / sizeof reasons[0])
        reason = reasons[answer];
    fprintf(stderr, "hostctl forward: port %u in the bottle \"%s\": %s\n", tunnel->port, forward->state->name,
            reason);
}

static void take_answer(struct forward *forward, struct tunnel *tunnel)
{
    unsigned char answer = DUCT_FAILED;
    ssize_t got = read(tunnel->session.out, &answer, 1);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got == 1)
        forward->losses = 0;
    if (got == 1 && answer == DUCT_CONNECTED &&
        duct_init(&tunnel->duct, tunnel->client, tunnel->session.out, tunnel->session.in, false) == 0) {
        tunnel->phase = FLOWING;
        return;
    }
    tell_failure(forward, tunnel, got, answer);
    leave(tunnel, false);
}

/* Reads what nobody is to see. Returns whether there may be more. */
static bool discard(int fd)
{
    char bytes[4096];
    ssize_t got = read(fd, bytes, sizeof bytes);

    return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

static void tunnel_polls(const struct tunnel *tunnel, struct pollfd polls[TUNNEL_POLLS])
{
    polls[0] = (struct pollfd){.fd = tunnel->session.err, .events = POLLIN};
    if (tunnel->phase == FLOWING) {
        duct_polls(&tunnel->duct, polls + 1);
        return;
    }
    polls[1] = (struct pollfd){.fd = tunnel->session.out, .events = POLLIN};
    for (size_t i = 2; i < TUNNEL_POLLS; i++)
        polls[i] = (struct pollfd){.fd = -1};
}

/* Returns whether the tunnel goes on. */
static bool tunnel_turn(struct forward *forward, struct tunnel *tunnel,
                        const struct pollfd polls[TUNNEL_POLLS])
{
    enum duct_state state;

    if (polls[0].fd >= 0 && polls[0].revents != 0 && !discard(tunnel->session.err))
        shut(&tunnel->session.err);
    if (tunnel->phase == FLOWING) {
        if ((state = duct_turn(&tunnel->duct, polls + 1)) != DUCT_MORE)
            leave(tunnel, state == DUCT_DONE);
        return true;
    }
    if (polls[1].revents == 0)
        return true;
    if (tunnel->phase == OPENING) {
        take_answer(forward, tunnel);
        return true;
    }
    if (tunnel->phase == LEAVING)
        return discard(tunnel->session.out);
    return false; /* it ended, or spoke before it was spoken to */
}

static void accept_client(struct forward *forward, size_t at)
{
    struct tunnel *tunnel = forward->waiting;
    int client = accept(forward->listeners[at], NULL, NULL), one = 1;
    unsigned port = forward->ports[at].agent;
    const unsigned char bytes[2] = {(unsigned char)(port >> 8), (unsigned char)port};

    if (client < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            forward->accept_at = now_ms() + RETRY_MS; /* out of descriptors: some will be closed */
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    tunnel->client = client;
    tunnel->port = (unsigned short)port;
    tunnel->phase = OPENING;
    forward->waiting = NULL;
    forward->settle_until = now_ms() + SETTLE_MS;
    if (own_flags(client) != 0 || write(tunnel->session.in, bytes, sizeof bytes) != sizeof bytes)
        shut(&tunnel->session.in); /* an empty pipe takes two bytes; its other end is gone, and says so */
}

/* --- the loop --- */

static int patience(const struct forward *forward)
{
    long long now = now_ms(), until = 0;

    if (forward->waiting == NULL && forward->tunnel_count < TUNNELS_MAX)
        until = forward->enter_at > forward->settle_until ? forward->enter_at : forward->settle_until;
    else if (forward->accept_at > now)
        until = forward->accept_at;
    else
        return -1;
    return until > now ? (int)(until - now) : 0;
}

/* What waited has ended, and is reaped: it would hold up the end of the bottle's PID 1. An engine's exec tells
 * in this way only that it failed. */
static void lost(struct forward *forward, long long entered_at)
{
    long long now = now_ms();

    forward->losses = now - entered_at < LIVED_MS ? forward->losses + 1 : 1;
    forward->enter_at = now + RETRY_MS;
    if (!forward->runtime->alive(forward->state))
        forward->ended = true;
}

static void turn_tunnels(struct forward *forward, const struct pollfd *polls)
{
    /* From the last: what is removed is replaced by one that had its turn. */
    for (size_t i = forward->tunnel_count; i-- > 0;) {
        bool waited = forward->tunnels[i]->phase == WAITING;
        long long entered_at = forward->tunnels[i]->entered_at;
        if (tunnel_turn(forward, forward->tunnels[i], polls + i * TUNNEL_POLLS))
            continue;
        tunnel_remove(forward, i);
        if (waited)
            lost(forward, entered_at);
    }
}

/* Waits, then moves what can be moved. Returns 0, 1 when the user wants an end, -1 with err. */
static int turn(struct forward *forward, int timeout, bool accepting, struct err *err)
{
    static struct pollfd polls[1 + FORWARD_PORTS_MAX + TUNNELS_MAX * TUNNEL_POLLS];
    struct pollfd *tunnels = polls + 1 + forward->count;
    size_t count = forward->tunnel_count;
    long long now = now_ms();

    polls[0] = (struct pollfd){.fd = accepting ? signals_interrupt_fd() : -1, .events = POLLIN};
    accepting =
        accepting && (forward->waiting != NULL || now < forward->settle_until) && now >= forward->accept_at;
    for (size_t i = 0; i < forward->count; i++)
        polls[1 + i] = (struct pollfd){.fd = accepting ? forward->listeners[i] : -1, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
        tunnel_polls(forward->tunnels[i], tunnels + i * TUNNEL_POLLS);
    if (poll(polls, (nfds_t)(1 + forward->count + count * TUNNEL_POLLS), timeout) < 0)
        return errno == EINTR ? 0 : err_set_errno(err, "poll");
    if (polls[0].revents != 0 && signals_take(signals_interrupt_fd()) != 0)
        return 1;
    turn_tunnels(forward, tunnels);
    for (size_t i = 0; i < forward->count; i++)
        if (polls[1 + i].revents != 0 && forward->waiting != NULL)
            accept_client(forward, i);
        else if (polls[1 + i].revents != 0)
            forward->settle_until = 0;
    return 0;
}

static int serve(struct forward *forward, struct err *err)
{
    int result = 0;

    for (size_t i = 0; i < forward->count; i++)
        if ((forward->listeners[i] = listen_on(forward->ports[i].host, err)) < 0)
            return -1;
    while (result == 0) {
        if (!forward->ended && forward->losses < LOSSES && keep_waiting(forward, err) != 0)
            return -1;
        if (forward->ended) {
            fprintf(stderr, "hostctl forward: the bottle \"%s\" has ended\n", forward->state->name);
            return 0;
        }
        if (forward->losses == LOSSES)
            return err_set(err,
                           "what was to wait in the bottle \"%s\" for connections ended %d times in a row",
                           forward->state->name, LOSSES);
        if (!forward->announced && announce(forward, err) != 0)
            return -1;
        forward->announced = true;
        result = turn(forward, patience(forward), true, err);
    }
    return result < 0 ? -1 : 0;
}

/* The shims are told by the end of their stdin: killed first, they would close their side as if it were
 * whole. */
static void finish(struct forward *forward)
{
    long long until = now_ms() + LEAVE_MS;
    struct err ignored;

    for (size_t i = 0; i < forward->count; i++)
        shut(&forward->listeners[i]);
    for (size_t i = 0; i < forward->tunnel_count; i++)
        leave(forward->tunnels[i], false);
    for (long long now = now_ms(); forward->tunnel_count > 0 && now < until; now = now_ms())
        if (turn(forward, (int)(until - now), false, &ignored) < 0)
            break;
    while (forward->tunnel_count > 0)
        tunnel_remove(forward, forward->tunnel_count - 1);
}

int forward_run(const struct runtime *runtime, const struct state *state, const struct forward_port *ports,
                size_t count, struct err *err)
{
    static struct forward forward;

    forward = (struct forward){.runtime = runtime, .state = state, .ports = ports, .count = count};
    for (size_t i = 0; i < FORWARD_PORTS_MAX; i++)
        forward.listeners[i] = -1;
    int result = serve(&forward, err);
    finish(&forward);
    return result;
}
