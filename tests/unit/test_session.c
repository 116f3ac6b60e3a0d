/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session: the relay between a user and a command, with the test in both roles: the user at a pty or pipes,
 * the shim at the control socket, the command as a child. */
#include "hostctl/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "hostctl/signals.h"
#include "tests/unit/suite.h"

/* hostctl runs as a child of the test: `user` is the test's side of its stdio, `peer` the shim's and
 * command's side. */
struct rig {
    pid_t hostctl;
    int user_in, user_out, user_err; /* the same descriptor with a terminal */
    int pty;                         /* slave of the command's terminal; -1: pipes */
    int in, out, err, control;       /* the command's side */
};

static void make_pty(int *master, int *slave)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(*master >= 0 && grantpt(*master) == 0 && unlockpt(*master) == 0);
    *slave = open(ptsname(*master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(*slave, 0);
}

static void make_pipe(int *read_end, int *write_end)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    *read_end = ends[0];
    *write_end = ends[1];
}

/* In the child: the relay, and its result as the exit status; 200 and a text on stderr for an error. */
static void run_relay(struct session *session, int in, int out, int err_fd)
{
    struct err err = {""};
    int status = 0;

    if (signals_open(&err) != 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err_fd, 2) < 0)
        _exit(201);
    for (int fd = 3; fd < 1024; fd++)
        if (fd != session->pty && fd != session->in && fd != session->out && fd != session->err &&
            fd != session->control && fd != signals_interrupt_fd() && fd != signals_event_fd() &&
            fcntl(fd, F_GETFD) >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
            close(fd);
    if (session_relay(session, &status, &err) != 0) {
        dprintf(2, "%s", err.text);
        _exit(200);
    }
    _exit(status);
}

static struct rig start(bool terminal, bool control)
{
    struct rig rig = {.pty = -1, .in = -1, .out = -1, .err = -1, .control = -1};
    int in, out, err, sockets[2] = {-1, -1};
    struct session session;

    session_init(&session);
    if (terminal) {
        make_pty(&session.pty, &rig.pty);
        make_pty(&rig.user_in, &in);
        struct winsize size = {.ws_row = 33, .ws_col = 99};
        ck_assert_int_eq(ioctl(rig.user_in, TIOCSWINSZ, &size), 0);
        rig.user_out = rig.user_err = rig.user_in;
        out = err = in;
    } else {
        make_pipe(&in, &rig.user_in);
        make_pipe(&rig.user_out, &out);
        make_pipe(&rig.user_err, &err);
        make_pipe(&rig.in, &session.in);
        make_pipe(&session.out, &rig.out);
        make_pipe(&session.err, &rig.err);
    }
    if (control)
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    session.control = sockets[0];
    rig.control = sockets[1];
    rig.hostctl = fork();
    if (rig.hostctl == 0)
        run_relay(&session, in, out, err);
    session_close(&session);
    if (!terminal) {
        close(in);
        close(out);
        close(err);
    }
    return rig;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until the wanted text has come (at most 5 seconds). */
static void expect(int fd, const char *wanted)
{
    char got[4096] = "";
    size_t len = 0;

    while (strstr(got, wanted) == NULL) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ck_assert_msg(poll(&ready, 1, 5000) == 1, "wanted \"%s\", got \"%s\"", wanted, got);
        ssize_t more = read(fd, got + len, sizeof got - 1 - len);
        ck_assert_msg(more > 0, "wanted \"%s\", got \"%s\" and the end", wanted, got);
        len += (size_t)more;
        got[len] = '\0';
    }
}

static void expect_end(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte;

    ck_assert_int_eq(poll(&ready, 1, 5000), 1);
    ck_assert_int_eq(read(fd, &byte, 1), 0);
}

