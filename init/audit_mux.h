/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_mux: every audit line of the sidecar on its way to stdout: those of the workers, read from their
 * sockets, and init's own. One write holds whole lines. When stdout takes no more, the sockets are not read either:
 * their queues fill and the workers stop taking traffic. When nobody reads stdout any more the sidecar has to
 * end, since decisions would go unseen.
 *
 * This is the one writer of the stream, so it is here that lines get their number, the digest of the line before,
 * and the digest of the policy that they name (core/audit_seal.h).
 */
#ifndef INIT_AUDIT_MUX_H
#define INIT_AUDIT_MUX_H

#include <stdbool.h>
#include <uv.h>

#include "core/audit.h"

struct audit_mux;
struct gate_seen;

/* Lines go to the descriptor `out`, which stays the caller's and keeps its flags. broken is called once, from
 * the loop or from inside a call below, when a line could not be delivered for good. Returns NULL when memory
 * or descriptors are out. */
struct audit_mux *audit_mux_new(uv_loop_t *loop, int out, void (*broken)(void *ctx, const char *why),
                                void *ctx);

/* A worker's SOCK_SEQPACKET socket; taken over, and closed when the worker is gone and all of its lines are
 * read. Returns 0, or -1 when memory is out (the socket is closed). */
int audit_mux_add(struct audit_mux *mux, int sock);

/* One line of init's own; id and time are filled in. It waits while stdout takes no more. */
void audit_mux_emit(struct audit_mux *mux, struct audit *audit);

/* From now on lines that name this generation of the policy carry this digest (policy_store.h). */
void audit_mux_policy(struct audit_mux *mux, uint64_t generation, const char *digest);

/* From now on lines that name no generation get this one. */
void audit_mux_in_force(struct audit_mux *mux, uint64_t generation);

/* How many denials of each reason the stream has told of since boot, by the lines' own counts. The array is the mux's, of
 * DENIAL_COUNT. */
const uint64_t *audit_mux_denials(const struct audit_mux *mux);

/* What the stream has told of the gate since boot. */
const struct gate_seen *audit_mux_seen(const struct audit_mux *mux);

/* Whether init's own queue is short. When not, put off what would emit and can wait. */
bool audit_mux_room(const struct audit_mux *mux);

/* At the end of the sidecar, after the workers: reads what they left, adds `last` as the line that ends the
 * stream, and writes all of it, waiting at most this long. */
void audit_mux_end(struct audit_mux *mux, struct audit *last, int timeout_ms);

#endif
