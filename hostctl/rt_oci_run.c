/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci_run: see the header. What the engine says is bounded and read while it is fed, so that neither side
 * waits for the other. A child must never inherit a descriptor of ours that it was not given: all are
 * close-on-exec.
 *
 * An engine's program that is killed leaves what nobody finds any more (podman, in the middle of starting a
 * container: its monitor and a process that its own books do not know). So one that makes or removes something
 * is out of reach of the terminal's signals, has time to end by itself, and is waited for by whoever cleans up
 * after us (run_guard).
 */
#include "hostctl/rt_oci_run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX      1024
#define RUN_MS       120000 /* of silence; a pull may take long, but it says so */
#define FINISH_MS    2000   /* for a program whose work is not wanted any more, to end by itself */
#define TERMINATE_MS 8000   /* after SIGTERM */

static char guard[PATH_MAX]; /* "": none */

/* ---- words ---- */

static void words_take(struct words *words, char *word)
{
    char **grown = word != NULL ? realloc(words->list, (words->count + 2) * sizeof *grown) : NULL;

    if (grown == NULL) {
        free(word);
        words->failed = true;
        return;
    }
    words->list = grown;
    words->list[words->count++] = word;
    words->list[words->count] = NULL;
}

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *made = malloc(size);

    return made != NULL ? memcpy(made, text, size) : NULL;
}

void words_add(struct words *words, const char *word)
{
    words_take(words, copy(word));
}

void words_addf(struct words *words, const char *format, ...)
{
    va_list list, again;

    va_start(list, format);
    va_copy(again, list);
    int len = vsnprintf(NULL, 0, format, list);
    char *word = len >= 0 ? malloc((size_t)len + 1) : NULL;
    if (word != NULL)
        vsnprintf(word, (size_t)len + 1, format, again);
    va_end(again);
    va_end(list);
    words_take(words, word);
}

void words_list(struct words *words, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++)
        words_add(words, *list);
}

char *const *words_argv(const struct words *words, struct err *err)
{
    if (!words->failed && words->count > 0)
        return words->list;
    err_set(err, "out of memory");
    return NULL;
}

void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
    *words = (struct words){NULL, 0, false};
}

/* ---- starting ---- */

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int pipe_private(int ends[2], struct err *err)
{
    if (pipe(ends) != 0)
        return err_set_errno(err, "pipe");
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) != 0)
            return err_set_errno(err, "pipe");
    return 0;
}

void run_guard(const char *path)
{
    snprintf(guard, sizeof guard, "%s", path);
}

/* A record lock stays with the process when it becomes another program, and goes with it, whoever else has
 * the descriptor by then: fcntl(2). */
static void hold_guard(void)
{
    const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = guard[0] != '\0' ? open(guard, O_RDWR | O_CREAT | O_NOFOLLOW, 0600) : -1;

    if (fd >= 0) /* without it the program is not waited for, which is no reason not to run it */
        fcntl(fd, F_SETLK, &lock);
}

