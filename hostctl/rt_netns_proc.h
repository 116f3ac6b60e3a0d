/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_proc: processes of a bottle: started in namespaces of their own or inside those of another
 * process, told apart from later processes with the same number, and ended.
 */
#ifndef HOSTCTL_RT_NETNS_PROC_H
#define HOSTCTL_RT_NETNS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct proc_plan {
    unsigned long namespaces; /* CLONE_NEW…: made for this process, which is PID 1 of a new pid namespace */
    int net;                  /* network namespace to live in; -1 = the caller's */
    int join;                 /* pidfd of a process whose namespaces are joined; -1 = none */
    unsigned long joined; /* CLONE_NEW…: which of them. With NEWPID the process' own zombie holds up the end
                             of that namespace until its parent, the caller, has reaped it */
    int (*prepare)(
        void *ctx,
        struct err *err); /* runs in the child, still with all rights: roots and mounts. NULL = none */
    void *ctx;
    uid_t user;            /* uid = gid of the program */
    uint64_t capabilities; /* bits (1 << CAP_X): what remains of the bounding set */
    bool no_new_privs;
    bool dies_with_caller;   /* killed when the calling process ends for whatever reason */
    const char *path;        /* as the child sees it after prepare */
    const char *const *argv; /* NULL-terminated; the environment is PATH alone */
    const int *fds;          /* fds[i] becomes descriptor i, nothing else is inherited; -1 = /dev/null */
    size_t fd_count;         /* at least 3 */
};

struct proc {
    pid_t pid;
    uint64_t start;  /* proc_start_time */
    int go, failure; /* private */
};

/* Makes the process, which then waits for proc_go: between the two the caller records it. It is the caller's
 * child, also with `join`. Returns 0, or -1 with err and no process. */
int proc_make(const struct proc_plan *plan, struct proc *proc, struct err *err);

/* Lets it prepare and execute its program. Returns 0 when the program runs; else -1 with err in the child's
 * words, and the process is gone and reaped. */
int proc_go(struct proc *proc, struct err *err);

/* Instead of proc_go. */
void proc_abandon(struct proc *proc);

/* Field 22 of /proc/PID/stat: clock ticks since boot, proc(5). Returns 0, or -1 when there is no such process
 * or it is a zombie. */
int proc_start_time(pid_t pid, uint64_t *start);

/* A pidfd of exactly this process, or -1 when it has ended. */
int proc_open(pid_t pid, uint64_t start);

/* Sends `signal` first (0 = none), SIGKILL after grace_ms, waits, and reaps an own child. Returns 0 when it
 * is gone or can at least not run any more, -1 when it still could 5 s after SIGKILL. */
int proc_end(pid_t pid, uint64_t start, int signal, unsigned grace_ms);

#endif
