/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hostctl watch: what bottles do, live, and what they hold for a verdict. On a terminal it takes the verdict too, by one
 * key for the request that is chosen: y approves it once, n denies it. Elsewhere it writes lines and takes nothing.
 *
 * One loop over keys, signals and streams; a question to a sidecar is the only thing that it waits for. However it ends,
 * the terminal is given back as it was.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/command.h"
#include "hostctl/held.h"
#include "hostctl/held_show.h"
#include "hostctl/signals.h"
#include "hostctl/terminal.h"
#include "hostctl/watch_feed.h"
#include "hostctl/watch_view.h"

#define TICK_MS     200  /* between looks at streams that are files */
#define RESCAN_MS   2000 /* between looks for new bottles */
#define FEEDS_MAX   64
#define SCREEN      "\033[?1049h\033[?25l" /* the other screen, no cursor */
#define SCREEN_BACK "\033[?25h\033[?1049l"
#define CTRL(c)     ((c)&0x1f)

static const struct option options[] = {{0, NULL, NULL, NULL, 0, 0}};

struct watch {
    const struct command *command;
    const struct operands *operands;
    struct feed *feeds;
    size_t count;
    struct view view;
    bool screen; /* a terminal; else lines */
    bool changed, quit;
    int64_t scanned_ms;
    json_t *told; /* lines: ids of held requests that were shown */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- bottles ---- */

static struct feed *find(const struct watch *watch, const char *name)
{
    struct feed *feed = watch->feeds;

