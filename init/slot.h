/* SPDX-License-Identifier: GPL-3.0-or-later */
/* slot: the inside of supervise (supervise.h), for its files alone: supervise.c, which starts and ends processes, and
 * hearing.c, which hears what they say. */
#ifndef INIT_SLOT_H
#define INIT_SLOT_H

#include "init/kinds.h"
#include "init/supervise.h"
#include "init/words.h"

enum state {
    UNUSED, /* no policy needs it */
    DOWN,
    STARTING,
    SERVING,
};

struct worker_slot {
    struct supervisor *supervisor;
    const struct kind *kind;
    char name[24]; /* "stopper-proxy", or "stopper-proxy.2" beside others */
    enum state state;
    bool dismissed; /* this life is told to end: no policy needs it any more */
    unsigned life;  /* how many there have been, this one among them */
    pid_t pid;      /* 0 = none */
    unsigned restarts;
    uint64_t backoff_ms, started_ms;
    uint64_t offered, applied, refused; /* generations of this life */
    bool ready;                         /* READY was heard in this life */
    struct err trouble;                 /* why it is not serving, from this life or the last; "" = none */
    const char *killed_for;             /* why init ended this life; NULL = it did not */
    struct words *words;                /* of this life; NULL = none */
    int channel;                        /* -1 = closed */
    uv_poll_t channel_poll;
    uv_timer_t timer; /* down: the next start; starting: the limit */
};

struct supervisor {
    struct supervisor_setup setup;
    struct worker_slot *slots;
    size_t slot_count;
    uv_signal_t child;
    uv_timer_t stop_timer;
    bool stopping, stopped;
    int stop_status;
};

/* Ends the process of this life, if it lives. why: static. */
void worker_kill(struct worker_slot *slot, const char *why);

/* Whether it serves by now: to be asked when something has changed. */
void worker_check(struct worker_slot *slot);

/* A line of kind "lifecycle". */
void worker_say(const struct worker_slot *slot, enum audit_verdict verdict, const char *detail);

struct worker_ref worker_ref(const struct worker_slot *slot);

/* Begins to hear a life's channel. */
void worker_listen(struct worker_slot *slot);

/* Hears what must not be lost with a worker that had no time for more. */
void worker_last_words(struct worker_slot *slot);

#endif
