/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host: the server's side of a session: its start, what it says, its end. It is over when nobody holds the pipe any more that
 * all of its processes have: only then is its repository swept, and another may take its place.
 */
#define _GNU_SOURCE
#include "gate/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/chores.h"
#include "gate/handover.h"
#include "gate/session.h"
#include "gate/sweep.h"
#include "sys/channel.h"
#include "sys/spawn.h"

struct place *host_place(struct server *server, const char *name)
{
    struct place *place = server->places;

    while (place != NULL && strcmp(place->name, name) != 0)
        place = place->next;
    if (place == NULL && (place = calloc(1, sizeof *place)) != NULL) {
        snprintf(place->name, sizeof place->name, "%s", name);
        place->next = server->places;
        server->places = place;
    }
    return place;
}

static struct conn *conn_of(struct turn *turn)
{
    return (struct conn *)((char *)turn - offsetof(struct conn, turn));
}

void host_say(struct conn *conn, enum talk type, uint64_t number, struct str text)
{
    if (conn->channel >= 0 && channel_send(conn->channel, (enum channel_type)type, number, -1, text) != 0)
        host_kill(conn); /* it does not read: it never has more than one answer to wait for */
}

void host_kill(struct conn *conn)
{
    if (conn->pid > 0)
        kill(-conn->pid, SIGKILL);
}

/* ---- what it says */

static void lead(struct turn *leader)
{
    if (leader != NULL)
        host_say(conn_of(leader), TALK_LEAD, 0, str_of(NULL));
}

/* Who asks does not wait for upkeep. */
static void on_refresh(struct conn *conn)
{
    struct turns *turns = &conn->place->turns;

    if (conn->turn.state != TURN_NONE)
        return;
    if (turns_ask(turns, &conn->turn))
        host_say(conn, TALK_LEAD, 0, str_of(NULL));
    else if (conn_of(turns->leader)->request.service == REQUEST_UPKEEP)
        host_kill(conn_of(turns->leader));
}

static void on_refreshed(struct conn *conn, uint64_t mirror, struct str why)
{
    struct turn *leader, *next, *each;

    if (conn->turn.state != TURN_LEADS)
        return;
    if (mirror != TALK_MIRROR_FAILED && !conn->stale)
        conn->place->due = false;
    conn->place->grown |= mirror == TALK_MIRROR_GROWN;
    each = turns_done(&conn->place->turns, &leader);
    for (; each != NULL; each = next) {
        next = each->next;
        host_say(conn_of(each), TALK_FRESH, mirror == TALK_MIRROR_FAILED, why);
    }
    lead(leader);
}

/* Its line's room is the spare one. */
static void on_plan(struct conn *conn, uint64_t number, struct str text)
{
    struct server *server = conn->server;
    struct planned *planned;
    size_t head = offsetof(struct talk_plan, ref);
    struct talk_plan plan;

    if (number != conn->planned_count || text.len <= head || text.len > sizeof plan - 1 ||
        conn->planned_count == TALK_REFS_MAX) {
        host_kill(conn);
        return;
    }
    if (server->planned >= CONN_PLANNED_MAX || conn->crowded) {
        conn->crowded = true;
        return;
    }
    memset(&plan, 0, sizeof plan);
    memcpy(&plan, text.ptr, text.len);
    plan.old_id[TALK_ID - 1] = plan.new_id[TALK_ID - 1] = '\0';
    if (conn->planned_count % 64 == 0) {
        planned = realloc(conn->planned, (conn->planned_count + 64) * sizeof *planned);
        if (planned != NULL)
            conn->planned = planned;
    } else {
        planned = conn->planned;
    }
    char *ref = strdup(plan.ref);
    if (planned == NULL || ref == NULL) {
        free(ref);
        conn->crowded = true;
        return;
    }
    planned = &conn->planned[conn->planned_count++];
    *planned = (struct planned){.ref = ref};
    audit_id(planned->id);
    memcpy(planned->old_id, plan.old_id, sizeof planned->old_id);
    memcpy(planned->new_id, plan.new_id, sizeof planned->new_id);
    conn->spare = false;
    server->planned++;
}

/* Whether they may go on is asked at the last moment: by the policy that is in force then. */
static void on_planned(struct conn *conn)
{
    if (conn->crowded)
        host_say(conn, TALK_STOP, 0, str_of("too many refs are being pushed at once; try again later"));
    else if (server_closed(conn->server)) /* init may not have heard of the canary yet */
        host_say(conn, TALK_STOP, 0, str_of("the bottle's egress is closed, so nothing leaves it"));
    else if (conn->stale)
        host_say(conn, TALK_STOP, 0, str_of("the bottle's policy has changed meanwhile; push again"));
    else
        host_say(conn, TALK_GO, 0, str_of(NULL));
}

