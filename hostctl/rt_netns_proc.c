/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_proc: every process that the netns runtime starts goes through here. The child is made first and
 * waits on a pipe; its maker writes it down and then lets it go; words of a failure come back over a second
 * pipe, which a successful execve(2) closes. The child must never keep a descriptor, a signal setting or a
 * variable of hostctl's own, and a number must never be trusted alone: pids are looked at together with their
 * start time, through a pidfd.
 */
#include "hostctl/rt_netns_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys/signals.h"

#define STAT_FLAGS       9 /* fields of /proc/PID/stat */
#define STAT_START       22
#define FLAG_EXITING     0x4u /* PF_EXITING of linux/sched.h */
#define KILL_WAIT_MS     5000
#define DESCRIPTORS_FROM 64 /* descriptors are parked above this before they get their numbers */

/* The maker writes go and reads failure, the child the other way round. */
struct pipes {
    int go[2], failure[2];
};

static pid_t fork_with(unsigned long flags)
{
    return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

static int descriptors_place(const struct proc_plan *plan, int failure, struct err *err)
{
    int parked[DESCRIPTORS_FROM];
    if (plan->fd_count < 3 || plan->fd_count >= DESCRIPTORS_FROM)
        return err_set(err, "too many descriptors");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null == -1)
        return err_set_errno(err, "/dev/null");
    for (size_t i = 0; i < plan->fd_count; i++) {
        parked[i] = fcntl(plan->fds[i] == -1 ? null : plan->fds[i], F_DUPFD_CLOEXEC, DESCRIPTORS_FROM);
        if (parked[i] == -1)
            return err_set_errno(err, "descriptor %zu", i);
    }
    if (failure < DESCRIPTORS_FROM)
        return err_set(err, "descriptor of the failure pipe");
    if (close_range((unsigned)plan->fd_count, ~0U, CLOSE_RANGE_CLOEXEC) == -1)
        return err_set_errno(err, "close_range");
    for (size_t i = 0; i < plan->fd_count; i++)
        if (dup2(parked[i], (int)i) == -1)
            return err_set_errno(err, "descriptor %zu", i);
    return 0;
}

