/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervise: the sidecar's processes. It starts them with exactly their descriptors, hears their READY and
 * APPLIED, starts those that end again (100 ms, doubling to 5 s), reaps everything as PID 1 has to, and ends
 * them all. The meter is never started again: without it nobody would see what the wall refuses, so its end
 * is the sidecar's.
 *
 * It decides nothing about policies: it hands out what policy_store holds; rollout says when.
 */
#ifndef INIT_SUPERVISE_H
#define INIT_SUPERVISE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"
#include "core/str.h"
#include "init/audit_mux.h"
#include "init/ca.h"
#include "init/net.h"
#include "init/policy_store.h"

struct supervisor;

/* One life of one worker. */
struct worker_ref {
    unsigned slot, life;
};

struct supervisor_setup {
    uv_loop_t *loop;
    struct audit_mux *audit;
    const struct policy_store *policies;
    const struct net *net;
    const struct ca *ca;    /* for the proxies */
    const char *executable; /* absolute path of this program; the workers' lie beside it */
    unsigned proxies;
    void (*on_change)(void *ctx); /* a worker started, serves, ended, took or refused a policy */
    void (*on_counters)(void *ctx, struct str json); /* from the meter: init/meter.h */
    /* from a proxy: CHANNEL_HOLD and CHANNEL_HOLD_END (sys/channel.h). Returns 0, or -1: it says what none says */
    int (*on_hold)(void *ctx, struct worker_ref worker, uint32_t type, uint64_t number, struct str text);
    /* from a proxy: CHANNEL_CANARY. Returns 0, or -1: it says what none says */
    int (*on_canary)(void *ctx, struct str event);
    void (*on_gone)(void *ctx, struct worker_ref worker); /* it has ended */
    void (*on_stopped)(void *ctx, int status);            /* after supervisor_stop: all are gone */
    void *ctx;
};

/* setup is copied, what it points to borrowed. Returns NULL when memory is out. */
struct supervisor *supervisor_new(const struct supervisor_setup *setup);

/* Starts the meter; it needs CAP_NET_ADMIN, so this comes before init drops it. Returns 0, or -1 with err. */
int supervisor_start_meter(struct supervisor *supervisor, struct err *err);

/* Starts the workers. One that cannot be started is tried again, as one that ended: supervisor_serving says
 * why. */
void supervisor_start_workers(struct supervisor *supervisor);

/* Whether every process serves, with the policy in force if there is one. If not, why says what is missing.
 */
bool supervisor_serving(const struct supervisor *supervisor, struct err *why);

/* Sends policies->current to the workers that run and do not have it: it had not been ready when they started. */
void supervisor_current(struct supervisor *supervisor);

/* Sends policies->next to the workers that run, and starts those that only it needs; those that start meanwhile get it too.
 * Returns whether some have yet to start. */
bool supervisor_offer(struct supervisor *supervisor);

/* Ends the workers that the policy in force does not need, without a word: none is offered. */
void supervisor_settle(struct supervisor *supervisor);

enum offer { OFFER_PENDING, OFFER_TAKEN, OFFER_REFUSED };

/* Whether the workers that run have taken policies->next. OFFER_REFUSED: why holds a worker's words. */
enum offer supervisor_offered(const struct supervisor *supervisor, struct err *why);

/* Ends every worker that has, or may have, taken that generation; each starts again with the policy in force.
 */
void supervisor_revoke(struct supervisor *supervisor, uint64_t generation);

/* Ends every worker that has not taken that generation. */
void supervisor_enforce(struct supervisor *supervisor, uint64_t generation);

/* Sends a CHANNEL_VERDICT. What does not get there is lost with the worker, which is ended then. */
void supervisor_tell(struct supervisor *supervisor, struct worker_ref worker, uint64_t number,
                     struct str text);

/* Whether this worker is the gate: what it holds are pushes, and nobody else's are. */
bool supervisor_is_gate(const struct supervisor *supervisor, struct worker_ref worker);

/* Ends everything: with status 0 by SIGTERM and after 2 s SIGKILL, else by SIGKILL at once. Then on_stopped.
 */
void supervisor_stop(struct supervisor *supervisor, int status);

/* An array of {name, pid, state, restarts} of those that there are; the caller's. */
json_t *supervisor_describe(const struct supervisor *supervisor);

#endif
