/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbound: looks through a request before it leaves: its head as a whole before anything is dialled, its body in a window
 * whose bytes go on only when nothing that is searched for can begin in them. What is found is refused or covered with '*',
 * byte for byte, as the route says (core/dlp_rules.h). Nothing is let go because the agent pauses.
 *
 * A finding is told by its detector, its rule and its surface, and never by what was found: in the audit's texts that are
 * the agent's own it is covered too.
 */
#ifndef PROXY_OUTBOUND_H
#define PROXY_OUTBOUND_H

#include <stdbool.h>

#include <stdbool.h>

#include "core/denial.h"
#include "core/h1_head.h"
#include "core/request.h"
#include "core/str.h"

struct buf;
struct http;
struct session;

/* Looks for what must not leave in the head of a request that was let through, which lies in memory of our own. What was
 * covered in it is judged again. Returns DENIAL_NONE, or why it is not forwarded. */
enum denial outbound_search(struct session *session, const struct h1_head *head, struct request *request);

/* The same for the server name of a connection that is passed on unopened: `labels` are those, as sent, that the wildcard of the
 * exchange's route does not name. */
enum denial outbound_search_name(struct session *session, struct str labels);

/* Whether the body goes on unpacked, since what is found in a transcript is covered and never refused: then the head is changed to
 * that, and the body has no length that is known before. */
bool outbound_unpacks(const struct http *http);
void outbound_unpacked_head(struct h1_head *head);

/* Whether bytes that were taken wait for room: to be called again, without new ones, when there is some. */
bool outbound_waits(const struct http *http);

/* The next bytes of the body, `last` when it is whole. Puts what may leave into `out` (perhaps nothing), in chunks if
 * `chunked`. Returns DENIAL_NONE, or why nothing more is forwarded. That may be DENIAL_DLP_MATCH about which the operator is to be
 * asked (exchange.asked, also by outbound_search): to be called again without new bytes when he has approved it, `last` as it was. */
enum denial outbound_body(struct session *session, struct str data, bool last, bool chunked, struct buf *out);

bool outbound_asked_last(const struct http *http);

/* The request is over, or given up. */
void outbound_end(struct http *http);

#endif