static int rights_limit(const struct proc_plan *plan, struct err *err)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if ((cap > 63 || !(plan->capabilities >> cap & 1)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
            return err_set_errno(err, "bounding set, capability %d", cap);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
        return err_set_errno(err, "ambient set");
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data) == -1)
        return err_set_errno(err, "capget");
    data[0].inheritable = data[1].inheritable = 0;
    if (syscall(SYS_capset, &head, data) == -1)
        return err_set_errno(err, "inheritable set");
    if (setgroups(0, NULL) == -1 || setresgid(plan->user, plan->user, plan->user) == -1 ||
        setresuid(plan->user, plan->user, plan->user) == -1)
        return err_set_errno(err, "user %u", (unsigned)plan->user);
    if (plan->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return err_set_errno(err, "no_new_privs");
    /* After the last change of user, which would have cleared it: prctl(2). */
    if (plan->dies_with_caller && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
        return err_set_errno(err, "parent death signal");
    return 0;
}

static int child_execute(const struct proc_plan *plan, const struct pipes *pipes, struct err *err)
{
    char byte;
    /* Else this process would hold its own pipes open when its maker dies. */
    close(pipes->go[1]);
    close(pipes->failure[0]);
    if (read(pipes->go[0], &byte, 1) != 1) /* the maker is gone, or has changed its mind */
        _exit(127);
    if (setsid() == -1)
        return err_set_errno(err, "setsid");
    umask(022);
    if (plan->net != -1 && setns(plan->net, CLONE_NEWNET) == -1)
        return err_set_errno(err, "network namespace");
    signals_default();
    if ((plan->prepare && plan->prepare(plan->ctx, err) == -1) ||
        descriptors_place(plan, pipes->failure[1], err) == -1 || rights_limit(plan, err) == -1)
        return -1;
    /* The maker may have died before PDEATHSIG was set; then its end of the pipe is closed. */
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *const environment[] = {path, NULL};
    struct pollfd gone = {.fd = pipes->failure[1]};
    if (poll(&gone, 1, 0) == 1 && (gone.revents & (POLLERR | POLLHUP)))
        _exit(127);
    execve(plan->path, (char *const *)plan->argv, environment);
    return err_set_errno(err, "%s", plan->path);
}

static void __attribute__((noreturn)) child_main(const struct proc_plan *plan, const struct pipes *pipes)
{
    struct err err = {.text = "unknown"};
    child_execute(plan, pipes, &err);
    ssize_t written = write(pipes->failure[1], err.text, strlen(err.text));
    _exit(written == -1 ? 126 : 127);
}

/* Enters the namespaces and makes the real child a sibling, so that it is the caller's: it has to be made
 * after setns(2) for the pid namespace to count. */
static pid_t fork_joined(const struct proc_plan *plan, const struct pipes *pipes, struct err *err)
{
    int number[2];
    if (pipe2(number, O_CLOEXEC) == -1) {
        err_set_errno(err, "pipe");
        return -1;
    }
    pid_t between = fork_with(SIGCHLD);
    if (between == 0) {
        pid_t pid = -1;
        if (setns(plan->join, (int)plan->joined) == 0 && (pid = fork_with(CLONE_PARENT | SIGCHLD)) == 0)
            child_main(plan, pipes);
        int answer = pid == -1 ? -errno : pid;
        _exit(write(number[1], &answer, sizeof answer) == sizeof answer ? 0 : 1);
    }
    close(number[1]);
    int answer = -ECHILD;
    if (between != -1) {
        ssize_t got;
        do /* an end of another child may come in between */
            got = read(number[0], &answer, sizeof answer);
        while (got == -1 && errno == EINTR);
        if (got != sizeof answer)
            answer = -ECHILD;
        while (waitpid(between, NULL, 0) == -1 && errno == EINTR)
            ;
    }
    close(number[0]);
    if (answer > 0)
        return answer;
    errno = between == -1 ? errno : -answer;
    err_set_errno(err, "entering the namespaces");
    return -1;
}

static int pipes_open(struct pipes *pipes, struct err *err)
{
    *pipes = (struct pipes){{-1, -1}, {-1, -1}};
    if (pipe2(pipes->go, O_CLOEXEC) == -1 || pipe2(pipes->failure, O_CLOEXEC) == -1)
        return err_set_errno(err, "pipe");
    int high = fcntl(pipes->failure[1], F_DUPFD_CLOEXEC, 2 * DESCRIPTORS_FROM);
    if (high == -1)
        return err_set_errno(err, "pipe");
    close(pipes->failure[1]);
    pipes->failure[1] = high;
    return 0;
}

int proc_make(const struct proc_plan *plan, struct proc *proc, struct err *err)
{
    struct pipes pipes;
    *proc = (struct proc){.pid = -1, .go = -1, .failure = -1};
    bool ready = pipes_open(&pipes, err) == 0;
    if (ready && plan->join != -1) {
        proc->pid = fork_joined(plan, &pipes, err);
    } else if (ready) {
        proc->pid = fork_with(plan->namespaces | SIGCHLD);
        if (proc->pid == 0)
            child_main(plan, &pipes);
        if (proc->pid == -1)
            err_set_errno(err, "making namespaces");
    }
    if (pipes.go[0] != -1)
        close(pipes.go[0]);
    if (pipes.failure[1] != -1)
        close(pipes.failure[1]);
    proc->go = pipes.go[1];
    proc->failure = pipes.failure[0];
    if (proc->pid != -1 && proc_start_time(proc->pid, &proc->start) == 0)
        return 0;
    if (proc->pid != -1)
        err_set(err, "process %d ended at once", (int)proc->pid);
    proc_abandon(proc);
    return -1;
}

void proc_abandon(struct proc *proc)
{
    if (proc->go != -1)
        close(proc->go);
    if (proc->failure != -1)
        close(proc->failure);
    if (proc->pid > 0) {
        kill(proc->pid, SIGKILL); /* our child, not reaped yet: the number is its own */
        while (waitpid(proc->pid, NULL, 0) == -1 && errno == EINTR)
            ;
    }
    *proc = (struct proc){.pid = -1, .go = -1, .failure = -1};
}

int proc_go(struct proc *proc, struct err *err)
{
    char text[sizeof err->text];
    ssize_t len = -1;
    if (write(proc->go, "", 1) == 1)
        do
            len = read(proc->failure, text, sizeof text - 1);
        while (len == -1 && errno == EINTR);
    if (len == 0) {
        close(proc->go);
        close(proc->failure);
        proc->go = proc->failure = -1;
        return 0;
    }
    if (len > 0) {
        text[len] = '\0';
        err_set(err, "%s", text);
    } else {
        err_set_errno(err, "process %d", (int)proc->pid);
    }
    proc_abandon(proc);
    return -1;
}

/* One number of /proc/PID/stat, by its place there, proc(5). Returns 0, or -1 when there is no such process
 * or it is a zombie. */
static int stat_field(pid_t pid, int wanted, uint64_t *value)
{
    char path[32], text[1024], state;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return -1;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0)
        return -1;
    text[len] = '\0';
    /* The second field is the name in parentheses and may hold anything: count from its end. */
    char *field = strrchr(text, ')');
    if (!field || sscanf(field, ") %c", &state) != 1 || state == 'Z' || state == 'X')
        return -1;
    for (int number = 2; number < wanted; number++) {
        field = strchr(field + 1, ' ');
        if (!field)
            return -1;
    }
    char *end;
    errno = 0;
    *value = strtoull(field + 1, &end, 10);
    return errno == 0 && end != field + 1 ? 0 : -1;
}

int proc_start_time(pid_t pid, uint64_t *start)
{
    return stat_field(pid, STAT_START, start);
}

int proc_open(pid_t pid, uint64_t start)
{
    uint64_t now;
    if (pid <= 1)
        return -1;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd == -1)
        return -1;
    /* Looked at after the descriptor is held: it cannot change under us any more. */
    if (proc_start_time(pid, &now) == 0 && now == start)
        return fd;
    close(fd);
    return -1;
}

static bool ends_within(int pidfd, unsigned ms)
{
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int left = (int)ms;;) {
        struct pollfd wait = {.fd = pidfd, .events = POLLIN};
        int ready = poll(&wait, 1, left);
        if (ready != -1 || errno != EINTR)
            return ready == 1;
        clock_gettime(CLOCK_MONOTONIC, &now);
        long gone = (now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000;
        left = gone >= (long)ms ? 0 : (int)(ms - gone);
    }
}

int proc_end(pid_t pid, uint64_t start, int signal, unsigned grace_ms)
{
    int result = 0;
    int fd = proc_open(pid, start);
    if (fd != -1) {
        if (signal)
            syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
        if (!signal || !ends_within(fd, grace_ms))
            syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        /* PID 1 of a namespace stays until every process there has been reaped, also those of a parent
         * outside that does not do it (a stopped `hostctl exec`). All of them are dead then. */
        uint64_t flags = 0;
        if (!ends_within(fd, KILL_WAIT_MS) && stat_field(pid, STAT_FLAGS, &flags) == 0 &&
            !(flags & FLAG_EXITING))
            result = -1;
        close(fd);
    }
    /* An own child is a zombie until now, so its number cannot have been given away. */
    if (pid > 1)
        waitpid(pid, NULL, WNOHANG);
    return result;
}
