/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_sink: a worker's way out for audit lines. Lines wait in a bounded queue and go to init over an
 * inherited SOCK_SEQPACKET socket, each packet some whole lines. When init (that is: whoever reads the sidecar's stdout)
 * does not keep up the queue fills, audit_sink_reserve says no, and the worker stops taking traffic: a
 * decision without its line never happens. Equal denials within a second become one line with a count, and of
 * different ones only so many have lines of their own, so an agent cannot flood the log. What waited for the operator, of
 * which there is only so much a second anyway, has a line of its own.
 */
#ifndef SYS_AUDIT_SINK_H
#define SYS_AUDIT_SINK_H

#include <stdbool.h>
#include <uv.h>

#include "core/audit.h"

struct audit_sink;

/* Takes the descriptor. room_again is called (never from inside reserve or emit) when reservations succeed
 * again after one failed. Returns NULL when memory is out. */
struct audit_sink *audit_sink_new(uv_loop_t *loop, int sock, void (*room_again)(void *ctx), void *ctx);
void audit_sink_close(struct audit_sink *sink);

/* Reserves room for one line that must not be lost; false = wait for room_again. Each success is followed by
 * exactly one audit_sink_emit or audit_sink_release. */
bool audit_sink_reserve(struct audit_sink *sink);
void audit_sink_release(struct audit_sink *sink);

/* Writes the line of a reservation. Lines with the verdict BLOCK are coalesced by kind, reason, host, rule,
 * address and port, repository and ref: the first at once, the rest of its second as one line with their count. What comes when
 * 128 different ones are being counted is counted by its reason alone. */
void audit_sink_emit(struct audit_sink *sink, const struct audit *audit);

#endif
