/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: see the header. It ends with its process group, by one signal, so that nothing that it started outlives it: git's own
 * children are not ours to know. The parent sees the end by the pipe that all of them hold.
 */
#define _GNU_SOURCE
#include "gate/session.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "gate/pkt.h"
#include "gate/push.h"
#include "gate/refresh.h"
#include "gate/request.h"
#include "gate/run.h"
#include "gate/storage.h"
#include "gate/upkeep.h"
#include "sys/channel.h"

#define NO_ROOM "the gate's storage is full (git-gate.storage_mb is %u)"

static _Noreturn void end_group(void)
{
    kill(0, SIGKILL);
    _exit(1);
}

/* The parent is gone. */
static void on_sigterm(int number)
{
    (void)number;
    end_group();
}

uint64_t session_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void session_tell(enum talk type, uint64_t number, struct str text)
{
    if (channel_send(SESSION_FD_PARENT, (enum channel_type)type, number, -1, text) != 0)
        end_group();
}

/* What went over the agent's connection (tcp(7), TCP_INFO). */
static void count_bytes(struct talk_end *end)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(SESSION_FD_CLIENT, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return;
    end->bytes_in = info.tcpi_bytes_acked;
    end->bytes_out = info.tcpi_bytes_received;
}

static void tell_end(enum denial reason, const char *words)
{
    struct talk_end end = {.reason = reason};

    count_bytes(&end);
    snprintf(end.text, sizeof end.text, "%s", words);
    session_tell(TALK_END, 0,
                 (struct str){(const char *)&end, offsetof(struct talk_end, text) + strlen(end.text)});
}

_Noreturn void session_die(struct session *session, const char *why)
{
    (void)session;
    tell_end(DENIAL_GIT_INTERRUPTED, why);
    end_group();
}

void session_word(struct session *session, struct str line)
{
    size_t len = line.len < 512 ? line.len : 512;

    if (session->words_len + len + 2 > sizeof session->words) { /* the last ones say why */
        size_t half = session->words_len / 2;
        session->words_len -= half;
        memmove(session->words, session->words + half, session->words_len);
        if (session->words_len + len + 2 > sizeof session->words)
            return;
    }
    char *to = session->words + session->words_len;
    for (size_t i = 0; i < len; i++)
        to[i] = line.ptr[i] >= ' ' && line.ptr[i] <= '~' ? line.ptr[i] : ' ';
    to[len] = '\n';
    to[len + 1] = '\0';
    session->words_len += len + 1;
}

enum talk session_hear(struct session *session, int wait_ms, uint64_t *number, struct str *text)
{
    static struct channel_msg msg;
    struct pollfd poll_parent = {SESSION_FD_PARENT, POLLIN, 0};
    uint64_t now = session_now_ms(), left = session->deadline_ms > now ? session->deadline_ms - now : 0;

    if (left == 0)
        session_die(session, "it took too long");
    if ((uint64_t)wait_ms < left)
        left = (uint64_t)wait_ms;
    int ready = poll(&poll_parent, 1, (int)left);
    if (ready <= 0)
        return TALK_NOTHING;
    if (channel_recv(SESSION_FD_PARENT, &msg) <= 0)
        end_group();
    if (msg.fd >= 0)
        close(msg.fd);
    *number = msg.generation;
    *text = (struct str){msg.text, msg.text_len};
    return (enum talk)msg.type;
}

/* An answer to what was asked. */
enum talk session_answer(struct session *session, uint64_t *number, struct str *text)
{
    enum talk type;

    do
        type = session_hear(session, SESSION_SECONDS * 1000, number, text);
    while (type == TALK_NOTHING);
    return type;
}

/* ---- beginning */

static int take_gate(struct session *session, struct err *err)
{
    struct str bytes;

    if (channel_map(SESSION_FD_GATE, POLICY_MAX_BYTES, &bytes) != 0)
        return err_set(err, "no policy");
    json_t *json = json_loadb(bytes.ptr, bytes.len, 0, NULL);
    munmap((void *)(uintptr_t)bytes.ptr, bytes.len);
    int status = json != NULL ? gate_read(json, &session->policy, err) : err_set(err, "no policy");
    json_decref(json);
    return status;
}

static int take_task(struct session *session)
{
    struct str text;
    uint64_t number;

    if (session_answer(session, &number, &text) != TALK_TASK || text.len != sizeof session->task)
        return -1;
    memcpy(&session->task, text.ptr, sizeof session->task);
    session->task.name[sizeof session->task.name - 1] = '\0';
    session->repo = gate_find(session->policy.gate, str_of(session->task.name));
    return session->repo != NULL ? 0 : -1;
}

static int take_paths(struct session *session, const char *self)
{
    const char *slash = strrchr(self, '/');
    int folder = slash != NULL ? (int)(slash - self) : -1;

    if (folder < 0)
        return -1;
    int relay = snprintf(session->relay, sizeof session->relay, "%.*s/stopper-gate-relay", folder, self);
    int hooks = snprintf(session->hooks, sizeof session->hooks, "%.*s/gate-hooks", folder, self);
    snprintf(session->git_dir, sizeof session->git_dir, GATE_ROOT "/%s.git", session->repo->name);
    return relay > 0 && (size_t)relay < sizeof session->relay && hooks > 0 &&
                   (size_t)hooks < sizeof session->hooks
               ? 0
               : -1;
}