/* Between fork and exec. Does not return: the number of what failed goes into `told`. */
static void become(char *const *argv, const int fds[3], const sigset_t *mask, bool guarded, int told)
{
    int own[3], error;

    for (int i = 0; i < 3; i++) {
        int fd = fds[i] >= 0 ? fds[i] : open("/dev/null", i == 0 ? O_RDONLY : O_WRONLY);
        own[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    }
    for (int i = 0; i < 3; i++)
        dup2(own[i], i);
    signal(SIGPIPE, SIG_DFL);
    if (guarded) {
        setpgid(0, 0);
        hold_guard();
    }
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    error = errno;
    if (write(told, &error, sizeof error) < 0)
        error = EIO;
    _exit(127);
}

/* Returns 0, or what went wrong, exec's errors too. */
static int spawn(char *const *argv, const int fds[3], const sigset_t *mask, bool guarded, pid_t *pid)
{
    struct err ignored;
    int told[2], error = 0;

    if (pipe_private(told, &ignored) != 0)
        return errno;
    *pid = fork();
    if (*pid == 0)
        become(argv, fds, mask, guarded, told[1]);
    int failed = *pid < 0 ? errno : 0;
    close(told[1]);
    while (failed == 0 && read(told[0], &error, sizeof error) < 0 && errno == EINTR)
        ;
    close(told[0]);
    if (error != 0) {
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
            ;
        *pid = -1;
    }
    return failed != 0 ? failed : error;
}

static pid_t start(const struct words *words, const int fds[3], bool guarded, struct err *err)
{
    char *const *argv = words_argv(words, err);
    sigset_t none;
    pid_t pid;

    if (argv == NULL)
        return -1;
    sigemptyset(&none);
    errno = spawn(argv, fds, &none, guarded, &pid);
    return errno == 0 ? pid : err_set_errno(err, "%s", argv[0]);
}

pid_t run_start(const struct words *words, const int fds[3], struct err *err)
{
    return start(words, fds, false, err);
}

/* ---- to the end ---- */

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct exchange {
    int in, out, words; /* our ends; -1 closed */
    struct run *run;
    struct buf said;
    long long until; /* now_ms; 0 = without a limit */
};

static void feed(struct exchange *x)
{
    ssize_t put = x->run->in.len > 0 ? write(x->in, x->run->in.ptr, x->run->in.len) : 0;

    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (put > 0) {
        x->run->in.ptr += put;
        x->run->in.len -= (size_t)put;
    }
    if (put < 0 || x->run->in.len == 0)
        shut(&x->in);
}

static int take(struct exchange *x, int *fd, struct err *err)
{
    char bytes[4096];
    ssize_t got = read(*fd, bytes, sizeof bytes);

    if (got < 0 && errno == EINTR)
        return 0;
    if (got <= 0) {
        shut(fd);
        return 0;
    }
    if (fd == &x->words) { /* the end of it says why */
        if (x->said.len + (size_t)got > x->said.cap)
            buf_consume(&x->said, x->said.len);
        buf_append(&x->said, bytes, (size_t)got);
        return 0;
    }
    if (x->run->out != NULL && buf_append(x->run->out, bytes, (size_t)got) != 0)
        return err_set(err, "it said too much");
    return 0;
}

static int turn(struct exchange *x, struct err *err)
{
    struct pollfd wait[] = {{.fd = x->in, .events = POLLOUT},
                            {.fd = x->out, .events = POLLIN},
                            {.fd = x->words, .events = POLLIN},
                            {.fd = x->run->interrupt, .events = POLLIN}};
    long long left = x->until > 0 ? x->until - now_ms() : RUN_MS;
    int ready = left > 0 ? poll(wait, 4, left < RUN_MS ? (int)left : RUN_MS) : 0;

    if (ready < 0 && errno == EINTR)
        return 0;
    if (ready <= 0 && x->until > 0)
        return err_set(err, "it took longer than %u seconds", x->run->limit_ms / 1000);
    if (ready <= 0)
        return err_set(err, "no word from it for %d seconds", RUN_MS / 1000);
    if (wait[3].revents & POLLIN)
        return err_set(err, "interrupted");
    if (wait[0].revents)
        feed(x);
    if (wait[1].revents && take(x, &x->out, err) != 0)
        return -1;
    return wait[2].revents ? take(x, &x->words, err) : 0;
}

/* Whether it has closed its output by then; what it says is not wanted. */
static bool closed_within(struct exchange *x, int ms)
{
    struct err ignored;

    for (long long until = now_ms() + ms; x->out >= 0 || x->words >= 0;) {
        struct pollfd wait[] = {{.fd = x->out, .events = POLLIN}, {.fd = x->words, .events = POLLIN}};
        long long left = until - now_ms();
        if (left <= 0)
            return false;
        if (poll(wait, 2, (int)left) <= 0)
            continue;
        if (wait[0].revents)
            take(x, &x->out, &ignored);
        if (wait[1].revents)
            take(x, &x->words, &ignored);
    }
    return true;
}

static void wind_up(struct exchange *x, pid_t pid)
{
    x->run->out = NULL;
    shut(&x->in);
    if (closed_within(x, FINISH_MS))
        return;
    kill(-pid, SIGTERM); /* its group */
    if (!closed_within(x, TERMINATE_MS))
        kill(-pid, SIGKILL);
}

/* The first line that begins so, to its end; false: there is none. */
static bool line_that_says(struct str *text, const char *mark)
{
    size_t len = strlen(mark);

    for (struct str rest = *text; rest.len >= len;) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t line = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        if (line >= len && memcmp(rest.ptr, mark, len) == 0) {
            *text = (struct str){rest.ptr, line};
            return true;
        }
        rest.ptr += end != NULL ? line + 1 : line;
        rest.len -= end != NULL ? line + 1 : line;
    }
    return false;
}

void run_last_words(struct str text, char line[RUN_SAID])
{
    static const char daemon[] = "docker: Error response from daemon: ";
    /* Further lines follow: docker's hints, how container is used, and what curl says of certificates. */
    const char *const marks[] = {daemon, daemon + 8, "Error: ", "curl: ("};
    size_t at = 0;

    while (text.len > 0 && (unsigned char)text.ptr[text.len - 1] <= ' ')
        text.len--;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (line_that_says(&text, marks[i])) {
            size_t skip = marks[i] == daemon ? 8 : 0;
            text.ptr += skip;
            text.len -= skip;
            break;
        }
    while (text.len > 0 && (unsigned char)text.ptr[text.len - 1] <= ' ')
        text.len--;
    for (at = text.len; at > 0 && text.ptr[at - 1] != '\n';)
        at--;
    snprintf(line, RUN_SAID, "%.*s", (int)(text.len - at), text.len > 0 ? text.ptr + at : "");
}

