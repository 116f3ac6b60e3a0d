/* SPDX-License-Identifier: GPL-3.0-or-later */
/* acks: see the header. TCP_QUICKACK is no state that stays (tcp(7)): the kernel leaves it again when it pleases. What was read before one
 * looks is no event of its own any more, but wakes whoever also waits to write, which is possible nearly always. */
#include "gate/acks.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int now(int sock)
{
    int on = 1;

    return setsockopt(sock, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

int acks_watch(int sock)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    int on = 1;

    if (setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 || now(sock) != 0)
        return -1;
    int watch = epoll_create1(EPOLL_CLOEXEC);
    if (watch >= 0 && epoll_ctl(watch, EPOLL_CTL_ADD, sock, &event) != 0) {
        close(watch);
        return -1;
    }
    if (watch >= 0)
        epoll_wait(watch, &event, 1, 0); /* that it can be written to */
    return watch;
}

void acks_now(int watch, int sock)
{
    struct epoll_event event;

    epoll_wait(watch, &event, 1, 0);
    now(sock);
}
