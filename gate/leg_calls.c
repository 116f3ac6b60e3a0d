/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_calls: a call goes greeting -> (room in the audit) -> waiting -> running -> leaving. It must never touch ssh's stdin and
 * stdout: they belong to git, and ours are closed as soon as ssh has them, so that each end is seen on the other side.
 */
#include "gate/leg_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/leg_request.h"
#include "gate/leg_words.h"

enum call_state { GREETING, ROOM, WAITING, RUNNING, LEAVING };

struct leg_call {
    struct leg_calls *calls;
    struct leg_call *next;
    enum call_state state;
    int sock, fds[LEG_FDS];
    struct leg_request request;
    struct leg_upstream *upstream; /* NULL: not yet, or no more */
    struct leg_wait wait;
    struct leg_child ssh;
    struct leg_stderr words;
    bool reserved, started, silent, has_words, freed;
    int status;
    const char *killed_for; /* NULL: nobody killed it */
    uint64_t begun_us;
    char address[IP_TEXT + 8];
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles;
};

static void call_begin(struct leg_call *call);

/* ---- its end ---- */

static void free_when_done(struct leg_call *call)
{
    if (call->handles == 0 && call->ssh.pid == 0 && !call->has_words)
        free(call);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct leg_call *call = handle->data;

    call->handles--;
    free_when_done(call);
}

static void on_words_closed(struct leg_stderr *words)
{
    struct leg_call *call = (struct leg_call *)((char *)words - offsetof(struct leg_call, words));

    call->has_words = false;
    free_when_done(call);
}

/* The connection is over. What is still there of it (ssh that dies, handles that close) goes by itself. */
static void call_close(struct leg_call *call)
{
    struct leg_calls *calls = call->calls;
    struct leg_call **at = &calls->list;

    if (call->freed)
        return;
    call->freed = true;
    call->state = LEAVING;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    calls->count--;
    calls->sessions -= call->started;
    if (call->reserved)
        audit_sink_release(calls->worker->audit);
    if (call->upstream != NULL) {
        leg_upstream_forget(call->upstream, &call->wait);
        leg_upstream_leave(call->upstream);
    }
    for (size_t i = 0; i < LEG_FDS; i++)
        if (call->fds[i] >= 0)
            close(call->fds[i]);
    leg_child_kill(&call->ssh);
    if (call->has_words)
        leg_stderr_close(&call->words);
    call->handles = 2;
    uv_poll_stop(&call->poll);
    close(call->sock);
    uv_close((uv_handle_t *)&call->poll, on_handle_closed);
    uv_close((uv_handle_t *)&call->timer, on_handle_closed);
}

static void audit(struct leg_call *call, enum denial reason, const char *detail)
{
    struct leg_calls *calls = call->calls;
    const struct leg_upstream *upstream = call->upstream;
    struct audit line = {
        .kind = AUDIT_TCP,
        .verdict = reason == DENIAL_NONE ? AUDIT_ALLOW : AUDIT_BLOCK,
        .reason = reason,
        .rule = call->request.repo,
        .detail = str_of(detail),
        .protocol = "ssh",
        .upstream = call->address[0] != '\0' ? call->address : NULL,
        .duration_us = uv_hrtime() / 1000 - call->begun_us,
        .generation = calls->worker->policy != NULL ? calls->worker->policy->generation : 0,
    };

    if (!call->reserved)
        return;
    if (upstream != NULL) {
        line.host = str_of(upstream->url.host);
        line.port = upstream->url.port;
    }
    audit_id(line.id);
    call->reserved = false;
    audit_sink_emit(calls->worker->audit, &line);
}

/* The last word to the caller. A caller that does not read it has closed, or will. */
static void reply(struct leg_call *call, enum leg_outcome outcome, int status, const char *text)
{
    struct leg_reply answer = {.outcome = (uint32_t)outcome, .status = status};

    snprintf(answer.text, sizeof answer.text, "%s", text);
    (void)!send(call->sock, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL);
    call_close(call);
}

static void refuse(struct leg_call *call, enum leg_outcome outcome, enum denial reason, const char *text)
{
    audit(call, reason, text);
    reply(call, outcome, outcome == LEG_ENDED ? 255 : 0, text);
}

/* ---- ssh ---- */

