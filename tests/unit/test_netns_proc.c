/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl/rt_netns_proc: processes are known by number and start time together, and report why they did not
 * start. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostctl/rt_netns_proc.h"
#include "tests/unit/suite.h"

/* Does not listen to SIGTERM, from its first moment on. */
static pid_t sleeper(void)
{
    signal(SIGTERM, SIG_IGN);
    pid_t pid = fork();
    while (pid == 0)
        pause();
    signal(SIGTERM, SIG_DFL);
    return pid;
}

START_TEST(start_time_tells_processes_apart)
{
    uint64_t start, other;
    ck_assert_int_eq(proc_start_time(getpid(), &start), 0);
    ck_assert_int_eq(proc_start_time(getpid(), &other), 0);
    ck_assert_uint_eq(start, other);
    int fd = proc_open(getpid(), start);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(proc_open(getpid(), start + 1), -1);
    ck_assert_int_eq(proc_open(0, 0), -1);
    ck_assert_int_eq(proc_open(1, 0), -1);
}
END_TEST

START_TEST(a_zombie_has_ended)
{
    uint64_t start;
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(proc_start_time(pid, &start), -1);
    ck_assert_int_eq(proc_end(pid, 0, 0, 0), 0); /* and is reaped */
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(end_kills_what_does_not_listen_and_only_that_process)
{
    uint64_t start;
    pid_t pid = sleeper();
    ck_assert_int_eq(proc_start_time(pid, &start), 0);
    ck_assert_int_eq(proc_end(pid, start + 1, SIGTERM, 10), 0); /* somebody else: left alone */
    ck_assert_int_eq(kill(pid, 0), 0);
    ck_assert_int_eq(proc_end(pid, start, SIGTERM, 10), 0);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    ck_assert_int_eq(proc_end(pid, start, SIGTERM, 10), 0); /* again is fine */
}
END_TEST

static const int nothing[] = {-1, -1, -1};

static struct proc_plan plan_of(const char *path, const char *const *argv)
{
    return (struct proc_plan){.net = -1,
                              .join = -1,
                              .user = geteuid(),
                              .capabilities = ~UINT64_C(0),
                              .path = path,
                              .argv = argv,
                              .fds = nothing,
                              .fd_count = 3};
}

START_TEST(a_program_that_is_not_there_is_reported)
{
    static const char *const argv[] = {"nothing", NULL};
    struct proc_plan plan = plan_of("/nonexistent/nothing", argv);
    struct proc proc;
    struct err err;
    if (geteuid() != 0)
        return; /* the groups cannot be set: root's business */
    ck_assert_int_eq(proc_make(&plan, &proc, &err), 0);
    ck_assert_int_eq(proc_go(&proc, &err), -1);
    ck_assert_str_eq(err.text, "/nonexistent/nothing: No such file or directory");
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(the_child_waits_to_be_recorded_and_inherits_nothing)
{
    static const char *const argv[] = {"sh", "-c", "for fd in /proc/self/fd/*; do echo ${fd##*/}; done; env",
                                       NULL};
    char text[4096] = "";
    int ends[2], spare;
    struct proc_plan plan = plan_of("/bin/sh", argv);
    struct proc proc;
    struct err err;
    if (geteuid() != 0)
        return;
    spare = open("/dev/null", O_RDONLY); /* not CLOEXEC */
    setenv("STOPPER_TEST", "1", 1);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    const int fds[] = {-1, ends[1], -1};
    plan.fds = fds;
    ck_assert_int_eq(proc_make(&plan, &proc, &err), 0);
    close(ends[1]);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(ends[0], text, 1), -1); /* nothing has run */
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
    ck_assert_int_eq(proc_go(&proc, &err), 0);
    for (ssize_t len = 0, got; (got = read(ends[0], text + len, sizeof text - 1 - (size_t)len)) > 0;)
        len += got;
    /* 3 is the shell's own, open while it lists the folder. */
    ck_assert_int_eq(strncmp(text, "0\n1\n2\n", 6), 0);
    ck_assert_ptr_null(strstr(text, "\n4\n"));
    ck_assert_ptr_null(strstr(text, "STOPPER_TEST"));
    ck_assert_int_eq(proc_end(proc.pid, proc.start, 0, 0), 0);
    close(ends[0]);
    close(spare);
}
END_TEST

START_TEST(an_abandoned_child_has_run_nothing)
{
    static const char *const argv[] = {"false", NULL};
    struct proc_plan plan = plan_of("/bin/false", argv);
    struct proc proc;
    struct err err;
    ck_assert_int_eq(proc_make(&plan, &proc, &err), 0);
    proc_abandon(&proc);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

static void seen(int number)
{
    (void)number;
}

/* The ends of other children interrupt system calls at every moment. */
START_TEST(signals_in_between_lose_no_child)
{
    static const char *const argv[] = {"false", NULL};
    const struct sigaction interrupting = {.sa_handler = seen};
    const struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    struct proc_plan plan = plan_of("/bin/false", argv);
    struct proc proc;
    struct err err;
    uint64_t start;
    if (geteuid() != 0)
        return; /* namespaces are joined by root only */
    ck_assert_int_eq(proc_start_time(getpid(), &start), 0);
    plan.join = proc_open(getpid(), start);
    plan.joined = CLONE_NEWNET;
    ck_assert_int_eq(sigaction(SIGALRM, &interrupting, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 200; i++) {
        ck_assert_msg(proc_make(&plan, &proc, &err) == 0, "%s", err.text);
        proc_abandon(&proc);
    }
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    close(plan.join);
}
END_TEST

SUITE_MAIN("netns_proc", start_time_tells_processes_apart, a_zombie_has_ended,
           end_kills_what_does_not_listen_and_only_that_process, a_program_that_is_not_there_is_reported,
           the_child_waits_to_be_recorded_and_inherits_nothing, an_abandoned_child_has_run_nothing,
           signals_in_between_lose_no_child)
