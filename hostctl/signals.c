/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signals: see signals.h. The handler does one write and nothing else; a full pipe loses repetitions only. */
#include "hostctl/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static int interrupt_pipe[2] = {-1, -1}, event_pipe[2] = {-1, -1};

static const struct {
    int number;
    int *to;
} caught[] = {{SIGINT, &interrupt_pipe[1]}, {SIGQUIT, &interrupt_pipe[1]}, {SIGTERM, &interrupt_pipe[1]},
              {SIGHUP, &interrupt_pipe[1]}, {SIGCHLD, &event_pipe[1]},     {SIGWINCH, &event_pipe[1]},
              {SIGUSR1, &event_pipe[1]},    {SIGUSR2, &event_pipe[1]}};
#define CAUGHT (sizeof caught / sizeof caught[0])

static void handler(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;

    for (size_t i = 0; i < CAUGHT; i++)
        if (caught[i].number == number && write(*caught[i].to, &byte, 1) < 0)
            break; /* full: this signal waits there already */
    errno = saved;
}

static int open_pipe(int ends[2])
{
    if (pipe(ends) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) != 0 || fcntl(ends[i], F_SETFL, O_NONBLOCK) != 0)
            return -1;
    return 0;
}

int signals_open(struct err *err)
{
    struct sigaction catch = {.sa_handler = handler}, ignore = {.sa_handler = SIG_IGN}, old;

    sigemptyset(&catch.sa_mask);
    sigemptyset(&ignore.sa_mask);
    if (open_pipe(interrupt_pipe) != 0 || open_pipe(event_pipe) != 0)
        return err_set_errno(err, "pipe");
    for (size_t i = 0; i < CAUGHT; i++) {
        /* What the caller chose to ignore (nohup, a shell's background job) stays ignored; children must be
         * seen. */
        if (sigaction(caught[i].number, NULL, &old) != 0)
            return err_set_errno(err, "sigaction");
        if (old.sa_handler == SIG_IGN && caught[i].number != SIGCHLD)
            continue;
        if (sigaction(caught[i].number, &catch, NULL) != 0)
            return err_set_errno(err, "sigaction");
    }
    return sigaction(SIGPIPE, &ignore, NULL) != 0 ? err_set_errno(err, "sigaction") : 0;
}

int signals_interrupt_fd(void)
{
    return interrupt_pipe[0];
}

int signals_event_fd(void)
{
    return event_pipe[0];
}

int signals_take(int fd)
{
    unsigned char byte;

    return read(fd, &byte, 1) == 1 ? byte : 0;
}
