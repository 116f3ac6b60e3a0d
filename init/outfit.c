/* SPDX-License-Identifier: GPL-3.0-or-later */
/* outfit: see the header. What is opened here is the child's alone, but for the three ends that are ours. */
#include "init/outfit.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair_open(int pair[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set_errno(err, "socketpair");
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    return 0;
}

void outfit_close(struct outfit *outfit, bool ours)
{
    for (size_t i = 0; i < outfit->fd_count; i++)
        if (outfit->fds[i] > STDERR_FILENO)
            close(outfit->fds[i]);
    if (ours) {
        int own[] = {outfit->channel, outfit->audit, outfit->words};
        for (size_t i = 0; i < 3; i++)
            if (own[i] >= 0)
                close(own[i]);
    }
}

/* 3 = netlink socket, 4 = channel */
static int outfit_meter(struct outfit *outfit, struct err *err)
{
    int pair[2], netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (netlink < 0)
        return err_set_errno(err, "nfnetlink: socket");
    outfit->fds[outfit->fd_count++] = netlink;
    if (pair_open(pair, err) < 0)
        return -1;
    outfit->channel = pair[0];
    outfit->fds[outfit->fd_count++] = pair[1];
    return 0;
}

/* 3 = channel, 4 = audit, 5… = listeners */
static int outfit_worker(struct outfit *outfit, const struct listener *list, const struct ip *agent_address,
                         struct err *err)
{
    int pair[2];
    if (pair_open(pair, err) < 0)
        return -1;
    outfit->channel = pair[0];
    outfit->fds[outfit->fd_count++] = pair[1];
    if (pair_open(pair, err) < 0)
        return -1;
    outfit->audit = pair[0];
    outfit->fds[outfit->fd_count++] = pair[1];
    int listeners = listeners_open(list, agent_address, &outfit->fds[outfit->fd_count], err);
    if (listeners < 0)
        return -1;
    outfit->fd_count += (size_t)listeners;
    return 0;
}

int outfit_open(struct outfit *outfit, const struct listener *list, const struct ip *agent_address,
                struct err *err)
{
    int pipe_fds[2];
    *outfit = (struct outfit){.fds = {-1, -1}, .fd_count = 2, .channel = -1, .audit = -1, .words = -1};
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set_errno(err, "pipe");
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    outfit->words = pipe_fds[0];
    outfit->fds[outfit->fd_count++] = pipe_fds[1];
    int status = list == NULL ? outfit_meter(outfit, err) : outfit_worker(outfit, list, agent_address, err);
    if (status < 0)
        outfit_close(outfit, true);
    return status;
}
