/* SPDX-License-Identifier: GPL-3.0-or-later */
/* watch_feed: see watch_feed.h. */
#include "hostctl/watch_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostctl/bottle.h"
#include "hostctl/held.h"

#define AGAIN_MS 5000 /* what the stream says nothing of: how long they wait already */

struct feed *feed_open(const char *name, struct err *err)
{
    struct feed *feed = calloc(1, sizeof *feed);
    time_t now = time(NULL);
    struct tm tm;

    if (feed == NULL) {
        err_set(err, "out of memory");
        return NULL;
    }
    feed->runtime = bottle_open_running(&feed->state, name, err);
    if (feed->runtime == NULL) {
        free(feed);
        return NULL;
    }
    feed->held = json_array();
    feed->stale = true;
    if (gmtime_r(&now, &tm) != NULL)
        strftime(feed->since, sizeof feed->since, "%Y-%m-%dT%H:%M:%S", &tm);
    if (audit_lines_bottle(&feed->lines, &feed->state, feed->runtime, true, err) != 0) {
        json_decref(feed->held);
        state_close(&feed->state);
        free(feed);
        return NULL;
    }
    if (audit_lines_live(&feed->lines, err) == 0)
        return feed;
    feed_close(feed);
    return NULL;
}

void feed_close(struct feed *feed)
{
    audit_lines_close(&feed->lines);
    state_close(&feed->state);
    json_decref(feed->held);
    free(feed);
}

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    return text != NULL ? text : "";
}

/* Whether the line may be about something that is held: it begins, is decided, is over, or a worker has ended. */
static bool is_news(const json_t *line)
{
    return strcmp(text_of(line, "verdict"), "hold") == 0 ||
           strncmp(text_of(line, "reason"), "held-", 5) == 0 ||
           strcmp(text_of(line, "kind"), "control") == 0 || strcmp(text_of(line, "kind"), "lifecycle") == 0;
}

bool feed_line(struct feed *feed, struct str *line)
{
    struct err err;

    while (!feed->over) {
        int more = audit_lines_try(&feed->lines, line, &err);
        feed->over = more <= 0;
        if (more != 1)
            return false;
        json_t *object = json_loadb(line->ptr, line->len, JSON_ALLOW_NUL, NULL);
        const char *time = text_of(object, "time");
        bool old = strncmp(time, feed->since, strlen(feed->since)) < 0 && time[0] != '\0';
        feed->stale = feed->stale || (!old && is_news(object));
        json_decref(object);
        if (!old)
            return true;
    }
    return false;
}

bool feed_ask(struct feed *feed, int64_t now_ms)
{
    struct err err;

    if (feed->over || (!feed->stale && now_ms - feed->asked_ms < AGAIN_MS))
        return false;
    json_t *held = held_ask(feed->runtime, &feed->state, &feed->closed, &err);
    feed->stale = false;
    feed->asked_ms = now_ms;
    if (held == NULL) /* it is about to end, or says so the next time */
        return false;
    json_decref(feed->held);
    feed->held = held;
    return true;
}

int feed_fd(const struct feed *feed)
{
    return feed->lines.child > 0 && !feed->over ? feed->lines.fd : -1;
}
