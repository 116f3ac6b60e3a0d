/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: one connection of the agent, from accept to close. session.c is the only file that knows the order
 * of the stages, those of TLS are in session_tls.c, of raw TCP in session_tcp.c, of what both carry unopened in
 * session_tunnel.c; http.c moves bytes and events for it. They see the struct; nobody else looks inside.
 */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/audit.h"
#include "core/buf.h"
#include "core/cidr.h"
#include "core/h1_head.h"
#include "core/hold.h"
#include "core/judge.h"
#include "core/policy.h"
#include "core/request.h"
#include "proxy/canary.h"
#include "proxy/dial.h"
#include "proxy/hello.h"
#include "proxy/leaf.h"
#include "proxy/leak.h"
#include "proxy/splice.h"
#include "proxy/stream.h"
#include "proxy/tls.h"
#include "sys/resolve.h"
#include "sys/worker.h"

#define ASK_MAX 8 /* questions about what was found in one request */

struct budgets;
struct http;
struct session;

/* What a connection waits for when nothing is being done for it. */
enum wait {
    WAIT_FIRST, /* its first request, or the rest of it */
    WAIT_NEXT,  /* another one */
    WAIT_COUNT,
    WAIT_NONE = WAIT_COUNT
};

/* Those that wait for the operator (hold.h), in the order in which they came. */
struct holds {
    struct session *first, *last;
    size_t count;
    uint64_t number; /* of the last one */
    struct hold_rate rate;
};

/* What all sessions of the worker share. */
struct proxy {
    struct worker worker;
    struct resolver *resolver;
    struct pool *pool;
    struct leaves *leaves;
    struct tls_kit *tls;
    struct search *search;
    struct budgets *budgets;
    struct session *sessions; /* all live ones */
    size_t count, max;
    struct holds holds;
    struct canary canary;
    struct session *waiting[WAIT_COUNT], *waiting_last[WAIT_COUNT]; /* those that wait longest first */
    bool starved; /* some session, or the listener, waits for room in the audit queue */
    uv_poll_t listener;
    uv_timer_t pause;    /* of accepting, when descriptors have run out */
    struct h1_head head; /* scratch: a head is used up in the turn in which it is read */
};

/* One decision, and what its audit line will say. */
struct exchange {
    enum audit_kind kind;
    char id[AUDIT_ID_MAX];
    const char *protocol; /* "ssh", "h2"; NULL = kind says it */
    char host[2 * HOST_MAX];
    char method[24];
    char path[1024];
    char rule[JUDGE_RULE];
    char upstream[IP_TEXT + 8];
    unsigned status;
    uint64_t bytes_in, bytes_out;
    uint64_t redacted; /* how often a value was covered in what went to the agent */
    uint64_t started_ns, generation;
    uint64_t hold;         /* its number among those that were held; 0 = it was not */
    uint64_t hold_base;    /* approvals.base of the policy that held it */
    uint64_t approved;     /* the approval that it got; 0 = none */
    struct policy *policy; /* a reference while the exchange runs; NULL before a route is found */
    const struct route *route;
    struct ip ip;             /* dialled; family 0 = not yet */
    const char *reason;       /* a sentence more than the denial's; NULL = none */
    struct leak_found leaked; /* with secret-elsewhere: for the audit alone */
    /* what was found in it; of several the first */
    const char *detector, *surface; /* NULL = nothing */
    char pattern[SECRET_NAME_MAX + 1];
    char found[256];   /* the same in words */
    unsigned findings; /* in what goes out */
    unsigned marked;   /* in what comes in */
    uint64_t counted;  /* bytes that its route's budget has counted */
    unsigned retry_s;  /* refused for the budget: when it may come again; 0 = not said */
    bool alarm, in_host;
    char asked[HOLD_VALUE + 1]; /* the hash of what the operator is to be asked about (ask.h); "" = nothing */
    unsigned questions;         /* asked about this request */
    struct {
        const char *surface;
        char value[HOLD_VALUE + 1];
    } permitted[ASK_MAX]; /* approved for this request */
    size_t permitted_count;
};

