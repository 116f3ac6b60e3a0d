/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: see session.h. One loop of select(2) (macOS has no poll for terminals) over up to three flows of
 * bytes, the shim's control socket and our signals. It must never lose the user's terminal in raw mode, never
 * block on one flow while another could go on, and never believe an end that the shim or the kernel did not
 * tell.
 */
#include "hostctl/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "core/str.h"
#include "hostctl/signals.h"
#include "hostctl/terminal.h"

#define GRACE_MS       10000 /* for a command that was told to end */
#define DRAIN_MS       300 /* of silence behind a command's end, while something of its still holds the pipes */
#define LINE_MAX_BYTES 4096
#ifndef PIPE_BUF
#define PIPE_BUF 512 /* POSIX's least: what a descriptor that is ready takes without blocking */
#endif

struct flow {
    int *from, *to; /* -1 when closed */
    bool own_input; /* from is the user's stdin: not ours to close */
    char bytes[16384];
    size_t at, len;
};

struct relay {
    struct session *session;
    struct err *err;
    struct flow flows[3];
    int user_in, user_out, user_err;
    char line[LINE_MAX_BYTES]; /* of the control socket, unfinished */
    size_t line_len;
    bool done;   /* status is known */
    bool broken; /* err is set */
    int status;
    long long grace;   /* monotonic milliseconds; 0 = nobody asked for an end */
    long long drained; /* when to stop waiting for more output; 0 = not yet done */
};