    while (feed != NULL && strcmp(feed->state.name, name) != 0)
        feed = feed->next;
    return feed;
}

static int add(struct watch *watch, const char *name, struct err *err)
{
    struct feed *feed, **at = &watch->feeds;

    if (find(watch, name) != NULL)
        return 0;
    if (watch->count >= FEEDS_MAX)
        return err_set(err, "at most %d bottles can be watched at once", FEEDS_MAX);
    feed = feed_open(name, err);
    if (feed == NULL)
        return -1;
    while (*at != NULL)
        at = &(*at)->next;
    *at = feed;
    watch->count++;
    watch->changed = true;
    return 0;
}

static int add_any(void *ctx, const char *name)
{
    struct err err;

    add(ctx, name, &err); /* what does not run has nothing to show */
    return 0;
}

/* Bottles that have ended go; when none were named, new ones come. Returns 0, or -1 with err. */
static int scan(struct watch *watch, struct err *err)
{
    for (struct feed **at = &watch->feeds; *at != NULL;) {
        struct feed *feed = *at;
        if (!feed->over) {
            at = &feed->next;
            continue;
        }
        *at = feed->next;
        feed_close(feed);
        watch->count--;
        watch->changed = true;
    }
    if (watch->operands->count > 0) {
        watch->quit = watch->quit || watch->count == 0;
        return 0;
    }
    if (watch->scanned_ms != 0 && now_ms() - watch->scanned_ms < RESCAN_MS)
        return 0;
    watch->scanned_ms = now_ms();
    return state_each(add_any, watch, err);
}

/* ---- what they say ---- */

/* Without a screen each held request is a line of its own, once. */
static void tell_held(struct watch *watch, const json_t *held)
{
    const json_t *one;
    size_t at;

    json_array_foreach(held, at, one) {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (json_object_get(watch->told, id) != NULL)
            continue;
        json_object_set_new(watch->told, id, json_true());
        printf("held %s: ", id);
        held_put(one, stdout);
        printf("\n");
    }
}

static void hear(struct watch *watch)
{
    json_t *all = json_array();
    struct str line;
    bool asked = watch->changed;
    unsigned closed = 0;

    for (struct feed *feed = watch->feeds; feed != NULL; feed = feed->next) {
        while (feed_line(feed, &line)) {
            watch->changed = true;
            if (watch->screen)
                view_event(&watch->view, feed->state.name, line);
            else
                view_put_line(feed->state.name, line, stdout);
        }
        asked = feed_ask(feed, now_ms()) || asked;
        json_array_extend(all, feed->held);
        closed += feed->closed;
        if (!watch->screen)
            tell_held(watch, feed->held);
    }
    watch->view.bottles = (unsigned)watch->count;
    watch->view.closed = closed;
    watch->changed = watch->changed || asked;
    if (asked)
        view_hold(&watch->view, all);
    else
        json_decref(all);
}

/* ---- keys ---- */

static void decide(struct watch *watch, bool approve)
{
    static const struct held_how once = {0};
    struct view *view = &watch->view;
    struct err err;

    if (view->chosen[0] == '\0')
        return;
    int status = held_decide(view->chosen, approve ? &once : NULL, "by hostctl watch", &err);
    view_say(view, approve ? "approved once: " : "denied: ", view->chosen, NULL);
    if (status != 0)
        view_say(view, approve ? "not approved: " : "not denied: ", view->chosen, err.text);
    for (struct feed *feed = watch->feeds; feed != NULL; feed = feed->next)
        feed->stale = true;
}

/* One byte, or an arrow's three. Returns the length. *verdicts: y and n count. */
static size_t key(struct watch *watch, const char *bytes, size_t len, bool *verdicts)
{
    if (len >= 3 && bytes[0] == '\033' && (bytes[1] == '[' || bytes[1] == 'O')) {
        view_move(&watch->view, bytes[2] == 'A' ? -1 : bytes[2] == 'B' ? 1 : 0);
        return 3;
    }
    switch (bytes[0]) {
    case 'y':
    case 'n':
        if (*verdicts)
            decide(watch, bytes[0] == 'y');
        *verdicts = false; /* a second one was not meant for what is chosen next */
        break;
    case 'k':
        view_move(&watch->view, -1);
        break;
    case 'j':
        view_move(&watch->view, 1);
        break;
    case 'q':
    case CTRL('c'):
    case CTRL('d'):
        watch->quit = true;
        break;
    default:
        break;
    }
    return 1;
}

static void keys(struct watch *watch, bool verdicts)
{
    char bytes[64];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        watch->quit = true;
    for (size_t at = 0; got > 0 && at < (size_t)got && !watch->quit;)
        at += key(watch, bytes + at, (size_t)got - at, &verdicts);
    watch->changed = true;
}

/* ---- the loop ---- */

static void draw(struct watch *watch)
{
    unsigned rows, columns;
    bool fresh = watch->view.fresh;

    if (!watch->changed)
        return;
    watch->changed = false;
    terminal_size(&rows, &columns);
    if (watch->screen)
        view_draw(&watch->view, rows, columns, stdout);
    if (fflush(stdout) != 0)
        watch->quit = true;
    struct pollfd typed = {.fd = STDIN_FILENO, .events = POLLIN};
    if (watch->screen && fresh && poll(&typed, 1, 0) > 0)
        keys(watch, false); /* a verdict from before it could be seen was not meant for it */
}

static void signals(struct watch *watch)
{
    int number;

    while (signals_take(signals_interrupt_fd()) != 0)
        watch->quit = true;
    while ((number = signals_take(signals_event_fd())) != 0)
        watch->changed = watch->changed || number == SIGWINCH;
}

static void wait(struct watch *watch)
{
    struct pollfd fds[FEEDS_MAX + 3] = {{.fd = signals_interrupt_fd(), .events = POLLIN},
                                        {.fd = signals_event_fd(), .events = POLLIN},
                                        {.fd = watch->screen ? STDIN_FILENO : -1, .events = POLLIN}};
    nfds_t count = 3;

    for (struct feed *feed = watch->feeds; feed != NULL; feed = feed->next)
        fds[count++] = (struct pollfd){.fd = feed_fd(feed), .events = POLLIN};
    if (poll(fds, count, TICK_MS) > 0 && fds[2].revents != 0)
        keys(watch, true);
    signals(watch);
}

static int loop(struct watch *watch, struct err *err)
{
    while (!watch->quit) {
        if (scan(watch, err) != 0)
            return -1;
        hear(watch);
        draw(watch);
        if (!watch->quit)
            wait(watch);
    }
    return 0;
}

static bool on_screen;

static void screen_back(void)
{
    static const char back[] = SCREEN_BACK;

    if (on_screen && write(STDOUT_FILENO, back, sizeof back - 1) < 0)
        return; /* it is gone */
    on_screen = false;
}

static int watch_screen(struct watch *watch, struct err *err)
{
    if (terminal_raw(err) != 0)
        return -1;
    on_screen = true;
    if (atexit(screen_back) != 0)
        watch->quit = true;
    printf(SCREEN);
    watch->changed = true;
    int status = loop(watch, err);
    fflush(stdout);
    screen_back();
    terminal_restore();
    return status;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct operands operands;
    struct watch watch = {.command = command, .operands = &operands, .screen = terminal_wanted()};
    struct err err;
    int status = 0;

    if (options_parse(options, argc, argv, &watch, &operands, &err) != 0)
        return command_usage(command, &err);
    if (operands.command != NULL) {
        err_set(&err, "takes names of bottles only");
        return command_usage(command, &err);
    }
    view_init(&watch.view);
    watch.told = json_object();
    status = signals_open(&err);
    for (size_t i = 0; i < operands.count && status == 0; i++)
        status = add(&watch, operands.names[i], &err);
    if (status == 0)
        status = watch.screen ? watch_screen(&watch, &err) : loop(&watch, &err);
    while (watch.feeds != NULL) {
        struct feed *feed = watch.feeds;
        watch.feeds = feed->next;
        feed_close(feed);
    }
    json_decref(watch.told);
    view_fini(&watch.view);
    return status == 0 ? EXIT_OK : command_fail(command, &err);
}

const struct command cmd_watch = {
    "watch", "[NAME...]", "Show what bottles do, live, and decide what they hold", options, "BOTTLE...", run};
