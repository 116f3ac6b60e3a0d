/* SPDX-License-Identifier: GPL-3.0-or-later */
/* relay: the session's end; see the header. The relay is our own program, but git, which reads hostile bytes, runs as the same
 * user: what comes is checked as if a stranger had sent it. */
#include "gate/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAMED 2 /* texts that are no push options */

static void close_all(int *fds)
{
    for (size_t i = 0; i < RELAY_FDS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* Takes the descriptors of a message. Returns whether there were exactly RELAY_FDS. */
static bool take_fds(struct msghdr *msg, int *fds)
{
    size_t count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < RELAY_FDS)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
    return count == RELAY_FDS && !(msg->msg_flags & (MSG_CTRUNC | MSG_TRUNC));
}

/* The texts behind the head: as many as announced, and nothing behind them. */
static bool take_texts(struct relay_call *call, const struct relay_head *head, size_t len)
{
    size_t at = 0, count = 0, options = head->options != RELAY_OVER ? head->options : 0;

    if (options > RELAY_OPTIONS || len == 0 || call->text[len - 1] != '\0')
        return false;
    while (at < len && count < options + NAMED) {
        const char *text = call->text + at;
        at += strlen(text) + 1;
        if (count == 0)
            call->quarantine = text;
        else if (count == 1)
            call->certificate = text;
        else
            call->options[count - NAMED] = text;
        count++;
    }
    call->option_count = options;
    call->over = head->options == RELAY_OVER;
    return at == len && count == options + NAMED;
}

int relay_receive(int sock, struct relay_call *call)
{
    struct relay_head head;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * RELAY_FDS)];
    } control;
    struct iovec parts[] = {{&head, sizeof head}, {call->text, sizeof call->text}};
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = control.room,
                         .msg_controllen = sizeof control.room};
    ssize_t got;

    for (size_t i = 0; i < RELAY_FDS; i++)
        call->fds[i] = -1;
    do
        got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return 0;
    bool whole = got > 0 && take_fds(&msg, call->fds);
    if (!whole || (size_t)got <= sizeof head || head.kind < RELAY_IS_SSH || head.kind > RELAY_IS_PROC ||
        !take_texts(call, &head, (size_t)got - sizeof head)) {
        close_all(call->fds);
        return -1;
    }
    call->kind = (enum relay_kind)head.kind;
    return 1;
}

void relay_answer(struct relay_call *call, uint8_t status)
{
    if (call->fds[3] >= 0)
        send(call->fds[3], &status, sizeof status, MSG_NOSIGNAL);
    close_all(call->fds);
}
