/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_connect: see the header. The process waits here before anybody has connected, entered and dropped
 * already, so that a connection costs no start of a process. It must never run with a right that the agent
 * has not, and never outlive the pipe from hostctl.
 */
#include "init/shim_connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/duct.h"

#define CONNECT_MS 5000 /* a listener whose queue is full does not answer */

/* Returns 0 and the port, or -1 at the end of stdin. */
static int port_read(in_port_t *port)
{
    unsigned char bytes[2];

    for (size_t have = 0; have < sizeof bytes;) {
        ssize_t got = read(STDIN_FILENO, bytes + have, sizeof bytes - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        have += (size_t)got;
    }
    memcpy(port, bytes, sizeof bytes);
    return 0;
}

/* A port of the ephemeral range that nobody listens on may be given to this very socket, which then connects
 * to itself (simultaneous open, RFC 9293, 3.5). */
static bool is_own(int sock)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_len = sizeof own, peer_len = sizeof peer;

    return getsockname(sock, (struct sockaddr *)&own, &own_len) == 0 &&
           getpeername(sock, (struct sockaddr *)&peer, &peer_len) == 0 && own_len == peer_len &&
           memcmp(&own, &peer, own_len) == 0;
}

/* Waits for the connection or hostctl's end. Returns the errno that came of it. */
static int wait_connected(int sock)
{
    struct pollfd wait[] = {{.fd = sock, .events = POLLOUT}, {.fd = STDIN_FILENO}};
    int ready, error = 0;
    socklen_t len = sizeof error;

    do
        ready = poll(wait, 2, CONNECT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return errno;
    if (ready == 0)
        return ETIMEDOUT;
    if (wait[0].revents == 0)
        return ECANCELED;
    return getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

static enum duct_answer dial(const struct sockaddr *address, socklen_t len, int *connected)
{
    int sock = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, error = 0;

    if (sock < 0)
        return errno == EAFNOSUPPORT ? DUCT_REFUSED : DUCT_FAILED;
    if (connect(sock, address, len) != 0)
        error = errno == EINPROGRESS ? wait_connected(sock) : errno;
    if (error == 0 && !is_own(sock)) {
        setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        *connected = sock;
        return DUCT_CONNECTED;
    }
    duct_reset(sock);
    return error == ETIMEDOUT ? DUCT_TIMEOUT : DUCT_REFUSED;
}

/* The loopback's addresses, where dev servers listen; then the bottle's own, for one that was told to. */
static enum duct_answer dial_bottle(in_port_t port, int *connected)
{
    const struct sockaddr_in loopback = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 loopback6 = {
        .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct ifaddrs *all = NULL;
    enum duct_answer answer = dial((const struct sockaddr *)&loopback, sizeof loopback, connected);

    if (answer == DUCT_REFUSED)
        answer = dial((const struct sockaddr *)&loopback6, sizeof loopback6, connected);
    if (answer != DUCT_REFUSED || getifaddrs(&all) != 0)
        return answer;
    for (const struct ifaddrs *each = all; each != NULL && answer == DUCT_REFUSED; each = each->ifa_next) {
        if (each->ifa_addr == NULL || each->ifa_addr->sa_family != AF_INET ||
            (each->ifa_flags & IFF_LOOPBACK))
            continue;
        struct sockaddr_in own;
        memcpy(&own, each->ifa_addr, sizeof own);
        own.sin_port = port;
        answer = dial((const struct sockaddr *)&own, sizeof own, connected);
    }
    freeifaddrs(all);
    return answer;
}

static int carry(int sock)
{
    static struct duct duct;
    struct pollfd polls[DUCT_POLLS];
    enum duct_state state = DUCT_MORE;

    if (duct_init(&duct, sock, STDIN_FILENO, STDOUT_FILENO, true) != 0)
        state = DUCT_BROKEN;
    while (state == DUCT_MORE) {
        duct_polls(&duct, polls);
        if (poll(polls, DUCT_POLLS, -1) >= 0)
            state = duct_turn(&duct, polls);
        else if (errno != EINTR)
            state = DUCT_BROKEN;
    }
    if (state == DUCT_BROKEN)
        duct_reset(sock);
    return state == DUCT_DONE ? 0 : 1;
}

int shim_connect(void)
{
    in_port_t port;
    int sock = -1;

    if (getpid() == 1 || getuid() == 0 || geteuid() == 0) {
        fprintf(stderr, "stopper-shim: connect runs behind \"stopper-shim exec --\" only\n");
        return 1;
    }
    prctl(PR_SET_NAME, "stopper-shim"); /* it is started by way of /proc/self/exe */
    signal(SIGPIPE, SIG_IGN);
    if (port_read(&port) != 0)
        return 0;
    unsigned char answer = (unsigned char)dial_bottle(port, &sock);
    if (write(STDOUT_FILENO, &answer, 1) != 1 || answer != DUCT_CONNECTED)
        return 1;
    return carry(sock);
}