/* Only what a session starts is in its process group, and only what git needs goes on to it. */
static int settle(void)
{
    static const int own[] = {SESSION_FD_PARENT, SESSION_FD_GATE, SESSION_FD_DATABASE, SESSION_FD_RELAY};
    struct sigaction action = {.sa_handler = on_sigterm};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (fcntl(own[i], F_SETFD, FD_CLOEXEC) != 0)
            return -1;
    if (getpgrp() != getpid() || sigaction(SIGTERM, &action, NULL) != 0 ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    return prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* ---- serving */

static uint64_t room(const struct session *session)
{
    return storage_room(GATE_ROOT, session->policy.gate->storage_mb);
}

/* One line in git's own voice (gitprotocol-pack(5), error-line), and the end. */
static void refuse(const struct session *session, const char *why)
{
    struct buf line;

    buf_init(&line, PKT_MAX);
    if (pkt_add(&line, "ERR git-gate: %s", why) == 0)
        send(SESSION_FD_CLIENT, buf_str(&line).ptr, buf_str(&line).len, MSG_NOSIGNAL);
    buf_fini(&line);
    shutdown(SESSION_FD_CLIENT, SHUT_WR);
    tell_end(room(session) > 0 ? DENIAL_UPSTREAM_UNREACHABLE : DENIAL_GIT_STORAGE, why);
}

/* What it writes has to have room; what it only asks has not. */
static int refresh_in_room(struct session *session, struct err *err)
{
    session->room = room(session);
    int status = refresh(session, err);
    return status == 0 || room(session) > 0 ? status
                                            : err_prefix(err, NO_ROOM, session->policy.gate->storage_mb);
}

/* Asks for the mirror to be as the upstream is. Returns 0, or -1 with err. */
static int refreshed(struct session *session, struct err *err)
{
    struct str text;
    uint64_t number;

    session_tell(TALK_REFRESH, 0, str_of(NULL));
    switch (session_answer(session, &number, &text)) {
    case TALK_LEAD: {
        int status = refresh_in_room(session, err);
        enum talk_mirror mirror = status != 0              ? TALK_MIRROR_FAILED
                                  : upkeep_wanted(session) ? TALK_MIRROR_GROWN
                                                           : TALK_MIRROR_SAME;
        session_tell(TALK_REFRESHED, mirror, str_of(status != 0 ? err->text : NULL));
        return status;
    }
    case TALK_FRESH:
        return number == 0 ? 0 : err_set(err, "%.*s", (int)text.len, text.ptr);
    default:
        return err_set(err, "the gate is out of order");
    }
}

static int serve_fetch(struct session *session)
{
    char timeout[32];
    const char *const argv[] = {"upload-pack", "--strict", timeout, session->git_dir, NULL};
    struct run run = {.argv = argv,
                      .in = SESSION_FD_CLIENT,
                      .out = SESSION_FD_CLIENT,
                      .protocol = session->task.protocol,
                      .serves = true};

    snprintf(timeout, sizeof timeout, "--timeout=%d", SESSION_IDLE_SECONDS);
    return run_git(session, &run);
}

static int serve_push(struct session *session)
{
    const char *const argv[] = {"receive-pack", session->git_dir, NULL};
    struct run run = {.argv = argv,
                      .in = SESSION_FD_CLIENT,
                      .out = SESSION_FD_CLIENT,
                      .serves = true,
                      .keeps = true,
                      .on_hook = push_hook,
                      .ctx = session};

    int status = run_git(session, &run);
    push_over(session);
    return status;
}

/* The last of what git said. */
static void last_word(const struct session *session, int status, char *room, size_t size)
{
    size_t len = session->words_len, from;

    while (len > 0 && session->words[len - 1] == '\n')
        len--;
    for (from = len; from > 0 && session->words[from - 1] != '\n';)
        from--;
    if (len > from)
        snprintf(room, size, "%.*s", (int)(len - from), session->words + from);
    else
        snprintf(room, size, "git ended with status %d", status);
}

/* What no agent asked for. */
static int serve_gate(struct session *session)
{
    struct err err;
    session->room = room(session); /* of what upkeep writes; a refresh looks for itself */
    bool done = (session->task.service == REQUEST_UPKEEP ? upkeep : refreshed)(session, &err) == 0;

    tell_end(done                                      ? DENIAL_NONE
             : session->task.service == REQUEST_UPKEEP ? DENIAL_GIT_INTERRUPTED
                                                       : DENIAL_UPSTREAM_UNREACHABLE,
             done ? "" : err.text);
    return 0;
}

int session_main(const char *self)
{
    static struct session session;
    struct err err;
    char word[256];

    session.deadline_ms = session_now_ms() + SESSION_SECONDS * UINT64_C(1000);
    session.idle_ms = SESSION_IDLE_SECONDS * 1000;
    if (settle() != 0 || take_gate(&session, &err) != 0 || take_task(&session) != 0 ||
        take_paths(&session, self) != 0)
        return 1;
    if (session.task.service != REQUEST_FETCH && session.task.service != REQUEST_PUSH)
        return serve_gate(&session);
    if (refreshed(&session, &err) != 0) {
        refuse(&session, err.text);
        return 0;
    }
    if (session.task.service == REQUEST_PUSH && (session.room = room(&session)) == 0) {
        err_set(&err, NO_ROOM, session.policy.gate->storage_mb);
        refuse(&session, err.text);
        return 0;
    }
    session.words_len = 0;
    int status = session.task.service == REQUEST_PUSH ? serve_push(&session) : serve_fetch(&session);
    shutdown(SESSION_FD_CLIENT, SHUT_WR);
    last_word(&session, status, word, sizeof word);
    if (status == 0 &&
        session.refused[0] != '\0') /* git ends well then, and no ref may have a line of its own */
        tell_end(DENIAL_GIT_REFUSED, session.refused);
    else
        tell_end(status != 0 ? DENIAL_GIT_INTERRUPTED : DENIAL_NONE, status != 0 ? word : "");
    return 0;
}
