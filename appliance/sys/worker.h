/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker: what every worker process does the same way. main reads: worker_open, then its own listen and
 * warm-up, then worker_jail, then worker_serve. Descriptors are inherited at fixed numbers:
 *
 *   0, 1  /dev/null      2  stderr (words at start-up only)
 *   3  channel to init   4  audit socket   5…  the worker's listeners, in the order of its main
 */
#ifndef SYS_WORKER_H
#define SYS_WORKER_H

#include <uv.h>

#include "core/policy.h"
#include "sys/audit_sink.h"
#include "sys/jail.h"

#define WORKER_FD_CHANNEL   3
#define WORKER_FD_AUDIT     4
#define WORKER_FD_LISTENERS 5
#define WORKER_EMPTY_ROOT   "/run/stopper/empty" /* made by init, root's, mode 0555 */

struct worker {
    uv_loop_t loop;
    struct audit_sink *audit;
    struct policy *policy; /* in force; NULL until the first arrives: deny everything. Whoever keeps it takes
                              a reference */
    void (*on_policy)(void *ctx,
                      struct policy *old); /* after the swap; old may be NULL and is released afterwards */
    void (*on_ca)(void *ctx, struct str bytes); /* CHANNEL_CA; the bytes are gone afterwards */
    void (*on_verdict)(void *ctx, uint64_t number, struct str text); /* CHANNEL_VERDICT */
    void (*on_audit_room)(void *ctx);
    /* CHANNEL_DATABASE for the policy of that generation, which follows. The descriptor is closed afterwards. Returns 0, or
     * -1 with err: the policy is not taken. May be NULL. */
    int (*on_database)(void *ctx, uint64_t generation, int fd, struct err *err);
    /* CHANNEL_KEYS, likewise. */
    int (*on_keys)(void *ctx, uint64_t generation, int fd, struct err *err);
    /* A policy that is about to be taken, whole. Returns 0, or -1 with err: it is not. May be NULL. */
    int (*on_offer)(void *ctx, struct policy *policy, struct err *err);
    void (*on_stop)(void *ctx); /* behind the loop: last lines may still be emitted */
    void *ctx;
    /* private */
    struct secrets *secrets; /* arrived, for the policy of secrets_generation that follows */
    uint64_t secrets_generation;
    uint64_t unsaid; /* the generation that was taken, which the channel had no room for; 0 = none */
    uv_poll_t channel;
    uv_signal_t sigterm;
};

/* Loop, channel and audit sink. Ends the process with words on stderr when a descriptor is missing. */
void worker_open(struct worker *worker, const char *name);

/* Enters the jail, or ends the process. */
void worker_jail(const struct jail *jail);

/* Tells init READY and runs the loop until SIGTERM or until init is gone. Returns the exit status. */
int worker_serve(struct worker *worker);

#endif
