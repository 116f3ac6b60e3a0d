/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conn: see conn.h. The request line is read by its length and not a byte behind it: what follows is git's. */
#define _GNU_SOURCE
#include "gate/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "gate/pkt.h"
#include "gate/server.h"

#define LINGER_MS 2000

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;

    if (--conn->handles > 0)
        return;
    if (conn->fd >= 0)
        close(conn->fd);
    for (size_t i = 0; i < conn->planned_count; i++)
        free(conn->planned[i].ref);
    free(conn->planned);
    free(conn);
}

void conn_end(struct conn *conn)
{
    struct server *server = conn->server;
    struct audit_sink *audit = server->worker->audit;

    record_conn(conn, DENIAL_GIT_REQUEST, str_of("it ended without a word"));
    for (size_t i = 0; i < conn->planned_count; i++)
        record_lost(conn, &conn->planned[i]);
    if (conn->spare)
        audit_sink_release(audit);
    server->planned -= conn->planned_count;
    *(conn->prev != NULL ? &conn->prev->next : &server->first) = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    if (conn->fd >= 0) {
        server->count--;
        server_accept(server);
        uv_close((uv_handle_t *)&conn->poll, on_closed);
    }
    uv_close((uv_handle_t *)&conn->timer, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
    struct conn *conn = timer->data;

    if (conn->lingers)
        conn_end(conn);
    else
        conn_refuse(conn, DENIAL_GIT_REQUEST, "no request came within %d s", SERVER_REQUEST_SECONDS);
}

/* Reads and forgets, until the client has closed or the timer ends it. */
static void on_rest(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;
    char room[4096];
    ssize_t got = status == 0 ? recv(conn->fd, room, sizeof room, MSG_DONTWAIT) : 0;

    (void)events;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        conn_end(conn);
}

void conn_refuse(struct conn *conn, enum denial reason, const char *format, ...)
{
    char words[TALK_TEXT_MAX];
    struct buf line;
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    record_conn(conn, reason, str_of(words));
    buf_init(&line, PKT_MAX);
    if (pkt_add(&line, "ERR git-gate: %s", words) == 0)
        send(conn->fd, buf_str(&line).ptr, buf_str(&line).len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_fini(&line);
    shutdown(conn->fd, SHUT_WR);
    conn->lingers = true;
    uv_timer_start(&conn->timer, on_timer, LINGER_MS, 0);
    uv_poll_start(&conn->poll, UV_READABLE, on_rest);
}

/* The URL of which the agent's git made this request, as far as its end is known. */
static void refuse_unknown(struct conn *conn, const struct gate_repo *repo)
{
    const struct request *request = &conn->request;

    if (repo == NULL)
        conn_refuse(conn, DENIAL_GIT_REPOSITORY,
                    "%s is no repository of this bottle: the operator would have to add it "
                    "to git-gate.repos",
                    request->name);
    else
        conn_refuse(conn, DENIAL_GIT_REPOSITORY,
                    "%s%.*s is no repository of this bottle: the operator would have to add "
                    "it to git-gate.repos",
                    repo->url, (int)request->rest.len, request->rest.ptr);
}

static void serve(struct conn *conn, struct str line)
{
    const char *wrong = request_parse(line, &conn->request);
    const struct policy *policy = conn->server->worker->policy;
    const struct gate_repo *repo;
    struct err err;

    if (wrong != NULL) {
        conn->request.name[0] = '\0';
        conn_refuse(conn, DENIAL_GIT_REQUEST, "%s", wrong);
        return;
    }
    if (policy == NULL) {
        conn_refuse(conn, DENIAL_NO_POLICY, "no policy is loaded yet");
        return;
    }
    conn->generation = policy->generation;
    if (server_closed(conn->server)) {
        conn_refuse(conn, DENIAL_EGRESS_CLOSED, "the bottle's egress is closed, so nothing leaves it");
        return;
    }
    repo = gate_find(policy->gate, str_of(conn->request.name));
    if (repo == NULL || !conn->request.exact) {
        refuse_unknown(conn, repo);
        return;
    }
    conn->place = host_place(conn->server, repo->name);
    if (conn->place == NULL || conn->place->connections >= SERVER_CONNECTIONS_OF) {
        conn->place = NULL;
        conn_refuse(conn, DENIAL_OVERLOADED, "too many connections to %s at once", repo->name);
        return;
    }
    if (host_start(conn, &err) != 0) {
        conn->place = NULL;
        conn_refuse(conn, DENIAL_OVERLOADED, "%s", err.text);
    }
}

static void on_line(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;
    size_t len = 0, want = PKT_HEAD;

    (void)events;
    if (conn->have >= PKT_HEAD) {
        pkt_head(conn->line, &len);
        want = PKT_HEAD + len;
    }
    ssize_t got = status == 0 ? recv(conn->fd, conn->line + conn->have, want - conn->have, MSG_DONTWAIT) : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        record_conn(conn, DENIAL_GIT_REQUEST, str_of("the client has gone before it had asked"));
        conn_end(conn);
        return;
    }
    conn->have += (size_t)got;
    if (conn->have < want)
        return;
    if (want == PKT_HEAD &&
        (pkt_head(conn->line, &len) != PKT_LINE || len > sizeof conn->line - PKT_HEAD || len == 0)) {
        conn_refuse(conn, DENIAL_GIT_REQUEST, "it does not begin with a line of git's protocol");
        return;
    }
    if (conn->have == PKT_HEAD + len) {
        uv_poll_stop(&conn->poll);
        uv_timer_stop(&conn->timer);
        serve(conn, (struct str){conn->line + PKT_HEAD, len});
    }
}

static void join(struct server *server, struct conn *conn, int fd)
{
    uv_timer_init(&server->worker->loop, &conn->timer);
    conn->server = server;
    conn->fd = fd;
    conn->channel = conn->life = -1;
    conn->handles = fd >= 0 ? 2 : 1;
    conn->poll.data = conn->timer.data = conn;
    conn->start_ns = uv_hrtime();
    conn->line_due = true;
    conn->generation = server->worker->policy != NULL ? server->worker->policy->generation : 0;
    audit_id(conn->id);
    conn->next = server->first;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->first = conn;
}

struct conn *conn_own(struct server *server, struct place *place, enum request_service service)
{
    struct conn *conn = calloc(1, sizeof *conn);

    if (conn == NULL)
        return NULL;
    join(server, conn, -1);
    conn->request.service = service;
    memcpy(conn->request.name, place->name, sizeof conn->request.name);
    conn->place = place;
    return conn;
}

void conn_begin(struct server *server, int fd)
{
    struct conn *conn = calloc(1, sizeof *conn);

    if (conn == NULL || uv_poll_init(&server->worker->loop, &conn->poll, fd) != 0) {
        free(conn);
        close(fd);
        audit_sink_release(server->worker->audit);
        return;
    }
    join(server, conn, fd);
    server->count++;
    uv_timer_start(&conn->timer, on_timer, SERVER_REQUEST_SECONDS * 1000, 0);
    uv_poll_start(&conn->poll, UV_READABLE, on_line);
}