static int status_of(const struct rig *rig)
{
    int status;

    ck_assert_int_eq(waitpid(rig->hostctl, &status, 0), rig->hostctl);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(pipes_carry_bytes_both_ways_and_their_ends)
{
    struct rig rig = start(false, true);

    say(rig.user_in, "to the command");
    expect(rig.in, "to the command");
    close(rig.user_in);
    expect_end(rig.in);
    say(rig.out, "to the user");
    expect(rig.user_out, "to the user");
    say(rig.err, "words");
    expect(rig.user_err, "words");
    close(rig.out);
    close(rig.err);
    say(rig.control, "{\"exit\":7}\n");
    ck_assert_int_eq(status_of(&rig), 7);
}
END_TEST

START_TEST(the_last_output_is_not_lost_and_a_held_pipe_does_not_hold_us)
{
    struct rig rig = start(false, true);

    say(rig.control, "{\"exit\":0}\n");
    say(rig.out, "last words");
    expect(rig.user_out, "last words");
    ck_assert_int_eq(status_of(&rig), 0); /* rig.out is still open */
}
END_TEST

START_TEST(a_megabyte_arrives_whole_through_a_slow_reader)
{
    enum { total = 1 << 20 };
    struct rig rig = start(false, true);
    pid_t writer = fork();
    char bytes[8192];
    bool right = true;
    size_t got = 0;

    if (writer == 0) {
        for (unsigned i = 0; i < total; i++) {
            bytes[i % sizeof bytes] = (char)(i % 251);
            if (i % sizeof bytes == sizeof bytes - 1 &&
                write(rig.out, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
                _exit(1);
        }
        say(rig.control, "{\"exit\":0}\n");
        _exit(0);
    }
    close(rig.out);
    close(rig.err);
    for (ssize_t more; (more = read(rig.user_out, bytes, 1000)) > 0; got += (size_t)more)
        for (ssize_t i = 0; i < more; i++)
            right = right && (unsigned char)bytes[i] == (got + (size_t)i) % 251;
    ck_assert(right);
    ck_assert_uint_eq(got, total);
    ck_assert_int_eq(status_of(&rig), 0);
    waitpid(writer, NULL, 0);
}
END_TEST

START_TEST(a_killed_command_gives_128_and_its_signal)
{
    struct rig rig = start(false, true);

    say(rig.control, "{\"kil");
    say(rig.control, "led\":9}\n");
    ck_assert_int_eq(status_of(&rig), 137);
}
END_TEST

START_TEST(what_the_shim_never_says_is_an_error)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"{\"exit\":256}\n", "the shim said something that is not understood"},
        {"{\"exit\":-1}\n", "the shim said something that is not understood"},
        {"{\"exit\":\"0\"}\n", "the shim said something that is not understood"},
        {"{\"exit\":0,\"killed\":9}\n", "the shim said something that is not understood"},
        {"{\"killed\":0}\n", "the shim said something that is not understood"},
        {"{\"ok\":false,\"error\":\"refuses\"}\n", "the shim refuses"},
        {"words\n", "the shim said something that is not understood"},
        {"", "the bottle ended without telling how its command ended"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig = start(false, true);
        say(rig.control, cases[i].line);
        if (cases[i].line[0] == '\0')
            close(rig.control);
        expect(rig.user_err, cases[i].error);
        ck_assert_int_eq(status_of(&rig), 200);
    }
}
END_TEST

START_TEST(signals_pass_and_a_second_end_is_final)
{
    struct rig rig = start(false, true);

    say(rig.user_in, "x"); /* the handlers are set when this arrives */
    expect(rig.in, "x");
    kill(rig.hostctl, SIGINT);
    expect(rig.control, "{\"signal\":2}\n");
    kill(rig.hostctl, SIGUSR1);
    expect(rig.control, "{\"signal\":10}\n");
    kill(rig.hostctl, SIGTERM);
    expect(rig.control, "{\"signal\":15}\n");
    kill(rig.hostctl, SIGTERM);
    expect(rig.user_err, "the command was told to end a second time");
    ck_assert_int_eq(status_of(&rig), 200);
}
END_TEST

START_TEST(a_terminal_is_raw_sized_and_given_back)
{
    struct rig rig = start(true, true);
    struct termios during, after, command;

    expect(rig.control, "{\"resize\":[33,99]}\n");
    ck_assert_int_eq(tcgetattr(rig.user_in, &during), 0);
    ck_assert_uint_eq(during.c_lflag & (ICANON | ECHO | ISIG), 0);
    ck_assert_int_eq(tcgetattr(rig.pty, &command), 0);
    command.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    ck_assert_int_eq(tcsetattr(rig.pty, TCSANOW, &command), 0);
    say(rig.user_in, "\x03\x1a");
    expect(rig.pty, "\x03\x1a");
    say(rig.pty, "prompt$ ");
    expect(rig.user_in, "prompt$ ");
    struct winsize size = {.ws_row = 10, .ws_col = 20};
    ck_assert_int_eq(ioctl(rig.user_in, TIOCSWINSZ, &size), 0);
    kill(rig.hostctl, SIGWINCH); /* the kernel's own goes to the foreground group of a controlling terminal */
    expect(rig.control, "{\"resize\":[10,20]}\n");
    kill(rig.hostctl, SIGTERM);
    expect(rig.control, "{\"signal\":15}\n{\"signal\":1}\n");
    say(rig.control, "{\"killed\":1}\n");
    ck_assert_int_eq(status_of(&rig), 129);
    ck_assert_int_eq(tcgetattr(rig.user_in, &after), 0);
    ck_assert_uint_eq(after.c_lflag & (ICANON | ECHO | ISIG), ICANON | ECHO | ISIG);
}
END_TEST

/* Without a control socket the command is a child of hostctl, so the whole of it happens in one more process.
 */
static int relay_child(const char *script, const char *watched, struct err *err)
{
    struct session session;
    int command_err, status = 0;

    ck_assert_int_eq(signals_open(err), 0);
    session_init(&session);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    make_pipe(&session.err, &command_err);
    session.out = open("/dev/null", O_RDONLY);
    session.in = open("/dev/null", O_WRONLY);
    session.child = fork();
    if (session.child == 0) {
        dup2(command_err, 2);
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(99);
    }
    close(command_err);
    if (watched != NULL) {
        session.watched[0].what = "the sidecar";
        session.watched[0].pid = fork();
        session.watched_count = 1;
        if (session.watched[0].pid == 0) {
            execl("/bin/sh", "sh", "-c", watched, (char *)NULL);
            _exit(99);
        }
    }
    int result = session_relay(&session, &status, err);
    for (size_t i = 0; i < session.watched_count; i++)
        kill(session.watched[i].pid, SIGKILL);
    pid_t child = session.child;
    session_close(&session);
    ck_assert(waitpid(child, NULL, WNOHANG) == -1 && errno == ECHILD);
    return result == 0 ? status : -1;
}

START_TEST(a_child_tells_its_end_by_itself)
{
    struct err err = {""};

    ck_assert_int_eq(relay_child("exit 3", NULL, &err), 3);
    ck_assert_int_eq(relay_child("kill -9 $$", NULL, &err), 137);
    ck_assert_int_eq(relay_child("exec sleep 0.2", "sleep 30", &err), 0);
}
END_TEST

START_TEST(a_sidecar_that_ends_ends_the_session)
{
    struct err err = {""};

    ck_assert_int_eq(relay_child("sleep 30", "exit 0", &err), -1);
    ck_assert_str_eq(err.text, "the sidecar ended, and with it the bottle");
}
END_TEST

SUITE_MAIN("session", pipes_carry_bytes_both_ways_and_their_ends,
           the_last_output_is_not_lost_and_a_held_pipe_does_not_hold_us,
           a_megabyte_arrives_whole_through_a_slow_reader, a_killed_command_gives_128_and_its_signal,
           what_the_shim_never_says_is_an_error, signals_pass_and_a_second_end_is_final,
           a_terminal_is_raw_sized_and_given_back, a_child_tells_its_end_by_itself,
           a_sidecar_that_ends_ends_the_session)
