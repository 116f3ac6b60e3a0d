/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn: one connection of the agent's, in the long-lived process: from accept to its last audit line. First its request line is
 * read (conn.c), then a session has it (host.c), or it is refused and what it still sends is thrown away for a moment, so that
 * the refusal is read. One without a connection is the gate's own session (chores.c). Shared by the files of the server alone.
 */
#ifndef GATE_CONN_H
#define GATE_CONN_H

#include <uv.h>

#include "core/audit.h"
#include "core/hold.h"
#include "gate/request.h"
#include "gate/talk.h"
#include "gate/turns.h"
#include "sys/worker.h"

#define CONN_PLANNED_MAX                                                                                     \
    6000 /* refs of all pushes that may be planned at once: their lines' room is reserved */

/* What the server knows of a repository, whether the policy still has it or not. */
struct place {
    struct place *next;
    char name[GATE_NAME_MAX + 1];
    struct turns turns;
    unsigned connections; /* the agent's */
    bool due;             /* it is to be fetched before anybody asks */
    bool grown;           /* its mirror wants upkeep */
    unsigned tries;       /* of upkeep, that came to nothing */
    uint64_t rests_ms;    /* until then (uv_now) none is tried again */
    bool dirty;           /* a session of it has not ended by itself: it is swept before the next begins */
};

/* A ref that a session is about to push; the room of its line is reserved. */
struct planned {
    char id[AUDIT_ID_MAX]; /* of its line */
    char old_id[TALK_ID], new_id[TALK_ID];
    char *ref;
    bool told; /* its line is written */
};

struct server {
    struct worker *worker;
    const char *self; /* the program's path */
    int listener, lock;
    uv_poll_t accepting;
    bool accepts;
    struct conn *first;
    unsigned count;
    size_t planned; /* of all connections */
    struct place *places;
    int gate_fd;     /* the policy's gate for sessions (gate/handover.h); -1 = none */
    int database_fd; /* of the search; -1 = none */
    uint64_t database_generation;
    int next_database_fd; /* for the policy of that generation, which follows */
    struct hold_rate hold_rate;
    uint64_t holds;     /* the last number that was given */
    size_t waiting;     /* sessions that wait for the operator */
    struct conn *chore; /* the gate's own session that runs; NULL = none */
    uv_timer_t chores_timer;
    char
        canary[AUDIT_ID_MAX]; /* the line that told of it; "" = it was not seen since the egress was opened */
    uv_timer_t canary_timer;
};

struct conn {
    struct conn *next, *prev;
    struct server *server;
    char id[AUDIT_ID_MAX];
    uint64_t start_ns, generation;
    int fd; /* stays open here too: it is closed when all is over; -1: the gate's own session */
    uv_poll_t poll;
    uv_timer_t timer;
    char line[REQUEST_MAX];
    size_t have;
    bool lingers; /* it was refused, and reads the refusal */
    struct request request;
    struct place *place; /* NULL: none, or none any more */
    unsigned handles;    /* that libuv has not given back */
    /* a session's */
    pid_t pid; /* 0 = none */
    int channel, life;
    uv_poll_t channel_poll, life_poll;
    struct turn turn;
    struct planned *planned;
    size_t planned_count, told_count;
    bool crowded;  /* too many refs are planned already */
    bool stale;    /* another policy has come, which says something else of its repository */
    bool spare;    /* the room of one more planned ref's line is reserved */
    bool starved;  /* it waits for that room */
    bool line_due; /* the room of its own line is reserved, and the line not written */
    uint64_t hold; /* the number under which init is asked for it; 0 = it is not */
    bool gone;     /* no process of the session is left */
    bool heard;    /* nor anything that it said and that was not read */
    bool ended;    /* the session has said TALK_END */
    struct talk_end end;
};

/* server.c: accepts again, where it had stopped. */
void server_accept(struct server *server);

/* conn.c: takes an accepted socket, and a reserved line. */
void conn_begin(struct server *server, int fd);

/* One without a connection, for a session of the gate's own. Takes a reserved line. NULL: out of memory, the line is still the
 * caller's. */
struct conn *conn_own(struct server *server, struct place *place, enum request_service service);

/* The audit line, then the refusal in git's own voice. The session, if there is one, must be gone. */
void conn_refuse(struct conn *conn, enum denial reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* It is over: its handles are closed, its reservations given back; it is freed later. */
void conn_end(struct conn *conn);

/* host.c: gives the connection to a session. Returns 0, or -1 with err: it is still the caller's. */
int host_start(struct conn *conn, struct err *err);

/* Kills the session; what follows comes by the loop. */
void host_kill(struct conn *conn);

/* There is room for lines again. */
void host_room(struct conn *conn);

/* The number of connections of a repository is bounded by whoever asks. Never NULL but when memory is out. */
struct place *host_place(struct server *server, const char *name);

/* record.c: writes the connection's own line, for which room is reserved. */
void record_conn(struct conn *conn, enum denial reason, struct str detail);

/* What became of a planned ref. */
void record_ref(struct conn *conn, struct planned *planned, const struct talk_ref *ref);

/* The same, when its session does not say it any more. */
void record_lost(struct conn *conn, struct planned *planned);

/* question.c: the operator is asked for a session. Answers with a verdict at once when he cannot be. */
void question_ask(struct conn *conn, uint64_t ref, struct str text);

/* Nobody waits for it any more; fine when nobody did. */
void question_end(struct conn *conn);

/* CHANNEL_VERDICT. */
void question_verdict(struct server *server, uint64_t number, struct str text);

/* Whether a session of the repository may write to its mirror beside this one, or NULL. */
bool host_used(const struct server *server, const struct place *place, const struct conn *beside);

/* host.c: sends a session its answer. */
void host_say(struct conn *conn, enum talk type, uint64_t number, struct str text);

/* server.c: the canary was in what a session would have sent; the audit line with this id tells of it. */
void server_canary(struct server *server, const char *id);

/* Whether nothing may leave. */
bool server_closed(const struct server *server);

#endif
