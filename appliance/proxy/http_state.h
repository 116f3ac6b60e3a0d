/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_state: what http.c (the agent's leg, time) and http_upstream.c (the upstream's leg) share. Nobody else
 * includes it.
 */
#ifndef PROXY_HTTP_STATE_H
#define PROXY_HTTP_STATE_H

#include <stdbool.h>

#include "proxy/h1.h"
#include "proxy/http.h"
#include "proxy/redact.h"

enum phase { PHASE_KEPT, PHASE_HEAD, PHASE_DIAL, PHASE_RESPONSE, PHASE_STREAM, PHASE_HOLD };

/* A request whose body is looked at whole before it goes anywhere. */
struct look {
    struct request request; /* its slices are used up */
    struct buf body;
};

struct http {
    struct h1 request, response;
    struct look *look;            /* NULL = none */
    struct outbound *outbound;    /* NULL = nothing is searched for in the request */
    struct inbound *inbound;      /* NULL = nothing is searched for in the response */
    struct redact redact;         /* redactor NULL = nothing was injected */
    struct policy *redact_policy; /* a reference: whose secrets redact uses */
    struct stream *upstream;
    struct buf up_in, up_out;
    struct buf head;        /* the running request's, as the agent sent it: a new policy judges it again */
    struct buf again;       /* the request, while it may still be sent a second time */
    struct ip up_ip;        /* where it leads */
    uint64_t up_generation; /* of the policy under which it was dialled */
    uint64_t up_idle_ms;    /* how long it may wait for another request */
    enum phase phase;
    unsigned interim; /* 1xx responses seen in this exchange */
    bool over;        /* no more requests: the session lingers or has ended */
    bool begun;       /* the first byte of a request is there */
    bool active;      /* a request has passed its judgement */
    bool request_done, response_done;
    bool served;  /* a request of this agent's connection has gone to an upstream */
    bool reused;  /* the upstream connection served a request before */
    bool up_deaf; /* it takes no more bytes; it may still answer */
    bool up_eof, up_keep;
    bool up_cut; /* it ended by an error, or over TLS without saying so: a body up to the end is not whole */
    bool agent_eof;
    bool old_client;   /* HTTP/1.0: no chunks, no 1xx */
    bool close;        /* the agent's connection ends behind this answer */
    bool keep_refused; /* it may stay open even when this request is refused */
    bool to_head;
    bool head_sent;  /* the final response's head is on its way: no refusal can be said any more */
    bool in_interim; /* the response being decoded is a 1xx */
    bool chunk_up, chunk_down;
};

/* http.c: */

/* Turns the steps until none moves anything. */
void http_run(struct session *session);

/* Answers the request with the reason; when its response has begun, aborts it instead. */
void http_refuse(struct session *session, enum denial denial);

/* What was begun cannot be finished: the agent must not take the part that it has for the whole. */
void http_abort(struct session *session, enum denial denial, const char *detail);

/* A request that has passed its judgement goes upstream; its head is in http->head. */
void http_begin(struct session *session, const struct h1_head *head, struct request *request);

/* The next part of a request's body, or its end. Of one that was held in it nothing new: it goes on where it was. */
void http_request_data(struct session *session, struct str data, bool last);

/* http_hold.c: */

/* A request that was refused for its host alone, `bytes` being its head: whether it is taken care of: it waits for the
 * operator, or was refused with another reason. */
bool http_hold(struct session *session, const struct h1_head *head, const struct request *request,
               struct str bytes);

/* A request that was refused for what was found in it, in its head (`bytes`, unless http->head has it) or in its body: whether it is taken
 * care of: it waits for the operator, or was refused with another reason. */
bool http_hold_match(struct session *session, struct str bytes, bool in_body);

/* Of one that waits: its time is over, its agent has gone, there is another policy. */
void http_hold_late(struct session *session);
void http_hold_left(struct session *session);
void http_hold_policy(struct session *session);

/* http_upstream.c: */

/* Closes the upstream connection, with what waits for it and from it. */
void upstream_drop(struct http *http);

/* The exchange is over, and the connection may serve another: to the pool with it. */
void upstream_keep(struct session *session);

/* The request of the exchange is in up_out: takes a connection from the pool, or dials. */
void upstream_take(struct session *session, const struct request *request);

/* Steps of http_run: whether something moved. */
bool upstream_send(struct session *session);
bool upstream_receive(struct session *session);

#endif