static void on_ref(struct conn *conn, uint64_t number, struct str text)
{
    struct talk_ref ref;

    memset(&ref, 0, sizeof ref);
    if (number >= conn->planned_count || text.len < offsetof(struct talk_ref, text) || text.len >= sizeof ref)
        return;
    memcpy(&ref, text.ptr, text.len);
    record_ref(conn, &conn->planned[number], &ref);
}

static void on_end(struct conn *conn, struct str text)
{
    if (text.len < offsetof(struct talk_end, text) || text.len >= sizeof conn->end)
        return;
    conn->end = (struct talk_end){.reason = 0};
    memcpy(&conn->end, text.ptr, text.len);
    conn->ended = true;
}

static void take(struct conn *conn, const struct channel_msg *msg)
{
    struct str text = {msg->text, msg->text_len};

    switch (msg->type) {
    case TALK_REFRESH:
        on_refresh(conn);
        break;
    case TALK_REFRESHED:
        on_refreshed(conn, msg->generation, text);
        break;
    case TALK_PLAN:
        on_plan(conn, msg->generation, text);
        break;
    case TALK_PLANNED:
        on_planned(conn);
        break;
    case TALK_REF:
        on_ref(conn, msg->generation, text);
        break;
    case TALK_HOLD:
        question_ask(conn, msg->generation, text);
        break;
    case TALK_HOLD_END:
        question_end(conn);
        break;
    case TALK_END:
        on_end(conn, text);
        break;
    default:
        host_kill(conn);
    }
}

/* It is gone, and waits for no answer: what counts of it now is what it pushed, and how it ended. */
static void take_last(struct conn *conn, const struct channel_msg *msg)
{
    if (msg->type == TALK_PLAN || msg->type == TALK_REF || msg->type == TALK_END)
        take(conn, msg);
}

static void session_over(struct conn *conn);

static void on_channel(uv_poll_t *poll, int status, int events)
{
    static struct channel_msg msg; /* too large for the stack; one loop, never re-entered */
    struct conn *conn = poll->data;

    (void)events;
    /* Any message may be one that needs a line: without room it stays where it is. */
    if (!conn->spare && !audit_sink_reserve(conn->server->worker->audit)) {
        conn->starved = true;
        uv_poll_stop(poll);
        return;
    }
    conn->spare = true;
    int got = status == 0 ? channel_recv(conn->channel, &msg) : 0;
    if (got <= 0) { /* it has ended, or will: nobody is left behind */
        uv_poll_stop(poll);
        conn->heard = true;
        if (conn->gone)
            session_over(conn);
        else
            host_kill(conn);
        return;
    }
    if (msg.fd >= 0)
        close(msg.fd);
    if (conn->gone)
        take_last(conn, &msg);
    else
        take(conn, &msg);
}

void host_room(struct conn *conn)
{
    if (!conn->starved)
        return;
    conn->starved = false;
    uv_poll_start(&conn->channel_poll, UV_READABLE, on_channel);
}

/* ---- the end */

bool host_used(const struct server *server, const struct place *place, const struct conn *beside)
{
    const struct conn *chore = server->chore;

    return place->connections > 0 ||
           (chore != NULL && chore != beside && chore->pid > 0 && chore->place == place);
}

/* Another session may write to the mirror only when it is clean. Nothing writes to it now. */
static void clean(struct place *place)
{
    char git_dir[sizeof GATE_ROOT + GATE_NAME_MAX + sizeof "/.git"];

    if (!place->dirty)
        return;
    snprintf(git_dir, sizeof git_dir, GATE_ROOT "/%s.git", place->name);
    place->dirty = sweep_mirror(git_dir) < 0;
}

static void on_session_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;

    int *fd = handle == (uv_handle_t *)&conn->channel_poll ? &conn->channel : &conn->life;

    close(*fd);
    *fd = -1;
    conn->handles--;
    if (conn->channel < 0 && conn->life < 0)
        conn_end(conn);
}

