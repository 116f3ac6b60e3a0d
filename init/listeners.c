/* SPDX-License-Identifier: GPL-3.0-or-later */
/* listeners: sockets, bound and listening. Created anew for each life of a worker; nothing here keeps one. */
#include "init/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/privs.h"

#define BACKLOG 1024 /* connections that wait for a worker */

/* The file is its group's from the beginning, in a directory that nobody else may enter. */
static int path_open(const struct listener *listener, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, listener->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_set_errno(err, "%s: socket", listener->what);
    strncpy(address.sun_path, listener->path, sizeof address.sun_path - 1);
    if (unlink(listener->path) < 0 && errno != ENOENT)
        err_set_errno(err, "%s: %s", listener->what, listener->path);
    else if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err_set_errno(err, "%s: bind", listener->what);
    else if (privs_share(listener->path, listener->group, 0660, err) < 0)
        err_prefix(err, "%s", listener->what);
    else if (listen(fd, BACKLOG) < 0)
        err_set_errno(err, "%s: listen", listener->what);
    else
        return fd;
    close(fd);
    return -1;
}

static int port_open(const struct listener *listener, const struct ip *agent_address, struct err *err)
{
    static const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)listener->port)};
    int fd = socket(AF_INET, listener->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(err, "%s: socket", listener->what);

    if (listener->loopback)
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        memcpy(&address.sin_addr, agent_address->bytes, sizeof address.sin_addr);
    /* for TCP: connections of the life before may still be in TIME_WAIT; for UDP it would let two sockets
     * share a port */
    if ((listener->type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) ||
        (listener->shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0))
        err_set_errno(err, "%s: setsockopt", listener->what);
    else if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err_set_errno(err, "%s: bind", listener->what);
    else if (listener->type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
        err_set_errno(err, "%s: listen", listener->what);
    else
        return fd;
    close(fd);
    return -1;
}

int listeners_open(const struct listener *list, const struct ip *agent_address, int fds[LISTENERS_MAX],
                   struct err *err)
{
    int count = 0;
    for (; count < LISTENERS_MAX && list[count].what != NULL; count++) {
        fds[count] = list[count].path != NULL ? path_open(&list[count], err)
                                              : port_open(&list[count], agent_address, err);
        if (fds[count] < 0) {
            while (count-- > 0)
                close(fds[count]);
            return -1;
        }
    }
    return count;
}
