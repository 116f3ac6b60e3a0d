/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run: see the header. One poll loop: the child's end, its two outputs, the relay's calls, the legs that are open, and the
 * parent, whose end is this session's. What a child says is taken in bounded lines; what it does not read it is not owed.
 */
#define _GNU_SOURCE
#include "gate/run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/acks.h"
#include "gate/child.h"

#define LEGS  2  /* ssh that one git may have at a time */
#define CALLS 16 /* of ssh, in the life of one git */
#define LAST_MS                                                                                              \
    1000 /* for the leg's words on an ssh whose git has ended: git may see the end of ssh's output before they come */
#define TICK_MS  5000 /* how often is looked whether the agent's connection moves */
#define ACKS_MAX 1000 /* that are hurried: of a talk, not of all that a long transfer is made of */

enum { PARENT, CHILD, OUTPUT, WORDS, RELAY, CLIENT, FIRST_LEG, PLACES = FIRST_LEG + LEGS };

struct lines {
    char room[RUN_LINE_MAX];
    size_t len;
};

struct leg {
    int sock; /* -1 = none */
    struct relay_call call;
};

struct running {
    struct session *session;
    const struct run *run;
    struct pollfd polls[PLACES];
    struct lines output, words;
    struct leg legs[LEGS];
    pid_t pid;
    unsigned calls, acks;
    uint64_t end_ms; /* by its own limit; 0 = none */
    bool dead;       /* it was killed, because of what it wrote */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void give_line(struct running *r, size_t place, struct str line)
{
    const struct run *run = r->run;

    if (place == OUTPUT) {
        if (!r->dead && run->on_line(run->ctx, line) != 0) {
            kill(r->pid, SIGKILL);
            r->dead = true;
        }
    } else if (run->on_word != NULL) {
        run->on_word(run->ctx, line);
    } else {
        session_word(r->session, line);
    }
}

/* Gives out the whole lines that are held. A line that is longer than the room is given in pieces. */
static void split(struct running *r, size_t place, struct lines *lines, bool end)
{
    size_t at = 0;

    for (size_t i = 0; i < lines->len; i++) {
        if (lines->room[i] != '\n' && lines->room[i] != '\r')
            continue;
        if (i > at || lines->room[i] == '\n')
            give_line(r, place, (struct str){lines->room + at, i - at});
        at = i + 1;
    }
    if (lines->len > at && (end || (at == 0 && lines->len == sizeof lines->room))) {
        give_line(r, place, (struct str){lines->room + at, lines->len - at});
        at = lines->len;
    }
    lines->len -= at;
    memmove(lines->room, lines->room + at, lines->len);
}

/* Reads what is there, once or (`all`) until nothing is. */
static void drain(struct running *r, size_t place, struct lines *lines, bool all)
{
    int *fd = &r->polls[place].fd;

    while (*fd >= 0) {
        ssize_t got = read(*fd, lines->room + lines->len, sizeof lines->room - lines->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got > 0) {
            lines->len += (size_t)got;
            split(r, place, lines, false);
        } else if (got == 0 || errno != EAGAIN) {
            close_fd(fd);
        }
        if (!all || got < 0)
            break;
    }
    if (all)
        split(r, place, lines, true);
}

/* ---- ssh, led over the leg */

static int leg_open(const struct session *session, const struct run *run, const int *fds)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LEG_SOCKET};
    struct leg_request request = {
        .version = LEG_VERSION, .service = run->service, .protocol = run->service == LEG_UPLOAD_PACK ? 2 : 0};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * LEG_FDS)];
    } control = {0};
    struct iovec part = {&request, sizeof request};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = sizeof control.room};
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (sock < 0)
        return -1;
    snprintf(request.repo, sizeof request.repo, "%s", session->repo->name);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * LEG_FDS);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * LEG_FDS);
    if (connect(sock, (struct sockaddr *)&address, sizeof address) != 0 ||
        sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)sizeof request) {
        int error = errno;
        close(sock);
        errno = error;
        return -1;
    }
    return sock;
}

static void say(struct running *r, const char *text)
{
    give_line(r, WORDS, str_of(text));
}

