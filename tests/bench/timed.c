/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * timed: stands before a program on PATH, runs it with the same words, and writes when it began and ended:
 * "TIMED_LOG" gets "B PID NS WORD…" and "E PID NS", in nanoseconds of CLOCK_MONOTONIC, a line at a time. The program
 * is the first of its name on TIMED_PATH. Nothing but the measured program may take time here: hence no script.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void note(int log, char kind, char *const *words)
{
    char line[2048];
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int len = snprintf(line, sizeof line, "%c %d %lld%09ld", kind, (int)getpid(), (long long)now.tv_sec,
                       now.tv_nsec);
    for (; words && *words && strlen(*words) < sizeof line - 2 - (size_t)len; words++)
        len += snprintf(line + len, sizeof line - (size_t)len, " %s", strpbrk(*words, " \n") ? "…" : *words);
    line[len] = '\n';
    if (write(log, line, (size_t)len + 1) != len + 1)
        perror("timed");
}

int main(int argc, char **argv)
{
    const char *file = getenv("TIMED_LOG"), *path = getenv("TIMED_PATH");
    int log = file ? open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1, status;
    const char *slash = strrchr(argv[0], '/');

    if (log < 0 || !path || argc < 1 || setenv("PATH", path, 1) != 0)
        return 126;
    note(log, 'B', argv + 1);
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == self)
            execvp(slash ? slash + 1 : argv[0], argv);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0)
        ;
    note(log, 'E', NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
