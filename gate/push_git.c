/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_git: see push_git.h. */
#include "gate/push_git.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/spawn.h"

#define ARGUMENTS_MAX 24
#define PIPE_BYTES    (1 << 20)

int push_git_init(struct push_git *git, const char *program, const char *git_dir, const char *quarantine)
{
    *git = (struct push_git){.program = program, .git_dir = git_dir};
    git->quarantine = quarantine != NULL && quarantine[0] != '\0' ? quarantine : NULL;
    if (asprintf(&git->objects, "%s/objects", git_dir) < 0)
        git->objects = NULL;
    return git->objects != NULL ? 0 : -1;
}

void push_git_fini(struct push_git *git)
{
    free(git->objects);
    git->objects = NULL;
}

static int start(const struct push_git *git, enum push_objects_in where, const char *const *argv,
                 const int fds[3], struct push_child *child, struct err *err)
{
    char *dir = NULL, *objects = NULL, *alternates = NULL;
    bool both = where == PUSH_IN_BOTH && git->quarantine != NULL;

    if (asprintf(&dir, "GIT_DIR=%s", git->git_dir) < 0)
        dir = NULL;
    if (asprintf(&objects, "GIT_OBJECT_DIRECTORY=%s",
                 where == PUSH_IN_MIRROR || git->quarantine == NULL ? git->objects : git->quarantine) < 0)
        objects = NULL;
    if (both && asprintf(&alternates, "GIT_ALTERNATE_OBJECT_DIRECTORIES=%s", git->objects) < 0)
        alternates = NULL;
    if (dir == NULL || objects == NULL || (both && alternates == NULL)) {
        err_set(err, "no memory");
    } else {
        const char *const environment[] = {dir,
                                           objects,
                                           "GIT_CONFIG_NOSYSTEM=1",
                                           "GIT_CONFIG_GLOBAL=/dev/null",
                                           "GIT_NO_REPLACE_OBJECTS=1",
                                           "GIT_NO_LAZY_FETCH=1",
                                           "GIT_OPTIONAL_LOCKS=0",
                                           "GIT_TERMINAL_PROMPT=0",
                                           "HOME=/nonexistent",
                                           "LC_ALL=C",
                                           alternates,
                                           NULL};
        struct spawn spawn = {.path = git->program,
                              .argv = argv,
                              .fds = fds,
                              .fd_count = 3,
                              .environment = environment,
                              .with_parent = true};
        child->pid = spawn_start(&spawn, err);
    }
    free(dir);
    free(objects);
    free(alternates);
    return child->pid > 0 ? 0 : -1;
}

int push_git_start(const struct push_git *git, enum push_objects_in where, const char *const *arguments,
                   int in, int out, struct push_child *child, struct err *err)
{
    const char *argv[ARGUMENTS_MAX + 2] = {"git"};
    int ends[2] = {-1, -1};
    size_t count = 0;

    *child = PUSH_NO_CHILD;
    for (; arguments[count] != NULL; count++) {
        if (count == ARGUMENTS_MAX)
            return err_set(err, "git: too many arguments");
        argv[count + 1] = arguments[count];
    }
    argv[count + 1] = NULL;
    if (out < 0 && pipe2(ends, O_CLOEXEC) != 0)
        return err_set_errno(err, "git %s: pipe", arguments[0]);
    if (out < 0)
        (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* fewer turns; it works with less */
    const int fds[3] = {in, out < 0 ? ends[1] : out, -1};
    int status = start(git, where, argv, fds, child, err);
    if (ends[1] >= 0)
        close(ends[1]);
    child->out = ends[0];
    if (status == 0)
        return 0;
    if (child->out >= 0)
        close(child->out);
    *child = PUSH_NO_CHILD;
    return -1;
}

static void close_out(struct push_child *child)
{
    if (child->out >= 0)
        close(child->out);
    child->out = -1;
}

void push_child_stop(struct push_child *child)
{
    close_out(child);
    if (child->pid <= 0)
        return;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
}

int push_child_end(struct push_child *child, int ms)
{
    int status = 0, fd;
    pid_t got;

    close_out(child);
    if (child->pid <= 0)
        return -1;
    fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    bool in_time = fd >= 0 && poll(&ended, 1, ms) == 1;
    if (fd >= 0)
        close(fd);
    if (!in_time) {
        push_child_stop(child);
        return -1;
    }
    do
        got = waitpid(child->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    child->pid = 0;
    return got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

ssize_t push_child_read(const struct push_child *child, char *bytes, size_t size, int ms)
{
    struct pollfd readable = {.fd = child->out, .events = POLLIN};
    ssize_t got;

    if (poll(&readable, 1, ms) != 1)
        return -1;
    do
        got = read(child->out, bytes, size);
    while (got < 0 && errno == EINTR);
    return got;
}

int push_input(const void *bytes, size_t len)
{
    int fd = memfd_create("push-input", MFD_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < len) {
        ssize_t put = write(fd, (const char *)bytes + done, len - done);
        if (put <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)put;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}