struct session {
    struct proxy *proxy;
    struct session *prev, *next;
    struct session *wait_prev, *wait_next;
    enum wait wait;
    uint64_t waits_since; /* ms of uv_now */
    struct session *hold_prev, *hold_next;
    void (*on_verdict)(struct session *session, enum denial denial); /* NULL = it is not held */
    struct stream *agent;                                            /* NULL while a tunnel owns it */
    void (*on_agent)(struct session *session, int events);
    struct buf in, out;    /* from the agent, not yet used; to the agent, not yet sent */
    char address[IP_TEXT]; /* the destination that the agent dialled: for the audit only */
    unsigned port;         /* its port: the one that is dialled */
    uv_timer_t timer;
    uint64_t deadline; /* ms of uv_now; 0 = none */
    void (*on_deadline)(struct session *session);
    void (*resume)(struct session *session); /* parked: to be called when the audit queue has room */
    bool reserved;                           /* room for one line is held */
    bool ended;
    size_t lingered;     /* bytes thrown away */
    enum denial refusal; /* being said */
    struct exchange exchange;
    struct hello *hello;  /* of TLS; when opened, its name is canonical or empty */
    enum denial nameless; /* opened without a host name: why all its requests are refused */
    bool opened;          /* TLS ends here */
    bool asked;           /* and a request has come in it */
    struct dial *dial;
    struct tunnel *tunnel;
    enum denial (*tunnel_judge)(struct session *session); /* session_tunnel.h; NULL = it is for no tunnel */
    struct http *http;
};

/* Begins with an accepted descriptor, which it takes. `ip`, `port`: the original destination. */
void session_new(struct proxy *proxy, int fd, const struct ip *ip, unsigned port);

/* Ends a connection that waits, so that an agent that holds idle ones does not lock itself out: the oldest
 * that never sent a request, unless it has only just come, else the one whose last answer is longest ago.
 * Returns whether there was one; else all are in use, or the audit has no room. */
bool session_evict(struct proxy *proxy);

/* What the worker's callbacks tell every session. */
void session_all_policy(struct proxy *proxy); /* proxy->worker.policy is new */
void session_all_room(struct proxy *proxy);   /* the audit queue has room again */
void session_all_stop(struct proxy *proxy);   /* the worker ends: lines of what runs are written, all end */

/* For session_tls.c, session_tcp.c and session_tunnel.c: */

/* Text of the agent's for the audit, cut to fit. */
void session_keep_text(char *into, size_t size, struct str text);

/* Notes the route that decided, NULL = none, for as long as the exchange runs. */
void session_keep_route(struct session *session, const struct route *route);

/* Refuses the connection outside of HTTP, in the words of what it speaks. */
void session_refuse(struct session *session, enum denial denial);

/* For http.c: */

/* The order of the stages for a request's head. Returns DENIAL_NONE, or why it is not forwarded. Fills the
 * exchange. */
enum denial session_judge(struct session *session, const struct h1_head *head, struct request *request);

/* The same for a request that is running, by the policy that is in force now. *route is its route there. */
enum denial session_judge_again(struct session *session, const struct h1_head *head,
                                const struct route **route);

/* Holds room for an audit line. False: the session is parked, and `resume` is called when there is room. */
bool session_reserve(struct session *session, void (*resume)(struct session *session));

/* Writes the exchange's line, for which room is held, and forgets the exchange. `denial` NONE: all went well.
 * A refusal of what was forwarded before it failed is an ALLOW line with that reason, else a BLOCK line. */
void session_emit(struct session *session, enum denial denial, const char *detail);

/* Begins an exchange: a new event id, now as its start. */
void session_begin(struct session *session, enum audit_kind kind);

void session_deadline(struct session *session, uint64_t ms, void (*on_deadline)(struct session *session));

/* What it waits for from now on. */
void session_wait(struct session *session, enum wait wait);

/* Sends what is in `out`, then FIN, throws away what still comes in, and ends: a refusal must not be
 * overtaken by a RST. */
void session_linger(struct session *session);

/* Ends it; the memory goes after this turn of the loop. */
void session_end(struct session *session, bool reset);

#endif