/* All of its processes are gone, and all that it said is heard. */
static void session_over(struct conn *conn)
{
    struct place *place = conn->place;

    uv_poll_stop(&conn->channel_poll);
    uv_poll_stop(&conn->life_poll);
    while (waitpid(conn->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    conn->pid = 0;
    if (!conn->ended || conn->end.reason >= DENIAL_COUNT)
        record_conn(conn, DENIAL_GIT_INTERRUPTED, str_of("the session ended early"));
    else
        record_conn(conn, (enum denial)conn->end.reason, str_of(conn->end.text));
    place->dirty |= !conn->ended || conn->end.reason != DENIAL_NONE;
    question_end(conn);
    if (conn->fd >= 0)
        place->connections--;
    /* Upkeep began when nobody was there, and who has come since waits for it. */
    if (conn->request.service == REQUEST_UPKEEP || !host_used(conn->server, place, conn))
        clean(place);
    lead(turns_leave(&place->turns, &conn->turn));
    if (conn->fd < 0)
        chores_over(conn);
    else
        chores_later(conn->server);
    conn->place = NULL;
    uv_close((uv_handle_t *)&conn->channel_poll, on_session_closed);
    uv_close((uv_handle_t *)&conn->life_poll, on_session_closed);
}

/* Nothing is ever written to this pipe: it says when the last that holds it has gone. A session that was refused waits for nobody, so
 * that all that it said may lie unread then, its refs too: their lines need room, which is waited for as before. */
static void on_life(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;

    (void)status;
    (void)events;
    uv_poll_stop(poll);
    conn->gone = true;
    if (conn->heard)
        session_over(conn);
}

/* ---- the beginning */

/* The session's descriptors, in the order of gate/talk.h, and the ends that stay here. */
static int spawn(struct conn *conn, int channel, int life, struct err *err)
{
    struct server *server = conn->server;
    const char *const argv[] = {server->self, "session", NULL};
    bool push = conn->request.service == REQUEST_PUSH;
    const int fds[SESSION_FDS] = {[SESSION_FD_CLIENT] = conn->fd,
                                  [1] = -1,
                                  [2] = -1,
                                  [SESSION_FD_PARENT] = channel,
                                  [SESSION_FD_GATE] = server->gate_fd,
                                  [SESSION_FD_DATABASE] = push ? server->database_fd : -1,
                                  [SESSION_FD_LIFE] = life,
                                  [SESSION_FD_LOCK] = server->lock,
                                  [SESSION_FD_RELAY] = -1};
    struct spawn spawn = {.path = server->self, .argv = argv, .fds = fds, .fd_count = SESSION_FDS};

    int flags = conn->fd >= 0 ? fcntl(conn->fd, F_GETFL) : 0; /* git's is a blocking one */
    if (conn->fd >= 0 && (flags < 0 || fcntl(conn->fd, F_SETFL, flags & ~O_NONBLOCK) != 0))
        return err_set_errno(err, "the connection");
    conn->pid = spawn_start(&spawn, err);
    return conn->pid > 0 ? 0 : -1;
}

/* What a session may take is its own to watch; one that cannot is ended here. */
static void on_too_long(uv_timer_t *timer)
{
    host_kill(timer->data);
}

static void send_task(struct conn *conn)
{
    const struct approvals *approvals = &conn->server->worker->policy->approvals;
    struct talk_task task = {.service = conn->request.service,
                             .protocol = conn->request.protocol,
                             .asks = approvals->asks,
                             .seconds = approvals->hold_seconds != 0 ? approvals->hold_seconds : HOLD_SECONDS,
                             .has_key = conn->request.service == REQUEST_PUSH && approvals->has_key};

    if (task.has_key)
        memcpy(task.key, approvals->key, sizeof task.key);
    snprintf(task.name, sizeof task.name, "%s", conn->place->name);
    host_say(conn, TALK_TASK, 0, (struct str){(const char *)&task, sizeof task});
}

int host_start(struct conn *conn, struct err *err)
{
    uv_loop_t *loop = &conn->server->worker->loop;
    int pair[2], life[2];

    if (!host_used(conn->server, conn->place, conn))
        clean(conn->place);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set_errno(err, "socketpair");
    if (pipe2(life, O_CLOEXEC) != 0) {
        err_set_errno(err, "pipe");
        close(pair[0]);
        close(pair[1]);
        return -1;
    }
    int status = spawn(conn, pair[1], life[1], err);
    close(pair[1]);
    close(life[1]);
    if (status != 0) {
        close(pair[0]);
        close(life[0]);
        conn->pid = 0;
        return -1;
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    conn->channel = pair[0];
    conn->life = life[0];
    if (conn->fd >= 0)
        conn->place->connections++;
    conn->handles += 2;
    uv_poll_init(loop, &conn->channel_poll, conn->channel);
    uv_poll_init(loop, &conn->life_poll, conn->life);
    conn->channel_poll.data = conn->life_poll.data = conn;
    uv_poll_start(&conn->channel_poll, UV_READABLE, on_channel);
    uv_poll_start(&conn->life_poll, UV_READABLE | UV_DISCONNECT, on_life);
    uv_timer_start(&conn->timer, on_too_long, (SESSION_SECONDS + 60) * UINT64_C(1000), 0);
    send_task(conn);
    return 0;
}
