/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server: see server.h. The room of a line is reserved before a connection is accepted. A new policy ends the sessions of
 * repositories that it does not have, and all of them when nothing may leave; a push does not go on when the policy says
 * something else of its repository than when it began.
 */
#define _GNU_SOURCE
#include "gate/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gate/chores.h"
#include "gate/conn.h"
#include "gate/handover.h"
#include "gate/sweep.h"
#include "sys/channel.h"

#define LOCK_TRIES      200 /* times LOCK_WAIT_MS, that an earlier life is waited for */
#define LOCK_WAIT_MS    50
#define CANARY_AGAIN_MS 20

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct server *server = poll->data;
    struct audit_sink *audit = server->worker->audit;

    (void)status;
    (void)events;
    if (server->count >= SERVER_CONNECTIONS || !audit_sink_reserve(audit)) {
        uv_poll_stop(poll);
        server->accepts = false;
        return;
    }
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        conn_begin(server, fd);
    else
        audit_sink_release(audit);
}

void server_accept(struct server *server)
{
    if (server->accepts)
        return;
    server->accepts = true;
    uv_poll_start(&server->accepting, UV_READABLE, on_acceptable);
}

static void on_audit_room(void *ctx)
{
    struct server *server = ctx;

    for (struct conn *conn = server->first; conn != NULL; conn = conn->next)
        host_room(conn);
    server_accept(server);
    chores_later(server);
}

bool server_closed(const struct server *server)
{
    return server->canary[0] != '\0' || (server->worker->policy != NULL && server->worker->policy->closed);
}

static void end_sessions(struct server *server)
{
    for (struct conn *conn = server->first; conn != NULL; conn = conn->next)
        host_kill(conn);
}

/* init has to hear of it, also when its channel is full just now. */
static void on_canary(uv_timer_t *timer)
{
    struct server *server = timer->data;

    if (channel_send(WORKER_FD_CHANNEL, CHANNEL_CANARY, server->worker->policy->generation, -1,
                     str_of(server->canary)) != 0)
        uv_timer_start(timer, on_canary, CANARY_AGAIN_MS, 0);
    else
        end_sessions(server);
}

void server_canary(struct server *server, const char *id)
{
    if (!server->worker->policy->canary_stop || server_closed(server))
        return;
    snprintf(server->canary, sizeof server->canary, "%s", id);
    uv_timer_start(&server->canary_timer, on_canary, 0, 0);
}

static void on_verdict(void *ctx, uint64_t number, struct str text)
{
    question_verdict(ctx, number, text);
}

/* No policy with repositories without what its pushes are searched for. */
static int on_offer(void *ctx, struct policy *policy, struct err *err)
{
    const struct server *server = ctx;

    if (policy->gate != NULL &&
        (server->next_database_fd < 0 || server->database_generation != policy->generation))
        return err_set(err, "what the policy searches for did not arrive");
    return 0;
}

/* What was under way has its line, and ends. */
static void on_stop(void *ctx)
{
    struct server *server = ctx;

    for (struct conn *conn = server->first; conn != NULL; conn = conn->next) {
        host_kill(conn);
        record_conn(conn, DENIAL_GIT_INTERRUPTED, str_of("the gate was ended"));
        for (size_t i = 0; i < conn->planned_count; i++)
            record_lost(conn, &conn->planned[i]);
    }
}

static int on_database(void *ctx, uint64_t generation, int fd, struct err *err)
{
    struct server *server = ctx;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0)
        return err_set_errno(err, "the search");
    if (server->next_database_fd >= 0)
        close(server->next_database_fd);
    server->next_database_fd = copy;
    server->database_generation = generation;
    return 0;
}

static void swap(int *fd, int with)
{
    if (*fd >= 0)
        close(*fd);
    *fd = with;
}

static void on_policy(void *ctx, struct policy *old)
{
    struct server *server = ctx;
    const struct policy *policy = server->worker->policy;

    swap(&server->gate_fd, policy->gate != NULL ? handover_memfd(policy->gate) : -1);
    if (server->next_database_fd >= 0 && server->database_generation == policy->generation) {
        swap(&server->database_fd, server->next_database_fd);
        server->next_database_fd = -1;
    }
    if (policy->closed) { /* that of the egress that was closed; a later one opens it again */
        server->canary[0] = '\0';
        uv_timer_stop(&server->canary_timer);
    }
    for (struct conn *conn = server->first; conn != NULL; conn = conn->next) {
        if (conn->pid == 0)
            continue;
        struct str name = str_of(conn->place->name);
        conn->stale |= !handover_same(old->gate, policy->gate, name);
        if (policy->closed || gate_find(policy->gate, name) == NULL)
            host_kill(conn);
    }
    chores_policy(server, old);
}

struct server *server_new(struct worker *worker, int listener, const char *self, struct err *err)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL || uv_poll_init(&worker->loop, &server->accepting, listener) != 0) {
        free(server);
        err_set(err, "out of memory");
        return NULL;
    }
    server->worker = worker;
    server->self = self;
    server->listener = listener;
    server->lock = server->gate_fd = server->database_fd = server->next_database_fd = -1;
    server->accepting.data = server;
    uv_timer_init(&worker->loop, &server->canary_timer);
    server->canary_timer.data = server;
    chores_init(server);
    worker->ctx = server;
    worker->on_policy = on_policy;
    worker->on_database = on_database;
    worker->on_offer = on_offer;
    worker->on_stop = on_stop;
    worker->on_verdict = on_verdict;
    worker->on_audit_room = on_audit_room;
    return server;
}

/* An earlier life's children may still be ending: its lock is theirs too. */
static int lock_take(struct server *server, struct err *err)
{
    server->lock = open(GATE_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (server->lock < 0)
        return err_set_errno(err, GATE_LOCK);
    for (int i = 0; flock(server->lock, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES)
            return err_set_errno(err, GATE_LOCK);
        poll(NULL, 0, LOCK_WAIT_MS);
    }
    return 0;
}

int server_ready(struct server *server, struct err *err)
{
    if (lock_take(server, err) != 0)
        return -1;
    if (sweep_all(GATE_ROOT) < 0)
        return err_set_errno(err, "sweeping " GATE_ROOT);
    server_accept(server);
    return 0;
}
