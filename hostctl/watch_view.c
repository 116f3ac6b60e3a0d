/* SPDX-License-Identifier: GPL-3.0-or-later */
/* watch_view: see watch_view.h. The control sequences are those of ECMA-48 that every terminal has. */
#include "hostctl/watch_view.h"

#include <stdlib.h>
#include <string.h>

#include "hostctl/audit_show.h"
#include "hostctl/escape.h"
#include "hostctl/held_show.h"

#define HOME     "\033[H"
#define LINE_END "\033[K\r\n"
#define CLEAR    "\033[J"
#define BOLD     "\033[1m"
#define REVERSE  "\033[7m"
#define PLAIN    "\033[0m"
#define ROW_MAX  4096

void view_init(struct view *view)
{
    *view = (struct view){.held = json_array()};
}

void view_fini(struct view *view)
{
    for (size_t i = 0; i < VIEW_EVENTS; i++)
        free(view->events[i]);
    json_decref(view->held);
}

static const char *id_at(const struct view *view, size_t at)
{
    const char *id = json_string_value(json_object_get(json_array_get(view->held, at), "id"));

    return id != NULL ? id : "";
}

/* The place of what is chosen; the list's length when it is not in it. */
static size_t chosen_at(const struct view *view)
{
    size_t at = 0;

    while (at < json_array_size(view->held) && strcmp(id_at(view, at), view->chosen) != 0)
        at++;
    return at;
}

static void choose(struct view *view, size_t at)
{
    snprintf(view->chosen, sizeof view->chosen, "%s", id_at(view, at));
}

void view_hold(struct view *view, json_t *held)
{
    json_decref(view->held);
    view->held = held;
    if (chosen_at(view) < json_array_size(held))
        return;
    choose(view, 0);
    view->fresh = view->chosen[0] != '\0';
}

void view_move(struct view *view, int step)
{
    size_t at = chosen_at(view), count = json_array_size(view->held);

    if (step < 0 && at > 0)
        choose(view, at - 1);
    if (step > 0 && at + 1 < count)
        choose(view, at + 1);
}

void view_put_line(const char *bottle, struct str line, FILE *to)
{
    static const struct audit_filter all = {.deny = false};

    fprintf(to, "%s: ", bottle);
    audit_show(&all, false, line, to);
}

void view_event(struct view *view, const char *bottle, struct str line)
{
    char **slot = &view->events[view->event_count++ % VIEW_EVENTS];
    size_t size = 0;

    free(*slot);
    *slot = NULL;
    FILE *to = open_memstream(slot, &size);
    if (to == NULL)
        return;
    view_put_line(bottle, line, to);
    if (fclose(to) == 0 && size > 0)
        (*slot)[strcspn(*slot, "\n")] = '\0';
}

void view_say(struct view *view, const char *words, const char *id, const char *error)
{
    FILE *to = fmemopen(view->said, sizeof view->said - 1, "w");

    memset(view->said, 0, sizeof view->said);
    if (to == NULL)
        return;
    fprintf(to, "%s", words);
    escape_put(to, id, true);
    if (error != NULL) {
        fputs(": ", to);
        escape_put(to, error, true);
    }
    fclose(to);
}

/* What fits of a text that is printable ASCII. */
static void put_cut(const char *text, unsigned columns, FILE *to)
{
    fprintf(to, "%.*s", (int)columns, text);
}

static void draw_held(const struct view *view, size_t at, unsigned columns, FILE *to)
{
    const json_t *held = json_array_get(view->held, at);
    bool chosen = strcmp(id_at(view, at), view->chosen) == 0;
    char line[ROW_MAX] = "";
    FILE *text = fmemopen(line, sizeof line - 1, "w");

    if (text == NULL)
        return;
    fprintf(text, "%s %-16s %4llds  ", chosen ? ">" : " ", id_at(view, at),
            (long long)json_integer_value(json_object_get(held, "waited_s")));
    held_put(held, text);
    fclose(text);
    if (chosen)
        fputs(REVERSE, to);
    put_cut(line, columns, to);
    fputs(chosen ? PLAIN LINE_END : LINE_END, to);
}

static void draw_head(const struct view *view, unsigned columns, FILE *to)
{
    char line[200], closed[32] = "";

    if (view->closed > 0)
        snprintf(closed, sizeof closed, ", %u CLOSED", view->closed);
    snprintf(line, sizeof line,
             "stopper watch: %u bottle%s, %zu held%s   y approve once, n deny, arrows choose, q quit",
             view->bottles, view->bottles == 1 ? "" : "s", json_array_size(view->held), closed);
    fputs(HOME BOLD, to);
    put_cut(line, columns, to);
    fputs(PLAIN LINE_END, to);
}

/* A head, what is held in at most half of the rows, a rule with what came of the last key, events. */
void view_draw(struct view *view, unsigned rows, unsigned columns, FILE *to)
{
    size_t count = json_array_size(view->held), at = chosen_at(view), first = 0;
    char rule[ROW_MAX];

    rows = rows > 0 ? rows : 24;
    columns = columns > 0 && columns < sizeof rule ? columns : 80;
    size_t room = rows > 4 ? (rows - 2) / 2 : 1;
    draw_head(view, columns, to);
    if (at < count && at >= room)
        first = at - room + 1;
    size_t shown = count - first < room ? count - first : room;
    for (size_t i = 0; i < shown; i++)
        draw_held(view, first + i, columns, to);
    snprintf(rule, sizeof rule, "-- %s ", view->said[0] != '\0' ? view->said : "events");
    size_t len = strlen(rule);
    memset(rule + len, '-', sizeof rule - len - 1);
    rule[sizeof rule - 1] = '\0';
    put_cut(rule, columns, to);
    size_t left = rows > shown + 2 ? rows - shown - 2 : 0;
    size_t kept = view->event_count < VIEW_EVENTS ? view->event_count : VIEW_EVENTS;
    size_t begin = view->event_count - (left < kept ? left : kept);
    for (size_t i = begin; i < view->event_count; i++) {
        const char *event = view->events[i % VIEW_EVENTS];
        fputs(LINE_END, to);
        put_cut(event != NULL ? event : "", columns, to);
    }
    fputs("\033[K" CLEAR, to);
    view->fresh = false;
}
