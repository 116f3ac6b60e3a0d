/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * holds: the table of requests that wait for the operator, and of approvals. Only the table: it sends nothing and knows
 * no clock but the one that it is given. An entry waits; when it is approved it is chosen, then staged (the policy with it
 * is being rolled out), in force, over (it has to leave the policy again), and leaving. Bounded: HOLD_MAX wait, APPROVALS_MAX are
 * approved.
 */
#ifndef INIT_HOLDS_H
#define INIT_HOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/approval.h"
#include "core/hold.h"
#include "init/supervise.h"

#define HOLDS_DENIALS                                                                                        \
    3 /* of a host or repository by the operator, after which it is denied without a question */
#define HOLDS_HOSTS    256 /* sources whose denials are counted; a further one takes the place of the oldest */
#define HOLDS_GRACE_MS 30000 /* from a request's own end to that of an entry whose worker has not said so */
#define HOLDS_BY       64    /* bytes of who decided, and */
#define HOLDS_REASON   256   /* of why, NUL included */

enum hold_state { HOLD_WAITS, HOLD_CHOSEN, HOLD_STAGED, HOLD_IN_FORCE, HOLD_OVER, HOLD_LEAVING };
enum hold_how { HOLD_ONCE, HOLD_TTL, HOLD_FOR_BOTTLE };

#define HOLDS_SOURCE (HOST_MAX + 1) /* bytes of holds_source, NUL included */

struct hold {
    struct hold *next; /* the next younger one */
    uint64_t id;       /* rising; what the operator calls it */
    enum hold_state state;
    struct worker_ref worker;
    uint64_t number; /* the worker's; 0 = it waits no more: its request is over */
    uint64_t since_ms;
    uint64_t until_ms; /* waits: when it is forgotten; approved with HOLD_TTL: when that ends */
    enum hold_how how;
    char by[HOLDS_BY], reason[HOLDS_REASON];
    struct hold_request request;
};

struct holds {
    struct hold *first;
    size_t waiting, approved;
    uint64_t last_id;
    struct denied_source {
        char name[HOLDS_SOURCE];
        unsigned count;
    } denied[HOLDS_HOSTS];
    size_t denied_next;
};

/* All zero is an empty table. */
void holds_fini(struct holds *holds);

/* A request that waits from now on; NULL when memory is out. When HOLD_MAX wait the oldest has to be removed first. */
struct hold *holds_add(struct holds *holds, struct worker_ref worker, uint64_t number,
                       const struct hold_request *request, uint64_t now_ms);

struct hold *holds_find(const struct holds *holds, uint64_t id);
struct hold *holds_of(const struct holds *holds, struct worker_ref worker, uint64_t number);
void holds_remove(struct holds *holds, struct hold *hold);

/* A denial by the operator is counted for its source, a host or a repository; whether that had so many that nobody is asked; a new
 * policy begins anew. */
void holds_count_denial(struct holds *holds, const struct hold_request *request);
bool holds_denied_often(const struct holds *holds, const struct hold_request *request);
void holds_forget_denials(struct holds *holds);

/* One that waits is approved: with HOLD_TTL for ttl_ms from now on. Returns 0, or -1 when there are too many; a push, which leaves at
 * once, always has room. */
int holds_choose(struct holds *holds, struct hold *hold, enum hold_how how, uint64_t ttl_ms, uint64_t now_ms);

/* It could not be approved: it waits again. */
void holds_return(struct holds *holds, struct hold *hold);

/* The oldest in a state; NULL = none. */
struct hold *holds_in(const struct holds *holds, enum hold_state state);

/* The oldest whose time is over: waits, or is in force; NULL = none. And how long until the next is, in ms; -1 = none
 * will be. */
struct hold *holds_expired(const struct holds *holds, uint64_t now_ms);
int64_t holds_next_ms(const struct holds *holds, uint64_t now_ms);

#endif