/* ssh has ended, and all that it said was handed on. */
static void session_over(struct leg_call *call)
{
    static const char *const services[] = {
        [LEG_UPLOAD_PACK] = "git-upload-pack", [LEG_RECEIVE_PACK] = "git-receive-pack"};
    char detail[LEG_TEXT_SIZE + 64], text[LEG_TEXT_SIZE] = "";
    enum denial reason = DENIAL_NONE;

    if (call->freed || call->ssh.pid != 0 || !call->silent)
        return;
    if (call->killed_for != NULL) {
        reason = DENIAL_UPSTREAM_TIMEOUT;
        snprintf(text, sizeof text, "%s", call->killed_for);
    } else if (call->status == 255) { /* ssh itself, or a program of the upstream's that says so */
        struct str words = {call->words.kept, call->words.kept_len};
        reason = leg_words_why(words, &call->upstream->url, LEG_CONNECT_S, text);
    }
    snprintf(detail, sizeof detail, "%s ended with status %d%s%s", services[call->request.service],
             call->status, text[0] != '\0' ? ": " : "", text);
    audit(call, reason, detail);
    reply(call, LEG_ENDED, call->status, text);
}

static void on_silent(struct leg_stderr *words)
{
    struct leg_call *call = (struct leg_call *)((char *)words - offsetof(struct leg_call, words));

    call->silent = true;
    session_over(call);
}

static void on_last_words(uv_timer_t *timer)
{
    struct leg_call *call = timer->data;

    call->silent = true;
    session_over(call);
}

static void on_ssh_ended(struct leg_child *child, int status)
{
    struct leg_call *call = (struct leg_call *)((char *)child - offsetof(struct leg_call, ssh));

    if (call->freed) {
        free_when_done(call);
        return;
    }
    call->status = status;
    uv_timer_start(&call->timer, on_last_words, LEG_LAST_WORDS_MS, 0);
    session_over(call);
}

static void on_session_late(uv_timer_t *timer)
{
    struct leg_call *call = timer->data;

    call->killed_for = "it has taken longer than an hour, and was ended";
    leg_child_kill(&call->ssh);
}

/* Starts ssh on the caller's descriptors. Returns 0, or -1 with err. */
static int session_start(struct leg_call *call, struct err *err)
{
    struct leg_target target;
    struct leg_command command;
    int words =
        leg_stderr_open(&call->words, &call->calls->worker->loop, call->fds[2], on_silent, on_words_closed);

    call->fds[2] = -1; /* taken */
    if (words < 0)
        return err_set_errno(err, "a pipe");
    call->has_words = true;
    leg_upstream_target(call->upstream, &target);
    leg_command_session(&command, &target, (enum leg_service)call->request.service, call->request.protocol);
    ip_format(&target.address, call->address);
    snprintf(call->address + strlen(call->address), 8, ":%u", target.url->port);
    const int fds[3] = {call->fds[0], call->fds[1], words};
    int status = leg_child_start(&call->ssh, &command, fds, err);
    close(words);
    for (size_t i = 0; i < 2; i++) {
        close(call->fds[i]);
        call->fds[i] = -1;
    }
    return status;
}

static void on_upstream(struct leg_wait *wait, enum leg_outcome outcome, enum denial reason, const char *text)
{
    struct leg_call *call = (struct leg_call *)((char *)wait - offsetof(struct leg_call, wait));
    struct err err;

    if (reason != DENIAL_NONE) {
        refuse(call, outcome, reason, text);
        return;
    }
    if (session_start(call, &err) < 0) {
        refuse(call, LEG_FAILED, DENIAL_OVERLOADED, "the sidecar could not start ssh");
        return;
    }
    call->state = RUNNING;
    uv_timer_start(&call->timer, on_session_late, LEG_SESSION_MS, 0);
}

/* ---- a request ---- */

/* A good request, once there is room to tell of it. */
static void call_begin(struct leg_call *call)
{
    struct leg_calls *calls = call->calls;

    if (!call->reserved && !audit_sink_reserve(calls->worker->audit)) {
        call->state = ROOM;
        return;
    }
    call->reserved = true;
    call->state = WAITING;
    call->upstream = leg_upstreams_find(&calls->upstreams, call->request.repo);
    if (call->upstream == NULL) {
        refuse(call, LEG_UNKNOWN, calls->worker->policy == NULL ? DENIAL_NO_POLICY : DENIAL_HOST_NOT_ALLOWED,
               "the policy has no repository of this name");
        return;
    }
    leg_upstream_use(call->upstream);
    if (call->upstream->key.mapped == NULL) {
        refuse(call, LEG_NO_KEY, DENIAL_GATE_KEY, "the sidecar has no key for this repository");
        return;
    }
    if (calls->sessions >= LEG_SESSIONS_MAX) {
        refuse(call, LEG_BUSY, DENIAL_OVERLOADED, "too many connections to repositories are open");
        return;
    }
    call->started = true;
    calls->sessions++;
    call->wait.done = on_upstream;
    leg_upstream_want(call->upstream, &call->wait);
}

