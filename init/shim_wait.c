/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_wait: see the header. After the drop, with the agent's own rights: the worst that a mistake here can
 * do is to end the bottle. When this process ends the kernel kills all that is left in the namespace
 * (pid_namespaces(7)).
 */
#include "init/shim_wait.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* What is passed on. CHLD is ours; what a terminal sends (TSTP, TTIN, TTOU) goes to the terminal's group, not
 * to PID 1. */
static const int forwarded[] = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,  SIGUSR1,
                                SIGUSR2, SIGCONT, SIGALRM, SIGWINCH, SIGTSTP};

int shim_wait_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
        return -1;
    return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

int shim_wait_line(struct shim_peer *peer, int signals, struct str *line, struct err *err)
{
    struct pollfd polled[] = {{.fd = peer->fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    struct signalfd_siginfo info;

    while (!shim_peer_line(peer, line)) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return err_set_errno(err, "poll");
        if (read(signals, &info, sizeof info) == sizeof info &&
            (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT ||
             info.ssi_signo == SIGHUP))
            _exit(128 + (int)info.ssi_signo);
        if (!(polled[0].revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        int got = shim_peer_read(peer);
        if (got == 0)
            return err_set(err, "the configuration did not arrive");
        if (got < 0)
            return err_set_errno(err, "configuration");
    }
    return 0;
}

static void command_signal(const struct shim_wait *wait, int number)
{
    /* Before it leads its group the command is alone; it takes the signal when it unblocks them. */
    if (kill(-wait->command, number) != 0 && errno == ESRCH)
        kill(wait->command, number);
}

/* ---- the peer's lines: a table of verbs ---- */

static bool resize_do(const struct shim_wait *wait, const json_t *value)
{
    json_int_t rows = json_integer_value(json_array_get(value, 0));
    json_int_t columns = json_integer_value(json_array_get(value, 1));
    struct winsize size;

    if (json_array_size(value) != 2 || rows < 1 || rows > UINT16_MAX || columns < 1 || columns > UINT16_MAX)
        return false;
    size = (struct winsize){.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    return wait->terminal >= 0 && ioctl(wait->terminal, TIOCSWINSZ, &size) == 0;
}

static bool signal_do(const struct shim_wait *wait, const json_t *value)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 1 || number > SIGRTMAX)
        return false;
    command_signal(wait, (int)number);
    return true;
}

static const struct verb {
    const char *name;
    bool (*run)(const struct shim_wait *wait, const json_t *value);
} verbs[] = {
    {"resize", resize_do},
    {"signal", signal_do},
};

static void line_do(const struct shim_wait *wait, struct str line)
{
    json_t *root = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
    bool done = false;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        json_t *value = json_object_get(root, verbs[i].name);

        if (value && json_object_size(root) == 1)
            done = verbs[i].run(wait, value);
    }
    json_decref(root);
    if (!done)
        shim_peer_error(wait->peer, "this line is not understood, or could not be obeyed");
}

/* Returns false when the peer is gone. */
static bool peer_serve(const struct shim_wait *wait)
{
    struct str line;

    if (shim_peer_read(wait->peer) <= 0)
        return false;
    while (shim_peer_line(wait->peer, &line))
        line_do(wait, line);
    return true;
}

/* ---- signals and children ---- */

/* Reaps whatever has ended. Returns true with the command's wait status when that was among it. */
static bool children_reap(const struct shim_wait *wait, int *status)
{
    bool ended = false;
    int other;
    pid_t pid;

    while ((pid = waitpid(-1, &other, WNOHANG)) > 0) {
        if (pid == wait->command) {
            *status = other;
            ended = true;
        }
    }
    return ended;
}

static bool signals_serve(const struct shim_wait *wait, int *status)
{
    struct signalfd_siginfo info;

    while (read(wait->signals, &info, sizeof info) == sizeof info) {
        for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) {
            if (info.ssi_signo == (unsigned)forwarded[i])
                command_signal(wait, forwarded[i]);
        }
    }
    /* Not only on SIGCHLD: equal pending signals are one. */
    return children_reap(wait, status);
}

int shim_wait(struct shim_wait *wait)
{
    struct pollfd polled[] = {{.fd = wait->signals, .events = POLLIN},
                              {.fd = wait->peer->fd, .events = POLLIN}};
    struct str line;
    int status;

    while (shim_peer_line(wait->peer, &line)) /* came right behind the configuration */
        line_do(wait, line);
    while (!signals_serve(wait, &status)) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (polled[1].revents && !peer_serve(wait)) {
            if (wait->die_with_parent)
                return 128 + SIGHUP;
            shim_peer_close(wait->peer);
            polled[1].fd = -1;
            polled[1].revents = 0;
        }
    }
    if (WIFSIGNALED(status)) {
        shim_peer_number(wait->peer, "killed", (unsigned)WTERMSIG(status));
        return 128 + WTERMSIG(status);
    }
    shim_peer_number(wait->peer, "exit", (unsigned)WEXITSTATUS(status));
    return WEXITSTATUS(status);
}
