/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_door: see the header. Whoever can reach the door before the first caller is the engine's or runs as
 * the agent's user, of whom there is nobody yet. It must never be open beside a command.
 */
#include "init/shim_door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "init/shim_config.h"

#define DOOR         SHIM_FOLDER "/door"
#define TRIES        500 /* of STEP_NS: 10 s until PID 1 listens */
#define STEP_NS      20000000L
#define NAME_MAX_LEN 32

static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = DOOR};

static int door_open(struct err *err)
{
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* There only where the container starts again: its agent's, of a former life. */
    unlink(DOOR);
    if (door < 0 || bind(door, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(DOOR, 0600) != 0 || listen(door, 1) != 0) {
        err_set_errno(err, DOOR);
        if (door >= 0)
            close(door);
        return -1;
    }
    return door;
}

static int caller_check(int caller, struct err *err)
{
    struct ucred who;
    socklen_t len = sizeof who;

    if (getsockopt(caller, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
        return err_set_errno(err, DOOR);
    return who.uid == 0 || who.uid == geteuid() ? 0 : err_set(err, DOOR ": a caller of user %u", who.uid);
}

int shim_door_wait(struct shim_peer *peer, int signals, struct err *err)
{
    int door = door_open(err), caller = -1;
    struct pollfd polled[] = {{.fd = door, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    struct signalfd_siginfo info;

    while (door >= 0 && caller < 0) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR) {
            err_set_errno(err, "poll");
            break;
        }
        if (read(signals, &info, sizeof info) == sizeof info &&
            (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT ||
             info.ssi_signo == SIGHUP))
            _exit(128 + (int)info.ssi_signo);
        caller = accept4(door, NULL, NULL, SOCK_CLOEXEC);
    }
    if (door >= 0) {
        close(door);
        unlink(DOOR);
    }
    if (caller < 0)
        return -1;
    if (caller_check(caller, err) == 0)
        return shim_peer_open(peer, caller, err);
    close(caller);
    return -1;
}

/* ---- the caller ---- */

static int pass(int from, int to)
{
    char bytes[4096];
    ssize_t got;

    while ((got = read(from, bytes, sizeof bytes)) > 0) {
        for (ssize_t at = 0, put; at < got; at += put)
            if ((put = write(to, bytes + at, (size_t)(got - at))) < 0)
                return -1;
        if (memchr(bytes, '\n', (size_t)got))
            return 0;
    }
    errno = got == 0 ? EPIPE : errno;
    return -1;
}

int shim_door_configure(void)
{
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), tries = 0;

    signal(SIGPIPE, SIG_IGN);
    while (door >= 0 && connect(door, (const struct sockaddr *)&address, sizeof address) != 0) {
        if ((errno != ENOENT && errno != ECONNREFUSED) || tries++ == TRIES) {
            fprintf(stderr, "stopper-shim: " DOOR ": %s\n", strerror(errno));
            return 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
    }
    if (door >= 0 && pass(STDIN_FILENO, door) == 0 && pass(door, STDOUT_FILENO) == 0)
        return 0;
    fprintf(stderr, "stopper-shim: configure: %s\n", strerror(errno));
    return 1;
}

/* ---- names ---- */

static int name_path(const char *name, char path[96], struct err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX_LEN || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") != len)
        return err_set(err, "1 to %d of a-z and 0-9 are wanted as a name", NAME_MAX_LEN);
    snprintf(path, 96, SHIM_FOLDER "/exec-%s", name);
    return 0;
}

int shim_door_name(const char *name, struct err *err)
{
    char path[96];

    if (name_path(name, path, err) != 0)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "%s", path);
    bool written = dprintf(fd, "%d\n", (int)getpid()) > 0;
    return close(fd) == 0 && written ? 0 : err_set_errno(err, "%s", path);
}

int shim_door_signal(const char *name, const char *number, struct err *err)
{
    char path[96], text[32] = "";
    long signal_number = strtol(number, NULL, 10), pid;

    if (signal_number < 1 || signal_number > SIGRTMAX)
        return err_set(err, "the number of a signal is wanted");
    if (name_path(name, path, err) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) {
        err_set_errno(err, "%s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    pid = strtol(text, NULL, 10);
    if (pid <= 1)
        return err_set(err, "%s holds no process", path);
    /* It leads a group of its own; before that it is alone. */
    if (kill((pid_t)-pid, (int)signal_number) == 0 || kill((pid_t)pid, (int)signal_number) == 0)
        return 0;
    return err_set_errno(err, "process %ld", pid);
}
