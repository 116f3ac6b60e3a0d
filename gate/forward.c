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

#include "gate/porcelain.h"
#include "gate/push_check.h"
#include "gate/run.h"

#define COMMITS_MANY   1000 /* of a push; then their trees are more than those of the commit before them */
#define ARGUMENTS_MAX  (24 + 2 * RELAY_OPTIONS + 2 * TALK_REFS_MAX)
#define ARGUMENTS_SIZE (1 << 20) /* bytes of all of them; a system takes twice that */
/* Behind an object's id (gitrevisions(7)): no ref has such a name. git push would take one that is named as the id for what is to go. */
#define ITSELF         "^{object}"

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
    if (session->check != NULL && session->check->commits >= COMMITS_MANY) {
        add(a, "-c");
        add(a, "pack.useSparse=false");
    }
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
        add(a, "%s%s:%s", is_zero(forward->updates[i]->new_id) ? "" : forward->updates[i]->new_id,
            is_zero(forward->updates[i]->new_id) ? "" : ITSELF, forward->updates[i]->ref);
    a->list[a->count] = NULL;
}

static void settle(struct update *update, enum talk_outcome outcome, struct str reason)
{
    update->outcome = outcome;
    snprintf(update->reason, sizeof update->reason, "%.*s", (int)reason.len, reason.ptr);
}

static bool is_sent_as(const struct update *update, struct str from)
{
    size_t len = strlen(update->new_id);

    return from.len == len + sizeof ITSELF - 1 && memcmp(from.ptr, update->new_id, len) == 0 &&
           memcmp(from.ptr + len, ITSELF, sizeof ITSELF - 1) == 0;
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
        if (u->outcome != 0 || !is_sent_as(u, from))
            continue;
        if (found != NULL)
            return NULL;
        found = u;
    }
    if (found != NULL && to.len < sizeof found->told)
        memcpy(found->told, to.ptr, to.len);
    return found;
}

static int on_line(void *ctx, struct str line)
{
    static const enum talk_outcome outcomes[] = {[PORCELAIN_TAKEN] = TALK_TAKEN,
                                                 [PORCELAIN_DECLINED] = TALK_DECLINED,
                                                 [PORCELAIN_BROKEN] = TALK_UNKNOWN};
    struct porcelain_ref ref;
    struct update *u = porcelain_read(line, &ref) == 0 ? find(ctx, ref.from, ref.to) : NULL;

    if (u != NULL && u->outcome == 0)
        settle(u, outcomes[ref.outcome], ref.reason);
    return 0;
}

static void on_word(void *ctx, struct str line)
{
    const struct forward *forward = ctx;
    struct str word;

    if (porcelain_word(line, &word))
        dprintf(forward->words, "%.*s\n", (int)word.len, word.ptr);
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
