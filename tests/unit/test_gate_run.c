/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/run: how long a git that serves the agent is waited for. The real git reads a connection of the test's; the session around it
 * is the test's own. */
#define _GNU_SOURCE
#include "gate/run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/suite.h"

#define IDLE_MS 1000
#define ENOUGH  60000

/* ---- the session's part */

uint64_t session_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void session_word(struct session *session, struct str line)
{
    (void)session;
    if (write(SESSION_FD_DATABASE, line.ptr, line.len) < 0)
        _exit(3);
}

_Noreturn void session_die(struct session *session, const char *why)
{
    (void)session;
    if (write(SESSION_FD_DATABASE, why, strlen(why)) < 0)
        _exit(3);
    _exit(2);
}

/* ---- */

struct running {
    pid_t pid;
    int sock; /* the agent's end */
    int says; /* what the session says before it ends */
    int parent;
};

/* A connection over loopback: a session asks the kernel how still it is. */
static void connection(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, len), 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(ends[1], 0);
    close(listener);
}

/* A process that is a session whose git reads until the agent says no more. */
static _Noreturn void serve(int sock, int says, int parent, uint64_t deadline_ms, uint32_t limit_ms)
{
    static const char *const argv[] = {"hash-object", "--stdin", NULL};
    const int wanted[] = {
        [SESSION_FD_CLIENT] = sock, [SESSION_FD_PARENT] = parent, [SESSION_FD_DATABASE] = says};
    static struct gate_repo repo;
    struct session session = {
        .repo = &repo, .deadline_ms = deadline_ms, .idle_ms = IDLE_MS, .room = SESSION_FILE_MAX};
    struct run run = {.argv = argv,
                      .in = SESSION_FD_CLIENT,
                      .out = RUN_NOTHING,
                      .limit_ms = limit_ms,
                      .serves = limit_ms == 0};
    int high[SESSION_FDS];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        high[i] = fcntl(wanted[i], F_DUPFD, 64);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (i == SESSION_FD_CLIENT || i == SESSION_FD_PARENT || i == SESSION_FD_DATABASE)
            dup2(high[i], (int)i);
    dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDOUT_FILENO);
    _exit(run_git(&session, &run) == 0 ? 0 : 4);
}

static struct running begin(uint64_t deadline_ms, uint32_t limit_ms)
{
    struct running running;
    int ends[2], words[2], parent[2];

    connection(ends);
    ck_assert_int_eq(pipe2(words, O_CLOEXEC), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, parent), 0);
    running = (struct running){.sock = ends[0], .says = words[0], .parent = parent[0]};
    running.pid = fork();
    ck_assert_int_ge(running.pid, 0);
    if (running.pid == 0)
        serve(ends[1], words[1], parent[1], deadline_ms, limit_ms);
    close(ends[1]);
    close(words[1]);
    close(parent[1]);
    return running;
}

static bool speaks(const struct running *running, int ms)
{
    struct pollfd words = {running->says, POLLIN, 0};

    return poll(&words, 1, ms) == 1;
}

/* It ends with this status, after these words. */
static void ends(struct running *running, int status, const char *words)
{
    char room[256];
    int ended = 0;

    ck_assert(speaks(running, ENOUGH));
    ssize_t got = read(running->says, room, sizeof room - 1);
    room[got > 0 ? got : 0] = '\0';
    ck_assert_str_eq(room, words);
    ck_assert_int_eq(waitpid(running->pid, &ended, 0), running->pid);
    ck_assert_msg(WIFEXITED(ended) && WEXITSTATUS(ended) == status, "status %x", ended);
    close(running->sock);
    close(running->says);
    close(running->parent);
}

START_TEST(a_connection_that_is_still_is_ended)
{
    struct running running = begin(session_now_ms() + ENOUGH, 0);
    uint64_t moved = session_now_ms();

    if (!speaks(&running, IDLE_MS / 2)) {
        moved = session_now_ms();
        ck_assert_int_eq(write(running.sock, "x", 1), 1);
    }
    ck_assert(speaks(&running, ENOUGH));
    ck_assert_uint_ge(session_now_ms() - moved, IDLE_MS); /* what moves puts it off */
    ends(&running, 2, "the connection was idle for too long");
}
END_TEST

START_TEST(a_session_has_its_time)
{
    uint64_t now = session_now_ms();
    struct running running = begin(now + IDLE_MS / 4, 0);

    ck_assert(speaks(&running, ENOUGH));
    ck_assert_uint_ge(session_now_ms() - now, IDLE_MS / 4);
    ends(&running, 2, "it took too long");
}
END_TEST

START_TEST(without_the_gate_there_is_no_session)
{
    struct running running = begin(session_now_ms() + ENOUGH, 0);

    shutdown(running.parent, SHUT_RDWR);
    ends(&running, 2, "the gate has ended");
}
END_TEST

START_TEST(a_git_may_have_a_time_of_its_own)
{
    uint64_t now = session_now_ms();
    struct running running = begin(now + ENOUGH, IDLE_MS / 4);

    ck_assert(speaks(&running, ENOUGH));
    ck_assert_uint_ge(session_now_ms() - now, IDLE_MS / 4);
    ends(&running, 4, "it took too long to answer"); /* and the session goes on */
}
END_TEST

START_TEST(one_whose_client_has_said_all_ends_well)
{
    struct running running = begin(session_now_ms() + ENOUGH, 0);

    ck_assert_int_eq(write(running.sock, "content\n", 8), 8);
    ck_assert_int_eq(shutdown(running.sock, SHUT_WR), 0);
    ends(&running, 0, "");
}
END_TEST

SUITE_MAIN("gate_run", a_connection_that_is_still_is_ended, a_session_has_its_time,
           without_the_gate_there_is_no_session, a_git_may_have_a_time_of_its_own,
           one_whose_client_has_said_all_ends_well)