void session_init(struct session *session)
{
    *session = (struct session){.pty = -1, .in = -1, .out = -1, .err = -1, .control = -1};
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void session_close(struct session *session)
{
    shut(&session->pty);
    shut(&session->in);
    shut(&session->out);
    shut(&session->err);
    shut(&session->control);
    if (session->child > 0) { /* unreaped, it would keep the bottle's PID 1 from ending */
        kill(session->child, SIGKILL);
        while (waitpid(session->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    session->child = 0;
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void finish(struct relay *relay, int status)
{
    if (relay->done)
        return;
    relay->done = true;
    relay->status = status;
    relay->drained = now_ms() + DRAIN_MS;
}

static void break_off(struct relay *relay, const char *subject, const char *what)
{
    if (relay->done || relay->broken)
        return;
    relay->broken = true;
    err_set(relay->err, "%s %s", subject, what);
}

/* --- the shim's lines
 * --------------------------------------------------------------------------------------------- */

static void take_line(struct relay *relay, const char *line, size_t len)
{
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *ended = json_object_get(object, "exit"), *killed = json_object_get(object, "killed");
    const char *error = json_string_value(json_object_get(object, "error"));
    json_int_t value = json_integer_value(ended != NULL ? ended : killed);

    if (json_object_size(object) == 1 && json_is_integer(ended) && value >= 0 && value <= 255)
        finish(relay, (int)value);
    else if (json_object_size(object) == 1 && json_is_integer(killed) && value >= 1 && value <= 127)
        finish(relay, 128 + (int)value);
    else
        break_off(relay, "the shim", error != NULL ? error : "said something that is not understood");
    json_decref(object);
}

static void read_control(struct relay *relay)
{
    int *fd = &relay->session->control;
    ssize_t got = read(*fd, relay->line + relay->line_len, sizeof relay->line - relay->line_len);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        shut(fd);
        break_off(relay, "the bottle", "ended without telling how its command ended");
        return;
    }
    relay->line_len += (size_t)got;
    for (char *lf; (lf = memchr(relay->line, '\n', relay->line_len)) != NULL;) {
        size_t used = (size_t)(lf - relay->line) + 1;
        take_line(relay, relay->line, used - 1);
        memmove(relay->line, relay->line + used, relay->line_len - used);
        relay->line_len -= used;
    }
    if (relay->line_len == sizeof relay->line)
        break_off(relay, "the shim", "sent a line without end");
}

/* A line to the shim; lost when it is not there any more, which its socket's end will tell. */
static void tell(const struct relay *relay, const char *line, int len)
{
    if (relay->session->control >= 0 && write(relay->session->control, line, (size_t)len) < 0)
        return;
}

/* --- signals and children
 * ------------------------------------------------------------------------------------------ */

static void pass_signal(const struct relay *relay, int number)
{
    char line[64];

    if (relay->done)
        return;
    if (relay->session->control >= 0)
        tell(relay, line, snprintf(line, sizeof line, "{\"signal\":%d}\n", number));
    else if (relay->session->child > 0)
        kill(relay->session->child, number);
}

static void pass_size(const struct relay *relay)
{
    unsigned rows, columns;
    char line[64];

    terminal_size(&rows, &columns);
    if (relay->session->pty < 0 || rows == 0 || columns == 0)
        return;
    if (relay->session->control >= 0)
        tell(relay, line, snprintf(line, sizeof line, "{\"resize\":[%u,%u]}\n", rows, columns));
    else
        terminal_set_size(relay->session->pty, rows, columns);
}

static void interrupted(struct relay *relay, int number)
{
    bool end = number == SIGTERM || number == SIGHUP;

    pass_signal(relay, number);
    if (!end)
        return;
    if (relay->grace != 0)
        break_off(relay, "the command", "was told to end a second time");
    relay->grace = now_ms() + GRACE_MS;
    if (number == SIGTERM && relay->session->pty >= 0)
        pass_signal(relay, SIGHUP); /* its terminal goes away; an interactive shell ends by no other signal */
}

/* Whether our child has ended; it stays to be reaped. */
static bool has_ended(pid_t pid, siginfo_t *info)
{
    info->si_pid = 0;
    return waitid(P_PID, (id_t)pid, info, WEXITED | WNOHANG | WNOWAIT) != 0 || info->si_pid == pid;
}

static void look_at_children(struct relay *relay)
{
    const struct session *session = relay->session;
    siginfo_t info;

    if (session->child > 0 && has_ended(session->child, &info)) {
        if (info.si_pid == session->child)
            finish(relay, info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
        else
            break_off(relay, "the command's process", "is lost");
    }
    /* A bottle that ends in order may lose its sidecar first: what the shim said before counts. */
    for (size_t i = 0; i < session->watched_count; i++)
        if (has_ended(session->watched[i].pid, &info) && !relay->done)
            break_off(relay, session->watched[i].what, "ended, and with it the bottle");
}

static void take_signals(struct relay *relay)
{
    for (int number; (number = signals_take(signals_interrupt_fd())) != 0;)
        interrupted(relay, number);
    for (int number; (number = signals_take(signals_event_fd())) != 0;)
        if (number == SIGWINCH)
            pass_size(relay);
        else if (number != SIGCHLD)
            pass_signal(relay, number);
}

/* --- bytes
 * ---------------------------------------------------------------------------------------------------------
 */

static void close_from(struct flow *flow)
{
    if (flow->own_input)
        *flow->from = -1;
    else
        shut(flow->from);
}

/* The end of the user's input is the end of the command's, unless it has a terminal. */
static void close_to(const struct relay *relay, struct flow *flow)
{
    if (flow->own_input && flow->to == &relay->session->in)
        shut(flow->to);
}

static void read_flow(const struct relay *relay, struct flow *flow)
{
    ssize_t got = read(*flow->from, flow->bytes, sizeof flow->bytes);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) { /* a pty whose other end is closed says EIO on Linux, nothing elsewhere */
        close_from(flow);
        close_to(relay, flow);
        return;
    }
    flow->at = 0;
    flow->len = (size_t)got;
}

static void write_flow(struct flow *flow)
{
    size_t most = flow->own_input ? flow->len : PIPE_BUF; /* the user's own descriptors block */
    ssize_t put = write(*flow->to, flow->bytes + flow->at, flow->len < most ? flow->len : most);

    if (put < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (put < 0) { /* nobody reads: so does the command learn it */
        flow->len = 0;
        close_from(flow);
        if (flow->own_input)
            shut(flow->to);
        return;
    }
    flow->at += (size_t)put;
    flow->len -= (size_t)put;
}

static void watch(int fd, fd_set *set, int *highest)
{
    FD_SET(fd, set);
    if (fd > *highest)
        *highest = fd;
}

/* Until when select may wait: milliseconds, or -1. */
static long long patience(const struct relay *relay)
{
    long long until = relay->done ? relay->drained : relay->grace, left = until - now_ms();

    return until == 0 ? -1 : left > 0 ? left : 0;
}

static bool has_output(const struct relay *relay)
{
    for (size_t i = 1; i < 3; i++)
        if (relay->flows[i].len > 0)
            return true;
    return false;
}

static bool output_open(const struct relay *relay)
{
    return (relay->flows[1].from != NULL && *relay->flows[1].from >= 0) ||
           (relay->flows[2].from != NULL && *relay->flows[2].from >= 0);
}

/* One round: waits, then moves what can be moved. */
static void turn(struct relay *relay)
{
    int highest = -1, control = relay->session->control;
    fd_set readable, writable;

    FD_ZERO(&readable);
    FD_ZERO(&writable);
    watch(signals_interrupt_fd(), &readable, &highest);
    watch(signals_event_fd(), &readable, &highest);
    if (control >= 0)
        watch(control, &readable, &highest);
    for (size_t i = 0; i < 3; i++) {
        const struct flow *flow = &relay->flows[i];
        if (flow->from == NULL || *flow->to < 0)
            continue;
        if (flow->len > 0)
            watch(*flow->to, &writable, &highest);
        else if (*flow->from >= 0)
            watch(*flow->from, &readable, &highest);
    }
    long long left = patience(relay);
    struct timespec wait = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    int ready = pselect(highest + 1, &readable, &writable, NULL, left >= 0 ? &wait : NULL, NULL);
    take_signals(relay);
    if (ready <= 0)
        return;
    if (control >= 0 && FD_ISSET(control, &readable))
        read_control(relay);
    for (size_t i = 0; i < 3; i++) {
        struct flow *flow = &relay->flows[i];
        if (flow->from == NULL || *flow->to < 0)
            continue;
        if (flow->len > 0 && FD_ISSET(*flow->to, &writable))
            write_flow(flow);
        else if (flow->len == 0 && *flow->from >= 0 && FD_ISSET(*flow->from, &readable)) {
            read_flow(relay, flow);
            if (relay->done && i > 0)
                relay->drained = now_ms() + DRAIN_MS;
        }
    }
}

/* Ours do not block, and select can watch them. */
static int prepare(const struct session *session, struct err *err)
{
    const int fds[] = {session->pty, session->in, session->out, session->err, session->control};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= FD_SETSIZE)
            return err_set(err, "too many open files");
        int flags = fds[i] >= 0 ? fcntl(fds[i], F_GETFL) : 0;
        if (fds[i] >= 0 && (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) != 0))
            return err_set_errno(err, "session");
    }
    return 0;
}

static void connect_flows(struct relay *relay)
{
    struct session *session = relay->session;
    bool terminal = session->pty >= 0;

    relay->user_in = STDIN_FILENO;
    relay->user_out = STDOUT_FILENO;
    relay->user_err = STDERR_FILENO;
    relay->flows[0] = (struct flow){
        .from = &relay->user_in, .to = terminal ? &session->pty : &session->in, .own_input = true};
    relay->flows[1] = (struct flow){.from = terminal ? &session->pty : &session->out, .to = &relay->user_out};
    if (!terminal)
        relay->flows[2] = (struct flow){.from = &session->err, .to = &relay->user_err};
}

int session_relay(struct session *session, int *status, struct err *err)
{
    static struct relay relay;

    relay = (struct relay){.session = session, .err = err};
    if (prepare(session, err) != 0 || (session->pty >= 0 && terminal_raw(err) != 0))
        return -1;
    connect_flows(&relay);
    pass_size(&relay);
    while (!relay.broken &&
           !(relay.done && !has_output(&relay) && (!output_open(&relay) || now_ms() >= relay.drained))) {
        turn(&relay);
        look_at_children(&relay);
        if (relay.grace != 0 && now_ms() >= relay.grace)
            break_off(&relay, "the command", "did not end within 10 seconds");
    }
    terminal_restore();
    *status = relay.status;
    return relay.broken ? -1 : 0;
}
