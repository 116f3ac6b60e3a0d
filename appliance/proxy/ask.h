/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ask: what was found in a request and may leave if the operator says so (`supervise`). A value is known by a keyed hash of
 * the bytes that stand in the request, and an approval is for these, this host and this part of a request: the same secret
 * in another writing is another question. What was found is put before him one after the other, each once.
 */
#ifndef PROXY_ASK_H
#define PROXY_ASK_H

#include <stdbool.h>

#include "core/dlp_rules.h"
#include "core/str.h"
#include "dlp/scan.h"

struct session;

/* Whether somebody may be asked at all: not about known secrets, which are refused, nor about what has left in part, what
 * cannot be told (a host name would be shown), or the body of a transcript, which has its own rule. */
bool ask_may(const struct dlp_rules *rules, const struct dlp_finding *finding);

/* Whether the value, the bytes of the finding, may leave: it was approved, for this request or for a time. If not, it is what the
 * operator is to be asked about (exchange.asked), unless nobody can be asked: then that is empty, and the request is refused. What
 * the audit says is noted in either case. */
bool ask_approved(struct session *session, const struct dlp_engine *engine, const struct dlp_finding *finding,
                  struct str value);

/* Covers a piece of the path in the audit's text of it. */
void ask_cover_path(struct session *session, const struct dlp_finding *finding);

#endif
