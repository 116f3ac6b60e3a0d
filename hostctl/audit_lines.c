/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_lines: see the header. A runtime's log is written to a stdout by a child of ours, into a pipe. */
#include "hostctl/audit_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/audit.h"
#include "hostctl/command.h"

#define POLL_NS   100000000L
#define READ_SIZE 65536u

static void begin(struct audit_lines *lines, int fd, const struct state *follow)
{
    *lines = (struct audit_lines){.fd = fd, .follow = follow};
    buf_init(&lines->in, READ_SIZE + AUDIT_LINE_MAX);
}

int audit_lines_file(struct audit_lines *lines, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    begin(lines, fd, NULL);
    return fd >= 0 ? 0 : err_set_errno(err, "%s", path);
}

static int ask_runtime(struct audit_lines *lines, const struct state *state, const struct runtime *runtime,
                       bool follow, struct err *err)
{
    int ends[2];

    if (pipe(ends) != 0)
        return err_set_errno(err, "pipe");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct err why;
        if (dup2(ends[1], STDOUT_FILENO) < 0 || close(ends[0]) != 0 || close(ends[1]) != 0)
            _exit(EXIT_STOPPER);
        if (runtime->logs(state, follow, &why) == 0)
            _exit(EXIT_OK);
        fprintf(stderr, "hostctl: %s\n", why.text);
        _exit(EXIT_STOPPER);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return err_set_errno(err, "fork");
    }
    begin(lines, ends[0], NULL);
    lines->child = child;
    return 0;
}

int audit_lines_bottle(struct audit_lines *lines, const struct state *state, const struct runtime *runtime,
                       bool follow, struct err *err)
{
    char path[PATH_MAX + sizeof STATE_AUDIT + 1];

    begin(lines, -1, NULL);
    if (runtime->logs != NULL)
        return ask_runtime(lines, state, runtime, follow, err);
    snprintf(path, sizeof path, "%s/" STATE_AUDIT, state->path);
    lines->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    lines->follow = follow ? state : NULL;
    return lines->fd >= 0 ? 0 : err_set_errno(err, "%s", path);
}

/* The length of what can be given now; 0 = more has to be read. */
static size_t whole_line(const struct audit_lines *lines, bool at_end)
{
    struct str in = buf_str(&lines->in);
    const char *lf = in.len > 0 ? memchr(in.ptr, '\n', in.len) : NULL;
    size_t len = lf != NULL ? (size_t)(lf - in.ptr) + 1 : in.len;

    if (len > AUDIT_LINE_MAX)
        return AUDIT_LINE_MAX;
    return lf != NULL || at_end ? len : 0;
}

bool audit_lines_ready(const struct audit_lines *lines)
{
    struct str in = buf_str(&lines->in);

    return in.len > lines->given && memchr(in.ptr + lines->given, '\n', in.len - lines->given) != NULL;
}

/* Returns 1 when there is more, 0 at the end, -1 with err. */
static int read_more(struct audit_lines *lines, struct err *err)
{
    for (;;) {
        /* asked first: what came before the end is shown */
        bool running = lines->follow != NULL && state_owner(lines->follow) != 0;
        char *into = buf_reserve(&lines->in, READ_SIZE);
        if (into == NULL)
            return err_set(err, "out of memory");
        ssize_t got = read(lines->fd, into, READ_SIZE);
        buf_commit(&lines->in, got > 0 ? (size_t)got : 0);
        if (got > 0 || (got < 0 && errno != EINTR) || (got == 0 && !running))
            return got > 0 ? 1 : got == 0 ? 0 : err_set_errno(err, "the audit stream");
        if (got == 0)
            nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

int audit_lines_next(struct audit_lines *lines, struct str *line, struct err *err)
{
    int more = 1;

    buf_consume(&lines->in, lines->given);
    while ((lines->given = whole_line(lines, more == 0)) == 0 && more != 0)
        if ((more = read_more(lines, err)) < 0)
            return -1;
    *line = (struct str){buf_str(&lines->in).ptr, lines->given};
    return lines->given > 0;
}

int audit_lines_live(struct audit_lines *lines, struct err *err)
{
    int flags = fcntl(lines->fd, F_GETFL);

    if (flags < 0 || fcntl(lines->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return err_set_errno(err, "the audit stream");
    lseek(lines->fd, 0, SEEK_END); /* not of a pipe, which begins at the beginning */
    return 0;
}

int audit_lines_try(struct audit_lines *lines, struct str *line, struct err *err)
{
    bool running = lines->follow == NULL || state_owner(lines->follow) != 0;

    buf_consume(&lines->in, lines->given);
    lines->given = 0;
    while ((lines->given = whole_line(lines, false)) == 0) {
        char *into = buf_reserve(&lines->in, READ_SIZE);
        if (into == NULL)
            return err_set(err, "out of memory");
        ssize_t got = read(lines->fd, into, READ_SIZE);
        buf_commit(&lines->in, got > 0 ? (size_t)got : 0);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return err_set_errno(err, "the audit stream");
        if (got < 0 || (got == 0 && lines->follow != NULL && running))
            return 2;
        if (got == 0)
            return 0;
    }
    *line = (struct str){buf_str(&lines->in).ptr, lines->given};
    return 1;
}

void audit_lines_close(struct audit_lines *lines)
{
    buf_fini(&lines->in);
    if (lines->fd >= 0)
        close(lines->fd);
    if (lines->child > 0) {
        kill(lines->child, SIGTERM); /* our child, not reaped yet */
        while (waitpid(lines->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    *lines = (struct audit_lines){.fd = -1};
}