static int status_of(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_words(const struct words *words, struct run *run, struct err *err)
{
    struct exchange x = {-1, -1, -1, run, {0}, 0};
    int fds[3] = {-1, -1, -1}, ends[2], *const ours[] = {&x.in, &x.out, &x.words};
    int result = 0;
    pid_t pid = -1;

    run->said[0] = '\0';
    buf_init(&x.said, 8192);
    for (int i = 0; i < 3 && result == 0; i++) {
        result = pipe_private(ends, err);
        if (result == 0) {
            *ours[i] = ends[i == 0];
            fds[i] = ends[i != 0];
        }
    }
    if (result == 0)
        pid = start(words, fds, true, err);
    for (int i = 0; i < 3; i++)
        shut(&fds[i]);
    if (pid > 0) {
        x.until = run->limit_ms > 0 ? now_ms() + run->limit_ms : 0;
        fcntl(x.in, F_SETFL, O_NONBLOCK);
        while (result == 0 && (x.out >= 0 || x.words >= 0))
            result = turn(&x, err);
        if (result != 0)
            wind_up(&x, pid);
        int status = status_of(pid);
        result = result == 0 ? status : -1;
    }
    for (int i = 0; i < 3; i++)
        shut(ours[i]);
    run_last_words(buf_str(&x.said), run->said);
    buf_fini(&x.said);
    if (pid > 0 && result == -1)
        err_prefix(err, "%s %s", words->list[0], words->count > 1 ? words->list[1] : "");
    return pid > 0 ? result : -1;
}

int run_must(const struct words *words, struct run *run, struct err *err)
{
    int status = run_words(words, run, err);

    if (status <= 0)
        return status;
    return err_set(err, "%s %s: %s", words->list[0], words->count > 1 ? words->list[1] : "",
                   run->said[0] != '\0' ? run->said : "it failed and did not say why");
}

/* ---- attended ---- */

static void pass_signal(const struct words *passer, int number)
{
    const int nowhere[3] = {-1, -1, -1};
    char text[16], **argv = calloc(passer->count + 1, sizeof *argv);
    sigset_t none;
    pid_t pid;

    snprintf(text, sizeof text, "%d", number);
    for (size_t i = 0; argv != NULL && i < passer->count; i++)
        argv[i] = strcmp(passer->list[i], RUN_NUMBER) == 0 ? text : passer->list[i];
    sigemptyset(&none);
    if (argv != NULL)
        spawn(argv, nowhere, &none, false, &pid);
    free(argv);
}

/* In a process of its own: it takes signals one after the other, and nothing else happens in it. */
static int attend(const struct words *words, const struct words *passer, const int fds[3],
                  const sigset_t *all)
{
    sigset_t none;
    pid_t pid, other;
    int number;

    sigemptyset(&none);
    if (spawn(words->list, fds, &none, false, &pid) != 0)
        return 125;
    for (;;) {
        if (sigwait(all, &number) != 0)
            continue;
        if (number == SIGCHLD) {
            int status;
            while ((other = waitpid(-1, &status, WNOHANG)) > 0)
                if (other == pid)
                    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        } else if (number != SIGWINCH && number != SIGCONT) {
            pass_signal(passer, number);
        }
    }
}

static const int attended[] = {SIGCHLD, SIGINT,  SIGQUIT,  SIGTERM, SIGHUP,
                               SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

pid_t run_attended(const struct words *words, const struct words *passer, const int fds[3],
                   const char *terminal, struct err *err)
{
    sigset_t all, old;
    int own[3];

    if (words_argv(words, err) == NULL || words_argv(passer, err) == NULL)
        return -1;
    sigemptyset(&all);
    for (size_t i = 0; i < sizeof attended / sizeof attended[0]; i++)
        sigaddset(&all, attended[i]);
    sigprocmask(SIG_BLOCK, &all, &old); /* from before the fork: none is lost */
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < sizeof attended / sizeof attended[0]; i++)
            signal(attended[i], SIG_DFL);
        setsid();
        for (int i = 0; i < 3; i++)
            own[i] = fcntl(terminal != NULL ? open(terminal, O_RDWR) : fds[i], F_DUPFD, 10);
        for (int i = 0; i < 3; i++)
            dup2(own[i], i);
        /* The other ends of our pipes are among the rest: nobody may wait for an end on our account. */
        for (int fd = 3; fd < FDS_MAX; fd++)
            close(fd);
#ifdef TIOCSCTTY
        if (terminal != NULL)
            ioctl(0, TIOCSCTTY, 0);
#endif
        const int standard[3] = {0, 1, 2};
        _exit(attend(words, passer, standard, &all));
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return pid > 0 ? pid : err_set_errno(err, "fork");
}
