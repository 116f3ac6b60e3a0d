/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forward: see the header. --force-with-lease names the old object of each ref and, alone, forces: whether a ref may be set to
 * what does not follow it was decided before, by the agent's git, by the rules and then by the upstream. A "+" would set it
 * whatever is there now.
 */
#define _GNU_SOURCE
#include "gate/forward.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/run.h"

#define ARGUMENTS_MAX  (16 + 2 * RELAY_OPTIONS + 2 * TALK_REFS_MAX)
#define ARGUMENTS_SIZE (1 << 20) /* bytes of all of them; a system takes twice that */

struct arguments {
    const char *list[ARGUMENTS_MAX];
    size_t count, used;
    char texts[ARGUMENTS_SIZE];
    bool over;
};

static void __attribute__((format(printf, 2, 3))) add(struct arguments *a, const char *format, ...)
{
    va_list args;
    size_t room = sizeof a->texts - a->used;

    va_start(args, format);
    int len = vsnprintf(a->texts + a->used, room, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= room || a->count + 1 >= ARGUMENTS_MAX) {
        a->over = true;
        return;
    }
    a->list[a->count++] = a->texts + a->used;
    a->used += (size_t)len + 1;
}

static bool is_zero(const char *id)
{
    return strspn(id, "0") == strlen(id);
}

static void arguments_make(struct arguments *a, const struct session *session, const struct forward *forward)
{
    add(a, "--git-dir=%s", session->git_dir);
    add(a, "push");
    add(a, "--porcelain");
    add(a, "--no-verify");
    add(a, "--no-progress");
    if (forward->atomic)
        add(a, "--atomic");
    for (size_t i = 0; i < forward->option_count; i++)
        add(a, "--push-option=%s", forward->options[i]);
    for (size_t i = 0; i < forward->count; i++)
        add(a, "--force-with-lease=%s:%s", forward->updates[i]->ref,
            is_zero(forward->updates[i]->old_id) ? "" : forward->updates[i]->old_id);
    add(a, "--end-of-options");
    add(a, "%s", session->repo->url);
    for (size_t i = 0; i < forward->count; i++)
        add(a, "%s:%s", is_zero(forward->updates[i]->new_id) ? "" : forward->updates[i]->new_id,
            forward->updates[i]->ref);
    a->list[a->count] = NULL;
}

static void settle(struct update *update, enum talk_outcome outcome, struct str reason)
{
    update->outcome = outcome;
    snprintf(update->reason, sizeof update->reason, "%.*s", (int)reason.len, reason.ptr);
}

/* The update that a line is about: by the ref that it names; or, where the upstream made another of it, by what was sent. */
static struct update *find(struct forward *forward, struct str from, struct str to)
{
    struct update *found = NULL;

    for (size_t i = 0; i < forward->count; i++)
        if (str_equal(str_of(forward->updates[i]->ref), to))
            return forward->updates[i];
    for (size_t i = 0; i < forward->count; i++) {
        struct update *u = forward->updates[i];
        if (u->outcome != 0 || from.len == 0 || !str_equal(str_of(u->new_id), from))
            continue;
        if (found != NULL)
            return NULL;
        found = u;
    }
    if (found != NULL && to.len < sizeof found->told)
        memcpy(found->told, to.ptr, to.len);
    return found;
}

void forward_line(struct forward *forward, struct str line)
{
    const char *tab = line.len > 2 && line.ptr[1] == '\t' ? memchr(line.ptr + 2, '\t', line.len - 2) : NULL;
    const char *colon = tab != NULL ? memchr(line.ptr + 2, ':', (size_t)(tab - line.ptr) - 2) : NULL;

    if (colon == NULL)
        return;
    struct str from = {line.ptr + 2, (size_t)(colon - line.ptr) - 2},
               to = {colon + 1, (size_t)(tab - colon) - 1};
    struct str summary = {tab + 1, (size_t)(line.ptr + line.len - tab) - 1};
    struct update *u = find(forward, from, to);
    if (u == NULL || u->outcome != 0)
        return;
    if (memchr("*+-= ", line.ptr[0], 5) != NULL) {
        settle(u, TALK_TAKEN, str_of(NULL));
        return;
    }
    /* "[remote rejected] (pre-receive hook declined)": what is between the parentheses is what the upstream said */
    const char *open = memmem(summary.ptr, summary.len, "] (", 3);
    bool broke = memmem(summary.ptr, summary.len, "[remote failure]", 16) != NULL;
    if (open != NULL && summary.ptr[summary.len - 1] == ')')
        summary = (struct str){open + 3, (size_t)(summary.ptr + summary.len - open) - 4};
    settle(u, broke ? TALK_UNKNOWN : TALK_DECLINED, summary);
}

static int on_line(void *ctx, struct str line)
{
    forward_line(ctx, line);
    return 0;
}

/* git's own words about what the agent's git will say by itself. */
static bool is_ours(struct str line)
{
    static const struct str ours[] = {STR("error: failed to push some refs to "), STR("To ssh://")};

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (line.len >= ours[i].len && memcmp(line.ptr, ours[i].ptr, ours[i].len) == 0)
            return true;
    return false;
}

/* A line of the upstream's has git's mark in front and, unless it is empty, eight blanks behind (sideband.c); the agent's git will
 * put its own there. Others are ssh's and git's. */
static void on_word(void *ctx, struct str line)
{
    static const struct str mark = STR("remote: "), blanks = STR("        ");
    struct forward *forward = ctx;

    if (line.len >= mark.len && memcmp(line.ptr, mark.ptr, mark.len) == 0) {
        line.ptr += mark.len;
        line.len -= mark.len;
        if (line.len >= blanks.len && memcmp(line.ptr + line.len - blanks.len, blanks.ptr, blanks.len) == 0)
            line.len -= blanks.len;
    } else if (is_ours(line)) {
        return;
    }
    dprintf(forward->words, "%.*s\n", (int)line.len, line.ptr);
}

void forward_push(struct session *session, struct forward *forward)
{
    static struct arguments arguments;
    struct run run = {.argv = arguments.list,
                      .in = RUN_NOTHING,
                      .on_line = on_line,
                      .on_word = on_word,
                      .ctx = forward,
                      .service = LEG_RECEIVE_PACK};

    arguments_make(&arguments, session, forward);
    int status = arguments.over ? -1 : run_git(session, &run);
    for (size_t i = 0; i < forward->count; i++) {
        struct update *u = forward->updates[i];
        if (u->outcome != 0)
            continue;
        if (arguments.over)
            settle(u, TALK_REFUSED,
                   str_of("the names of its refs are too long together; push fewer at a time"));
        else
            settle(u, TALK_UNKNOWN,
                   str_of(status < 0 ? "git could not be started"
                                     : "the upstream did not say what became of it"));
    }
}
