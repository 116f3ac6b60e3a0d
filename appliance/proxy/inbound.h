/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inbound: looks through a response's body, when it is text, for what addresses an agent, before the agent has it. Its head waits
 * until the first of it may go on, so that a refusal can still be said. Bytes wait for those behind them for a moment only: when
 * nothing comes, and at the end of a server's event, all go on, and what is found then is found late.
 *
 * What is found ends the response, or is marked in it, or is only written down, as the route says (core/dlp_rules.h).
 */
#ifndef PROXY_INBOUND_H
#define PROXY_INBOUND_H

#include <stdbool.h>

#include "core/denial.h"
#include "core/h1_head.h"
#include "core/str.h"

struct http;
struct session;

/* A final response's head has come. Begins, if the route and the type of the body ask for it: then http->inbound is there, and
 * what is put into its head goes on with the first bytes. Returns DENIAL_NONE, or why the response is not forwarded. */
enum denial inbound_begin(struct session *session, const struct h1_head *head);

/* Where the head that has to wait is written to; only while http->inbound is there. */
struct buf *inbound_head(struct http *http);

/* Whether the body changes its length. */
bool inbound_marks(const struct http *http);

/* The next bytes of the body, `last` when it is whole: what may go on is put into session->out. Returns DENIAL_NONE, or why nothing
 * more is forwarded. */
enum denial inbound_body(struct session *session, struct str data, bool last);

/* What the agent is told in a stream of events that ends before its time; nothing for other bodies. Returns whether it was put into
 * session->out. */
bool inbound_last_words(struct session *session, enum denial denial);

/* The response is over, or given up. */
void inbound_end(struct http *http);

#endif
