/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_request: see the header. A name is checked as the policy's own are, so it is no path and no option whatever comes. */
#include "gate/leg_request.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/gate_url.h"

static bool is_request(const struct leg_request *request)
{
    static const char nothing[sizeof request->pad];

    if (request->version != LEG_VERSION)
        return false;
    size_t name = strnlen(request->repo, sizeof request->repo);
    if (name == sizeof request->repo || !gate_is_name((struct str){request->repo, name}))
        return false;
    for (size_t i = name; i < sizeof request->repo; i++)
        if (request->repo[i] != '\0')
            return false;
    return (request->service == LEG_UPLOAD_PACK || request->service == LEG_RECEIVE_PACK) &&
           request->protocol <= 2 && memcmp(request->pad, nothing, sizeof nothing) == 0;
}

/* Takes descriptors off a message. Returns how many there were; those beyond LEG_FDS are closed. */
static size_t descriptors_take(struct msghdr *msg, int fds[LEG_FDS])
{
    size_t count = 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= cmsg->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(cmsg) + at, sizeof fd);
            if (count < LEG_FDS)
                fds[count] = fd;
            else
                close(fd);
            count++;
        }
    }
    return count;
}

enum leg_request_read leg_request_read(int sock, struct leg_request *request, int fds[LEG_FDS])
{
    char extra; /* what is longer shows */
    struct iovec parts[2] = {{request, sizeof *request}, {&extra, 1}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * (LEG_FDS + 1))];
    } control;
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};

    for (size_t i = 0; i < LEG_FDS; i++)
        fds[i] = -1;
    ssize_t got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return LEG_REQUEST_AGAIN;
    if (got < 0)
        return LEG_REQUEST_GONE;
    size_t count = descriptors_take(&msg, fds);
    if (got == 0 && count == 0)
        return LEG_REQUEST_GONE;
    bool whole =
        got == sizeof *request && count == LEG_FDS && (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0;
    return whole && is_request(request) ? LEG_REQUEST_GOOD : LEG_REQUEST_BAD;
}
