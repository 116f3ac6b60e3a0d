/* SPDX-License-Identifier: GPL-3.0-or-later */
/* channel: messages between init and its workers; see channel.h. Both sides treat the other as hostile:
 * sizes, types and the number of descriptors are checked, and what does not fit is a broken channel. */
#include "sys/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* The head of a packet, native byte order (both ends are one machine). The text follows. */
struct head {
    uint32_t type;
    uint32_t text_len;
    uint64_t generation;
};

int channel_send(int sock, enum channel_type type, uint64_t generation, int fd, struct str text)
{
    if (text.len > CHANNEL_TEXT_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    struct head head = {.type = type, .text_len = (uint32_t)text.len, .generation = generation};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)text.ptr, text.len}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = text.len > 0 ? 2 : 1};

    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof control.bytes;
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

/* Takes the one descriptor that may come along; all others, which nobody should have sent, are closed. */
static int take_descriptor(struct msghdr *msg)
{
    int taken = -1;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= cmsg->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(cmsg) + at, sizeof fd);
            if (taken >= 0)
                close(fd);
            else
                taken = fd;
        }
    }
    return taken;
}

int channel_recv(int sock, struct channel_msg *out)
{
    struct head head;
    struct iovec parts[2] = {{&head, sizeof head}, {out->text, sizeof out->text}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t got;

    do
        got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == ECONNRESET)
        return 0;
    if (got <= 0)
        return (int)got;
    out->fd = take_descriptor(&msg);
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)got < sizeof head ||
        (size_t)got - sizeof head != head.text_len) {
        if (out->fd >= 0)
            close(out->fd);
        out->fd = -1;
        errno = EBADMSG;
        return -1;
    }
    out->type = head.type;
    out->generation = head.generation;
    out->text_len = head.text_len;
    return 1;
}

int channel_memfd(const char *name, struct str bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    for (size_t at = 0; at < bytes.len;) {
        ssize_t written = write(fd, bytes.ptr + at, bytes.len - at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            close(fd);
            return -1;
        }
        at += (size_t)written;
    }
    if (fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int channel_map(int fd, size_t max, struct str *bytes)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) != 0 || st.st_size <= 0 ||
        (uintmax_t)st.st_size > max) {
        errno = EBADMSG;
        return -1;
    }
    void *mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED)
        return -1;
    *bytes = (struct str){mapped, (size_t)st.st_size};
    return 0;
}
