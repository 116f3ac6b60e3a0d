/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shim_peer: see the header. The agent never gets this descriptor: it is close-on-exec, and PID 1 cannot be
 * looked into. */
#include "init/shim_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json_out.h"
#include "init/shim_config.h"

#define READ_SIZE   4096
#define ANSWER_SIZE 1024 /* bytes; the longest is an error's text, escaped and cut */

int shim_peer_open(struct shim_peer *peer, int fd, struct err *err)
{
    struct stat status;

    *peer = (struct shim_peer){.fd = -1};
    buf_init(&peer->in, SHIM_CONFIG_MAX);
    if (fstat(fd, &status) != 0 || !(S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode)))
        return err_set(err, "descriptor %d is neither a socket nor a pipe to read the configuration from",
                       fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return err_set_errno(err, "descriptor %d", fd);
    peer->fd = fd;
    peer->speaks = S_ISSOCK(status.st_mode);
    return 0;
}

void shim_peer_close(struct shim_peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    buf_fini(&peer->in);
}

int shim_peer_read(struct shim_peer *peer)
{
    char *room;
    ssize_t got;

    buf_consume(&peer->in, peer->line);
    peer->line = 0;
    room = buf_reserve(&peer->in, READ_SIZE);
    if (!room) {
        errno = EMSGSIZE;
        return -1;
    }
    do
        got = read(peer->fd, room, READ_SIZE);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        buf_commit(&peer->in, (size_t)got);
    return got > 0 ? 1 : (int)got;
}

bool shim_peer_line(struct shim_peer *peer, struct str *line)
{
    struct str held;
    const char *end;

    buf_consume(&peer->in, peer->line);
    peer->line = 0;
    held = buf_str(&peer->in);
    end = held.len ? memchr(held.ptr, '\n', held.len) : NULL;
    if (!end)
        return false;
    *line = (struct str){.ptr = held.ptr, .len = (size_t)(end - held.ptr)};
    peer->line = line->len + 1;
    return true;
}

/* One line, with a descriptor beside it (unix(7), SCM_RIGHTS). Never blocks: a peer that does not read is no
 * reason to keep a bottle waiting. */
static int say(const struct shim_peer *peer, struct json_out *out, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control = {0};
    int len = json_out_end(out);
    struct iovec iov = {.iov_base = out->buf};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (!peer->speaks || peer->fd < 0)
        return 0;
    if (len < 0) {
        errno = EMSGSIZE;
        return -1;
    }
    out->buf[len] = '\n';
    iov.iov_len = (size_t)len + 1;
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    }
    return sendmsg(peer->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)iov.iov_len ? 0 : -1;
}

int shim_peer_ok(const struct shim_peer *peer, int fd)
{
    char buf[ANSWER_SIZE + 1];
    struct json_out out;

    json_out_begin(&out, buf, ANSWER_SIZE);
    json_out_bool(&out, "ok", true);
    return say(peer, &out, fd);
}

int shim_peer_error(const struct shim_peer *peer, const char *text)
{
    char buf[ANSWER_SIZE + 1];
    struct json_out out;

    json_out_begin(&out, buf, ANSWER_SIZE);
    json_out_bool(&out, "ok", false);
    json_out_str(&out, "error", str_of(text), ANSWER_SIZE - 100);
    return say(peer, &out, -1);
}

int shim_peer_number(const struct shim_peer *peer, const char *key, unsigned number)
{
    char buf[ANSWER_SIZE + 1];
    struct json_out out;

    json_out_begin(&out, buf, ANSWER_SIZE);
    json_out_u64(&out, key, number);
    return say(peer, &out, -1);
}