/* Whatever comes behind the request is the end. */
static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct leg_call *call = poll->data;

    (void)events;
    if (status < 0 || call->state != GREETING) {
        audit(call, DENIAL_NONE, "the caller has gone");
        call_close(call);
        return;
    }
    switch (leg_request_read(call->sock, &call->request, call->fds)) {
    case LEG_REQUEST_AGAIN:
        return;
    case LEG_REQUEST_GONE:
        call_close(call);
        return;
    case LEG_REQUEST_BAD:
        reply(call, LEG_BAD, 0, "not a request of this version");
        return;
    case LEG_REQUEST_GOOD:
        break;
    }
    call->begun_us = uv_hrtime() / 1000;
    uv_timer_stop(&call->timer);
    call_begin(call);
}

static void on_request_late(uv_timer_t *timer)
{
    call_close(timer->data);
}

static bool is_caller(const struct leg_calls *calls, int sock)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == calls->caller;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct leg_calls *calls = poll->data;
    int fd;

    (void)status;
    (void)events;
    uv_fileno((uv_handle_t *)poll, &fd);
    int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct leg_call *call = sock >= 0 && is_caller(calls, sock) ? calloc(1, sizeof *call) : NULL;
    if (call == NULL || uv_poll_init(&calls->worker->loop, &call->poll, sock) != 0) {
        free(call);
        if (sock >= 0)
            close(sock);
        return;
    }
    uv_timer_init(&calls->worker->loop, &call->timer);
    call->calls = calls;
    call->sock = sock;
    call->fds[0] = call->fds[1] = call->fds[2] = -1;
    call->poll.data = call->timer.data = call;
    call->ssh.ended = on_ssh_ended;
    call->next = calls->list;
    calls->list = call;
    calls->count++;
    uv_poll_start(&call->poll, UV_READABLE, on_socket);
    uv_timer_start(&call->timer, on_request_late, LEG_REQUEST_MS, 0);
    if (calls->count > LEG_CALLS_MAX)
        reply(call, LEG_BUSY, 0, "too many connections to repositories are open");
}

/* ---- what changes around them ---- */

/* The policy has the repository no more. Who waits for it is told by it. */
static void on_upstream_ended(struct leg_upstream *upstream)
{
    struct leg_calls *calls =
        (struct leg_calls *)((char *)upstream->all - offsetof(struct leg_calls, upstreams));

    for (struct leg_call *call = calls->list, *next; call != NULL; call = next) {
        next = call->next;
        if (call->upstream == upstream && call->state == RUNNING) {
            refuse(call, LEG_ENDED, DENIAL_HOST_NOT_ALLOWED, "the policy has this repository no more");
            continue;
        }
    }
}

void leg_calls_room(struct leg_calls *calls)
{
    for (struct leg_call *call = calls->list, *next; call != NULL; call = next) {
        next = call->next;
        if (call->state == ROOM)
            call_begin(call);
    }
}

int leg_calls_listen(struct leg_calls *calls, struct worker *worker, int fd, uid_t caller, struct err *err)
{
    *calls = (struct leg_calls){.worker = worker, .caller = caller};
    if (leg_child_watch(&worker->loop) != 0 || uv_poll_init(&worker->loop, &calls->listener, fd) != 0)
        return err_set(err, "out of memory or descriptors");
    calls->listener.data = calls;
    uv_poll_start(&calls->listener, UV_READABLE, on_listener);
    return leg_upstreams_init(&calls->upstreams, &worker->loop, on_upstream_ended, err);
}

void leg_calls_end(struct leg_calls *calls)
{
    while (calls->list != NULL) {
        audit(calls->list, DENIAL_NONE, "the sidecar ends");
        call_close(calls->list);
    }
    leg_upstreams_end(&calls->upstreams);
}
