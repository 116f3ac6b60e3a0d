/* SPDX-License-Identifier: GPL-3.0-or-later */
/* watch_feed: what `hostctl watch` hears of one bottle: its audit stream from now on, and what it holds, asked for again
 * whenever the stream says that it may have changed, and every few seconds. */
#ifndef HOSTCTL_WATCH_FEED_H
#define HOSTCTL_WATCH_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "core/err.h"
#include "hostctl/audit_lines.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

struct feed {
    struct feed *next;
    struct state state;
    const struct runtime *runtime;
    struct audit_lines lines;
    char since[40]; /* when it began, as lines have it */
    json_t *held;   /* an array; never NULL */
    bool closed;    /* its egress is, by its canary */
    bool stale;     /* what it holds may have changed */
    int64_t asked_ms;
    bool over; /* the bottle has ended */
};

/* A bottle that runs; NULL with err. */
struct feed *feed_open(const char *name, struct err *err);
void feed_close(struct feed *feed);

/* The next line of the stream that is there by now, LF included; false = none, or the feed is over. */
bool feed_line(struct feed *feed, struct str *line);

/* Asks again what it holds when that is stale. now_ms: of a monotonic clock. Returns whether it did. */
bool feed_ask(struct feed *feed, int64_t now_ms);

/* A descriptor that becomes readable when there may be lines; -1 = look from time to time. */
int feed_fd(const struct feed *feed);

#endif