/* The relay keeps only the end that it waits on: whoever reads what ssh writes has to see when ssh has gone. */
static void leg_start(struct running *r, struct relay_call *call)
{
    struct leg *leg = NULL;

    for (size_t i = 0; i < LEGS; i++)
        if (r->legs[i].sock < 0)
            leg = &r->legs[i];
    if (r->run->service == 0 || leg == NULL || ++r->calls > CALLS) {
        say(r, "no connection to the upstream is made for this");
        relay_answer(call, RELAY_FAILED);
        return;
    }
    leg->sock = leg_open(r->session, r->run, call->fds);
    if (leg->sock < 0) {
        say(r, "the part of the gate that speaks ssh cannot be reached");
        relay_answer(call, RELAY_FAILED);
        return;
    }
    for (size_t i = 0; i < LEG_FDS; i++)
        close_fd(&call->fds[i]);
    leg->call = *call;
    r->polls[FIRST_LEG + (leg - r->legs)] = (struct pollfd){leg->sock, POLLIN, 0};
}

static void leg_end(struct running *r, size_t i)
{
    struct leg_reply reply;
    struct leg *leg = &r->legs[i];
    ssize_t got = recv(leg->sock, &reply, sizeof reply, 0);
    uint8_t status = RELAY_FAILED;

    if (got != (ssize_t)sizeof reply) {
        say(r, "the part of the gate that speaks ssh has ended");
        reply = (struct leg_reply){.outcome = LEG_FAILED};
    }
    if (reply.outcome == LEG_ENDED && reply.status >= 0 && reply.status < RELAY_FAILED)
        status = (uint8_t)reply.status;
    reply.text[sizeof reply.text - 1] = '\0';
    if (reply.text[0] != '\0')
        say(r, reply.text);

    relay_answer(&leg->call, status);
    close_fd(&leg->sock);
    r->polls[FIRST_LEG + i].fd = -1;
}

static void take_call(struct running *r)
{
    struct relay_call call; /* not static: a hook's answer runs git in turn */
    int got = relay_receive(r->polls[RELAY].fd, &call);

    if (got < 0)
        return;
    if (got == 0)
        close_fd(&r->polls[RELAY].fd);
    else if (call.kind == RELAY_IS_SSH)
        leg_start(r, &call);
    else if (r->run->on_hook != NULL)
        r->run->on_hook(r->run->ctx, &call);
    else
        relay_answer(&call, RELAY_FAILED);
}

/* ---- the loop */

/* Whether the agent's connection has been still for too long: nothing came, and nothing was taken. */
static bool idle(uint32_t limit)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(SESSION_FD_CLIENT, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false; /* no TCP: a test's */
    return info.tcpi_last_data_recv > limit && info.tcpi_last_data_sent > limit;
}

static void step(struct running *r)
{
    struct session *session = r->session;
    uint64_t now = session_now_ms(), left = session->deadline_ms > now ? session->deadline_ms - now : 0;
    bool late = r->end_ms != 0 && !r->dead && now >= r->end_ms;
    uint64_t tick = session->idle_ms < TICK_MS ? session->idle_ms : TICK_MS;

    if (left == 0)
        session_die(session, "it took too long");
    if (r->run->serves && idle(session->idle_ms))
        session_die(session, "the connection was idle for too long");
    if (late) {
        kill(r->pid, SIGKILL);
        r->dead = true;
        say(r, "it took too long to answer");
    } else if (r->end_ms != 0 && !r->dead && r->end_ms - now < tick) {
        tick = r->end_ms - now;
    }
    int ready = poll(r->polls, PLACES, (int)(left < tick ? left : tick));
    if (ready < 0 && errno != EINTR)
        session_die(session, "poll failed");
    if (ready <= 0)
        return;
    if (r->polls[PARENT].revents & (POLLHUP | POLLERR))
        session_die(session, "the gate has ended");
    if (r->polls[OUTPUT].revents)
        drain(r, OUTPUT, &r->output, false);
    if (r->polls[WORDS].revents)
        drain(r, WORDS, &r->words, false);
    if (r->polls[CLIENT].revents) {
        acks_now(r->polls[CLIENT].fd, SESSION_FD_CLIENT);
        if (++r->acks == ACKS_MAX)
            close_fd(&r->polls[CLIENT].fd);
    }
    if (r->polls[RELAY].revents)
        take_call(r);
    for (size_t i = 0; i < LEGS; i++)
        if (r->legs[i].sock >= 0 && r->polls[FIRST_LEG + i].revents)
            leg_end(r, i);
}

