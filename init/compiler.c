/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compiler: see compiler.h. The child's end is seen by its pipe: it is reaped by whoever reaps all (init/supervise.c), and its
 * status says nothing that the seals do not. What it wrote is believed no further: the proxies check it.
 */
#define _GNU_SOURCE
#include "init/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/spawn.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

void compiler_init(struct compiler *compiler, uv_loop_t *loop, const char *executable,
                   void (*done)(void *ctx, int database, const struct err *err), void *ctx)
{
    int directory = (int)(strrchr(executable, '/') - executable);

    *compiler = (struct compiler){.loop = loop, .done = done, .ctx = ctx};
    snprintf(compiler->path, sizeof compiler->path, "%.*s/stopper-dlpc", directory, executable);
    snprintf(compiler->base, sizeof compiler->base, "%.*s/stopper-dlp.db", directory, executable);
}

static bool database_sound(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 && st.st_size > 0 &&
           st.st_size <= COMPILER_MAX;
}

/* Both handles are closed: says how it went. The next may start from inside. */
static void on_closed(uv_handle_t *handle)
{
    struct compiler *compiler = handle->data;
    struct err err;

    if (--compiler->closing > 0)
        return;
    close(compiler->words_fd);
    close(compiler->pidfd);
    compiler->running = false;
    int database = compiler->database;
    if (!compiler->late && database_sound(database)) {
        if (compiler->last_len > 0)
            fprintf(stderr, "stopper-init: stopper-dlpc: %s\n", compiler->last);
        compiler->done(compiler->ctx, database, NULL);
        return;
    }
    close(database);
    err_set(&err, "what is searched for could not be compiled: %s",
            compiler->late           ? "it took too long"
            : compiler->last_len > 0 ? compiler->last
                                     : "stopper-dlpc ended without a word");
    compiler->done(compiler->ctx, -1, &err);
}

static void finish(struct compiler *compiler)
{
    if (compiler->closing > 0)
        return;
    compiler->closing = 2;
    uv_close((uv_handle_t *)&compiler->words, on_closed);
    uv_close((uv_handle_t *)&compiler->timer, on_closed);
}

/* Its last line is kept, printable. */
static void words_add(struct compiler *compiler, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n' && i + 1 < len)
            compiler->last_len = 0;
        else if (bytes[i] != '\n' && compiler->last_len < sizeof compiler->last - 1)
            compiler->last[compiler->last_len++] = bytes[i] >= 0x20 && bytes[i] <= 0x7e ? bytes[i] : '?';
    }
    compiler->last[compiler->last_len] = '\0';
}

static void on_words(uv_poll_t *poll, int status, int events)
{
    struct compiler *compiler = poll->data;
    char bytes[1024];

    (void)events;
    ssize_t len = status < 0 ? 0 : read(compiler->words_fd, bytes, sizeof bytes);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len > 0)
        words_add(compiler, bytes, (size_t)len);
    else
        finish(compiler);
}

static void on_limit(uv_timer_t *timer)
{
    struct compiler *compiler = timer->data;

    compiler->late = true;
    syscall(SYS_pidfd_send_signal, compiler->pidfd, SIGKILL, NULL, 0);
    finish(compiler);
}

/* fds: the child's. Returns 0, or -1 with err. */
static int start(struct compiler *compiler, const int fds[4], struct err *err)
{
    static const char *const argv[] = {"stopper-dlpc", NULL};
    const struct spawn spawn = {
        .path = compiler->path, .argv = argv, .fds = fds, .fd_count = COMPILER_BASE_FD + 1};
    pid_t pid = spawn_start(&spawn, err);

    if (pid < 0)
        return -1;
    /* It is reaped from the loop only: until then the number is its own. */
    compiler->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (compiler->pidfd >= 0)
        return 0;
    err_set_errno(err, "pidfd_open");
    kill(pid, SIGKILL);
    return -1;
}

static void watch(struct compiler *compiler)
{
    fcntl(compiler->words_fd, F_SETFL, O_NONBLOCK);
    uv_poll_init(compiler->loop, &compiler->words, compiler->words_fd);
    uv_timer_init(compiler->loop, &compiler->timer);
    compiler->words.data = compiler->timer.data = compiler;
    uv_poll_start(&compiler->words, UV_READABLE, on_words);
    uv_timer_start(&compiler->timer, on_limit, COMPILER_LIMIT_MS, 0);
}

int compiler_start(struct compiler *compiler, int source, struct err *err)
{
    int words[2] = {-1, -1}, status = -1;
    int fds[COMPILER_BASE_FD + 1] = {source, -1, -1, -1};

    if (compiler->running)
        return err_set(err, "something else is being compiled");
    fds[1] = memfd_create("database", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fds[1] < 0 || pipe2(words, O_CLOEXEC) != 0) {
        err_set_errno(err, "memory for the compiler");
    } else {
        fds[2] = words[1];
        fds[COMPILER_BASE_FD] = open(compiler->base, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        status = start(compiler, fds, err);
        if (fds[COMPILER_BASE_FD] >= 0)
            close(fds[COMPILER_BASE_FD]);
    }
    if (words[1] >= 0)
        close(words[1]);
    if (status != 0) {
        if (fds[1] >= 0)
            close(fds[1]);
        if (words[0] >= 0)
            close(words[0]);
        return err_prefix(err, "stopper-dlpc");
    }
    compiler->running = true;
    compiler->late = false;
    compiler->last_len = 0;
    compiler->closing = 0;
    compiler->words_fd = words[0];
    compiler->database = fds[1];
    watch(compiler);
    return 0;
}
