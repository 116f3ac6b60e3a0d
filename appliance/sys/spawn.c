/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spawn: see the header. Between fork and exec the child makes system calls only (the parent may hold locks),
 * and reports what failed over a pipe that exec closes. It must never leave a descriptor above its list open.
 */
#define _GNU_SOURCE
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/signals.h"

#define SPAWN_FDS_MAX 64

struct failure {
    int error;      /* errno */
    char stage[24]; /* which call */
};

static void child_fail(int report, const char *stage)
{
    struct failure failure = {.error = errno};

    for (size_t i = 0; i < sizeof failure.stage - 1 && stage[i]; i++)
        failure.stage[i] = stage[i];
    (void)!write(report, &failure, sizeof failure);
    _exit(127);
}

/* Descriptors 0…count-1 become the list, `count` the report pipe, and there are no others. Returns the report
 * pipe. */
static int child_descriptors(const struct spawn *spawn, int report)
{
    int count = (int)spawn->fd_count, moved[SPAWN_FDS_MAX], above;

    /* First out of the way, so that no target still holds a source. */
    above = fcntl(report, F_DUPFD_CLOEXEC, count + 1);
    if (above < 0)
        child_fail(report, "fcntl");
    for (int i = 0; i < count; i++) {
        if (spawn->fds[i] >= 0)
            moved[i] = fcntl(spawn->fds[i], F_DUPFD_CLOEXEC, count + 1);
        else
            moved[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (moved[i] < 0)
            child_fail(above, spawn->fds[i] >= 0 ? "fcntl" : "/dev/null");
    }
    /* An opened /dev/null may have got a low number: it is a target's too, so move it by dup2 in a second
     * pass. */
    for (int i = 0; i < count; i++) {
        if (moved[i] <= count) {
            moved[i] = fcntl(moved[i], F_DUPFD_CLOEXEC, count + 1);
            if (moved[i] < 0)
                child_fail(above, "fcntl");
        }
    }
    for (int i = 0; i < count; i++) {
        if (dup2(moved[i], i) < 0)
            child_fail(above, "dup2");
    }
    if (dup3(above, count, O_CLOEXEC) < 0)
        child_fail(above, "dup3");
    if (close_range((unsigned)count + 1, ~0U, 0) != 0)
        child_fail(count, "close_range");
    return count;
}

static void child_run(const struct spawn *spawn, int report, pid_t parent)
{
    static const char *const nothing[] = {NULL};
    const char *const *environment = spawn->environment != NULL ? spawn->environment : nothing;

    report = child_descriptors(spawn, report);
    if ((spawn->tied || spawn->with_parent) &&
        (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent))
        child_fail(report, "prctl"); /* the parent may be gone already */
    if (!spawn->with_parent && setsid() < 0)
        child_fail(report, "setsid");
    if (chdir("/") != 0)
        child_fail(report, "chdir");
    umask(077);
    signals_default(); /* the parent's handlers are gone with exec, what it ignores is not */
    if (spawn->last != NULL && spawn->last() != 0)
        child_fail(report, "last");
    execve(spawn->path, (char *const *)(uintptr_t)spawn->argv, (char *const *)(uintptr_t)environment);
    child_fail(report, "execve");
}

/* Waits for exec (the pipe closes) or for the failure. Returns 0 or -1. */
static int report_read(int report, const char *path, struct err *err)
{
    struct failure failure;
    ssize_t got;

    do
        got = read(report, &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return 0;
    if (got != sizeof failure)
        return err_set(err, "%s: it ended before it began", path);
    errno = failure.error;
    return err_set_errno(err, "%s: %.*s", path, (int)sizeof failure.stage, failure.stage);
}

pid_t spawn_start(const struct spawn *spawn, struct err *err)
{
    sigset_t all, before;
    int report[2];
    pid_t pid, self = getpid();

    if (spawn->fd_count < 3 || spawn->fd_count > SPAWN_FDS_MAX)
        return err_set(err, "%s: %zu descriptors", spawn->path, spawn->fd_count);
    if (pipe2(report, O_CLOEXEC) != 0)
        return err_set_errno(err, "%s: pipe", spawn->path);
    /* No handler of the parent may run in the child. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        child_run(spawn, report[1], self);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (pid < 0)
        err_set_errno(err, "%s: fork", spawn->path);
    if (pid > 0 && report_read(report[0], spawn->path, err) != 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        pid = -1;
    }
    close(report[0]);
    return pid;
}