static int pipe_made(int *ours, int *theirs)
{
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) != 0)
        return -1;
    *ours = pair[0];
    *theirs = pair[1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

/* Returns 0 with the child running; -1 with a word. */
static int start(struct running *r)
{
    const struct run *run = r->run;
    struct child child = {
        .argv = run->argv, .fds = {run->in, run->out, -1}, .relay = -1, .protocol = run->protocol};
    bool bounded = run->keeps || run->service == LEG_UPLOAD_PACK;
    struct err err;
    int null = STDOUT_FILENO, relay[2], output = -1; /* a session's 1 is /dev/null */

    child.file_max = bounded && r->session->room < SESSION_FILE_MAX ? r->session->room : SESSION_FILE_MAX;
    child.fds[0] = run->in == RUN_NOTHING ? null : run->in;
    child.fds[1] = run->out == RUN_NOTHING ? null : run->out;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, relay) != 0) {
        session_word(r->session, str_of("git: socketpair"));
        return -1;
    }
    r->polls[RELAY].fd = relay[0];
    child.relay = relay[1];
    int status = pipe_made(&r->polls[WORDS].fd, &child.fds[2]);
    if (status == 0 && run->on_line != NULL) {
        status = pipe_made(&r->polls[OUTPUT].fd, &output);
        child.fds[1] = output;
    }
    r->pid = status == 0 ? child_start(r->session, &child, &err) : err_set_errno(&err, "git: pipe");
    close_fd(&child.relay);
    close_fd(&child.fds[2]);
    close_fd(&output);
    if (r->pid > 0)
        r->polls[CHILD].fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    if (r->pid > 0 && r->polls[CHILD].fd >= 0)
        return 0;
    if (r->pid > 0)
        session_die(r->session, "pidfd_open failed");
    session_word(r->session, str_of(err.text));
    return -1;
}

int run_git(struct session *session, const struct run *run)
{
    struct running r = {.session = session, .run = run};
    int status = 0;

    for (size_t i = 0; i < PLACES; i++)
        r.polls[i] = (struct pollfd){-1, POLLIN, 0};
    for (size_t i = 0; i < LEGS; i++)
        r.legs[i].sock = -1;
    r.polls[PARENT] = (struct pollfd){SESSION_FD_PARENT, 0, 0};
    if (run->serves)
        r.polls[CLIENT].fd = acks_watch(SESSION_FD_CLIENT);
    if (run->limit_ms != 0)
        r.end_ms = session_now_ms() + run->limit_ms;
    bool runs = start(&r) == 0;
    while (runs && !(r.polls[CHILD].revents & POLLIN))
        step(&r);
    if (runs) {
        while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
            ;
        drain(&r, OUTPUT, &r.output, true);
        drain(&r, WORDS, &r.words, true);
    }
    for (size_t i = 0; i < LEGS; i++) {
        struct pollfd last = {r.legs[i].sock, POLLIN, 0};
        if (last.fd >= 0 && !r.dead && poll(&last, 1, LAST_MS) > 0)
            leg_end(&r, i);
        else if (last.fd >= 0)
            relay_answer(&r.legs[i].call, RELAY_FAILED);
        close_fd(&r.legs[i].sock);
    }
    close_fd(&r.polls[CHILD].fd);
    close_fd(&r.polls[OUTPUT].fd);
    close_fd(&r.polls[WORDS].fd);
    close_fd(&r.polls[RELAY].fd);
    close_fd(&r.polls[CLIENT].fd);
    if (!runs || r.dead) /* what it said was not taken: its own status, if it was faster, says nothing */
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
