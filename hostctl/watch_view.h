/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch_view: what `hostctl watch` shows on a terminal: what is held, one of which is chosen, and the last events. Of
 * texts that are not ours nothing but printable ASCII gets out (escape.h). What is chosen is a request, not a place in
 * the list: no other takes its place when the list moves.
 */
#ifndef HOSTCTL_WATCH_VIEW_H
#define HOSTCTL_WATCH_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "core/str.h"

#define VIEW_EVENTS 512 /* kept */
#define VIEW_ID     80

struct view {
    json_t *held; /* of all bottles, in order; the view's own */
    char chosen[VIEW_ID];
    bool fresh;     /* chosen by the view itself since view_draw: the user has not seen it yet */
    char said[256]; /* what came of the last key */
    char *events[VIEW_EVENTS];
    size_t event_count;       /* ever */
    unsigned bottles, closed; /* closed: whose egress is */
};

void view_init(struct view *view);
void view_fini(struct view *view);

/* Takes the list over. When nothing that is in it is chosen, its first is. */
void view_hold(struct view *view, json_t *held);

/* Chooses the one that is `step` below. */
void view_move(struct view *view, int step);

/* One line of a bottle's stream. */
void view_event(struct view *view, const char *bottle, struct str line);

/* What came of a key, as words of ours with texts that are not. */
void view_say(struct view *view, const char *words, const char *id, const char *error);

/* Writes the whole screen; 0 rows or columns are taken for 24 and 80. */
void view_draw(struct view *view, unsigned rows, unsigned columns, FILE *to);

/* One line of a stream for a person, after its bottle's name, LF included. */
void view_put_line(const char *bottle, struct str line, FILE *to);

#endif
