/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stopper-gate-relay: see gate/relay.h. Started by git in the gate's jail. It must never act on what git told it: it hands
 * its descriptors on and ends as it is told; whatever goes wrong is a failed hook, or an ssh that could not connect.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/relay.h"

static int fail(const char *what)
{
    fprintf(stderr, "stopper-gate-relay: %s\n", what);
    return RELAY_FAILED;
}

static enum relay_kind kind_of(const char *name)
{
    const char *slash = strrchr(name, '/');

    name = slash != NULL ? slash + 1 : name;
    if (strcmp(name, RELAY_PRE) == 0)
        return RELAY_IS_PRE;
    return strcmp(name, RELAY_PROC) == 0 ? RELAY_IS_PROC : RELAY_IS_SSH;
}

static int add(char *text, size_t *len, const char *value)
{
    size_t size = value != NULL ? strlen(value) + 1 : 1;

    if (size > RELAY_TEXT - *len)
        return -1;
    memcpy(text + *len, value != NULL ? value : "", size);
    *len += size;
    return 0;
}

/* The push options (githooks(5), pre-receive). Returns how many, or RELAY_OVER when they have no room. */
static unsigned gather(char *text, size_t *len)
{
    const char *counted = getenv("GIT_PUSH_OPTION_COUNT");
    long count = counted != NULL ? strtol(counted, NULL, 10) : 0;
    size_t before = *len;
    char name[48];
    bool over = count < 0 || count > RELAY_OPTIONS;

    for (long i = 0; !over && i < count; i++) {
        snprintf(name, sizeof name, "GIT_PUSH_OPTION_%ld", i);
        const char *value = getenv(name);
        over = value == NULL || add(text, len, value) != 0;
    }
    if (!over)
        return (unsigned)count;
    *len = before;
    return RELAY_OVER;
}

static int call(int sock, struct relay_head head, char *text, size_t len)
{
    int pair[2];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * RELAY_FDS)];
    } control = {0};
    struct iovec parts[] = {{&head, sizeof head}, {text, len}};
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = control.room,
                         .msg_controllen = sizeof control.room};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    int fds[RELAY_FDS] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, pair[1]};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
        return -1;
    close(pair[1]);
    return pair[0];
}

int main(int argc, char **argv)
{
    static char text[RELAY_TEXT];
    const char *number = getenv(RELAY_VARIABLE);
    size_t len = 0;
    uint8_t status;
    ssize_t got;

    signal(SIGPIPE, SIG_IGN);
    if (argc < 1 || number == NULL)
        return fail("is started by git, which stopper-gate started");
    struct relay_head head = {.kind = kind_of(argv[0])};
    bool pre = head.kind == RELAY_IS_PRE;
    if (add(text, &len, pre ? getenv("GIT_QUARANTINE_PATH") : NULL) != 0 ||
        add(text, &len, pre ? getenv("GIT_PUSH_CERT") : NULL) != 0)
        return fail("paths are too long");
    head.options = pre ? gather(text, &len) : 0;
    int answer = call(atoi(number), head, text, len);
    if (answer < 0)
        return fail("cannot reach the gate");
    /* They are the session's now: whoever is at their other ends has to see when it closes them. */
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    do
        got = read(answer, &status, sizeof status);
    while (got < 0 && errno == EINTR);
    return got == sizeof status ? status : RELAY_FAILED;
}
