/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_refs: see push_refs.h. The names are the push's, and nobody has looked at them yet. */
#include "gate/push_refs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/glob.h"
#include "gate/push_found.h"
#include "gate/push_objects.h"
#include "gate/push_paths.h"
#include "gate/push_refname.h"
#include "gate/push_scan.h"
#include "gate/push_walk.h"

#define FOLLOW_MAX 1024 /* refs that move, each of which git is asked about */
#define NAMED_MAX  16   /* refs that git is asked for by name; for more it lists all */

static struct push_place place_of(size_t update)
{
    return (struct push_place){.surface = "ref name", .update = (int)update};
}

/* `word` stands behind the text. */
static void refuse(struct push_run *run, size_t update, const char *rule, const char *text, const char *word)
{
    struct push_place place = place_of(update);
    struct push_finding *found = push_found_add(run, PUSH_REF_RULE, rule, &place, 0);

    if (found != NULL)
        snprintf(found->text, sizeof found->text, "git-gate.repos.%s.push.%s %s%s", run->in->repo->name, rule,
                 text, word);
}

static bool is_zero(const char *id)
{
    return id[strspn(id, "0")] == '\0';
}

static bool is_id(const struct push_run *run, const char *id)
{
    uint8_t bytes[PUSH_ID_BYTES];

    return push_id_read(id, strlen(id), bytes) == run->id_bytes;
}

static const char *first_match(const struct gate_patterns *patterns, const char *ref)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (glob_match(str_of(patterns->list[i]), str_of(ref), 0))
            return patterns->list[i];
    return NULL;
}

static void refuse_name(struct push_run *run, size_t update, const char *why)
{
    struct push_place place = place_of(update);
    struct push_finding *found = push_found_add(run, PUSH_REF_RULE, "name", &place, 0);

    if (found != NULL)
        snprintf(found->text, sizeof found->text, "%s", why);
}

static void judge_name(struct push_run *run, size_t i)
{
    const struct push_update *update = &run->in->updates[i];
    const struct gate_push *rules = &run->in->repo->push;

    if (!push_refname_good(update->ref) || strlen(update->ref) > PUSH_REF_MAX) {
        refuse_name(run, i, "it is no name of a ref below refs/ (git-check-ref-format(1))");
        return;
    }
    const char *deny = first_match(&rules->deny, update->ref);
    if (deny != NULL)
        refuse(run, i, "deny", "has ", deny);
    else if (rules->allow.count > 0 && first_match(&rules->allow, update->ref) == NULL)
        refuse(run, i, "allow", "does not have it", "");
    if (is_zero(update->new_id) && rules->no_delete)
        refuse(run, i, "delete", "is false: no ref may be deleted", "");
}

static uint64_t pack_bytes(const struct push_run *run)
{
    char path[4096];
    struct stat stat;
    uint64_t bytes = 0;

    if (run->git.quarantine == NULL)
        return 0;
    snprintf(path, sizeof path, "%s/pack", run->git.quarantine);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".pack") == 0 &&
            fstatat(dirfd(dir), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += (uint64_t)stat.st_size;
    }
    closedir(dir);
    return bytes;
}

static int scan_words(struct push_run *run)
{
    for (size_t i = 0; i < run->in->update_count; i++) {
        struct push_place place = place_of(i);
        if (push_paths_scan(run, &place, str_of(run->in->updates[i].ref)) != 0)
            return -1;
    }
    for (size_t i = 0; i < run->in->option_count; i++) {
        struct push_place place = {.surface = "push option",
                                   .update = -1,
                                   .head = strlen(run->in->options[i]),
                                   .head_surface = "push option"};
        if (push_scan_text(run, &place, str_of(run->in->options[i])) != 0)
            return -1;
    }
    return 0;
}

int push_refs_judge(struct push_run *run)
{
    const struct push_check_input *in = run->in;

    if (in->update_count == 0 || in->update_count > PUSH_UPDATES_MAX)
        return push_fail(run, "a push of %zu refs", in->update_count);
    run->id_bytes = strlen(in->updates[0].new_id) / 2;
    for (size_t i = 0; i < in->update_count; i++) {
        if (!is_id(run, in->updates[i].old_id) || !is_id(run, in->updates[i].new_id))
            return push_fail(run, "a ref's id is none");
        push_show(run, str_of(in->updates[i].ref), run->check->refs[i], PUSH_SHOWN);
    }
    for (size_t i = 0; i < in->update_count && !run->over; i++)
        judge_name(run, i);
    run->check->pack_bytes = pack_bytes(run);
    uint64_t max = (uint64_t)in->repo->push.max_pack_mb << 20;
    if (max > 0 && run->check->pack_bytes > max) {
        struct push_place place = {.surface = "push", .update = -1};
        struct push_finding *found = push_found_add(run, PUSH_SIZE, "max_pack_mb", &place, 0);
        if (found != NULL)
            snprintf(found->text, sizeof found->text,
                     "the pack has %llu bytes, and git-gate.repos.%s.push.max_pack_mb is %u",
                     (unsigned long long)run->check->pack_bytes, in->repo->name, in->repo->push.max_pack_mb);
    }
    return scan_words(run);
}

/* Updates by their refs' names, of those that are to be there. */
struct sought {
    size_t *updates, count;
    bool *there; /* of each update */
    const struct push_update *all;
};

static int by_name(const void *one, const void *other, void *all)
{
    const struct push_update *updates = all;

    return strcmp(updates[*(const size_t *)one].ref, updates[*(const size_t *)other].ref);
}

static int on_there(struct push_run *run, struct str line, void *user)
{
    struct sought *sought = user;
    size_t low = 0, high = sought->count;

    (void)run;
    while (low < high) { /* the first that is not before it: a push may name a ref twice */
        size_t middle = low + (high - low) / 2;
        if (str_order(str_of(sought->all[sought->updates[middle]].ref), line) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < sought->count && str_equal(str_of(sought->all[sought->updates[low]].ref), line); low++)
        sought->there[sought->updates[low]] = true;
    return 0;
}

/* Lists refs of the mirror: a few by name (and what is below them), or all. */
static int list(struct push_run *run, struct sought *sought)
{
    const char *ask[2 + NAMED_MAX + 1] = {"for-each-ref", "--format=%(refname)"};
    struct push_child child;

    for (size_t i = 0; sought->count <= NAMED_MAX && i < sought->count; i++)
        ask[2 + i] = sought->all[sought->updates[i]].ref;
    if (push_git_start(&run->git, PUSH_IN_MIRROR, ask, -1, -1, &child, &run->check->error) != 0)
        return push_fail(run, NULL);
    int status = push_each_line(run, &child, "git for-each-ref", on_there, sought);
    push_child_stop(&child);
    return status;
}

int push_refs_exist(struct push_run *run)
{
    size_t count = run->in->update_count;
    struct sought sought = {.updates = calloc(count, sizeof *sought.updates),
                            .there = calloc(count, sizeof *sought.there),
                            .all = run->in->updates};
    int status = sought.updates != NULL && sought.there != NULL ? 0 : push_fail(run, "no memory");

    for (size_t i = 0; status == 0 && i < count; i++)
        if (!is_zero(run->in->updates[i].old_id))
            sought.updates[sought.count++] = i;
    if (status == 0 && sought.count > 0) {
        qsort_r(sought.updates, sought.count, sizeof *sought.updates, by_name, (void *)(uintptr_t)sought.all);
        status = list(run, &sought);
    }
    for (size_t i = 0; status == 0 && i < sought.count; i++)
        if (!sought.there[sought.updates[i]])
            refuse_name(run, sought.updates[i],
                        "the upstream has no ref of this name that could move; fetch first");
    free(sought.updates);
    free(sought.there);
    return status;
}

/* Whether `old` is an ancestor of `new`: 1, 0 (also when one of them is no commit), or -1: the run has failed. */
static int is_ancestor(struct push_run *run, const char *old, const char *new)
{
    const char *ask[] = {"merge-base", "--is-ancestor", old, new, NULL};
    struct push_child child;

    if (push_git_start(&run->git, PUSH_IN_BOTH, ask, -1, -1, &child, &run->check->error) != 0)
        return push_fail(run, NULL);
    int status = push_child_end(&child, push_time(run));
    return status < 0 ? push_fail(run, "git merge-base did not end") : status == 0;
}

int push_refs_follow(struct push_run *run)
{
    size_t asked = 0;

    for (size_t i = 0; run->in->repo->push.no_force && i < run->in->update_count && !run->over; i++) {
        const struct push_update *update = &run->in->updates[i];
        if (is_zero(update->old_id) || is_zero(update->new_id) || strcmp(update->old_id, update->new_id) == 0)
            continue;
        if (++asked > FOLLOW_MAX)
            return push_fail(run, "more than %d refs move", FOLLOW_MAX);
        bool tag = strncmp(update->ref, "refs/tags/", 10) == 0; /* a tag that moves is forced, wherever to */
        int follows = tag ? 0 : is_ancestor(run, update->old_id, update->new_id);
        if (follows < 0)
            return -1;
        if (!follows)
            refuse(run, i, "force", "is false: a ref may only move to what follows it",
                   tag ? ", and a tag not at all" : "");
    }
    return 0;
}

/* "COMMIT ID": the commit, and the id of the ref's that git came to it by. */
static int on_source(struct push_run *run, struct str line, void *user)
{
    size_t digits = 2 * run->id_bytes;

    if (line.len != 2 * digits + 1 || line.ptr[digits] != ' ')
        return push_fail(run, "git log: a line that is no commit");
    for (size_t i = 0; i < run->check->count; i++) {
        struct push_finding *f = &run->check->findings[i];
        if (f->ref[0] != '\0' || memcmp(f->commit, line.ptr, digits) != 0)
            continue;
        for (size_t u = 0; u < run->in->update_count && f->ref[0] == '\0'; u++)
            if (memcmp(run->in->updates[u].new_id, line.ptr + digits + 1, digits) == 0)
                memcpy(f->ref, run->check->refs[u], PUSH_SHOWN);
    }
    return 0;
}

int push_refs_of_findings(struct push_run *run)
{
    const char *log[] = {"log", "--stdin", "--not", "--all", "--format=%H %S", NULL};
    struct push_child child;
    size_t sought = 0;

    for (size_t i = 0; i < run->check->count; i++) {
        struct push_finding *f = &run->check->findings[i];
        for (size_t u = 0; u < run->in->update_count && f->object[0] != '\0' && f->ref[0] == '\0'; u++)
            if (strcmp(run->in->updates[u].new_id, f->object) == 0)
                memcpy(f->ref, run->check->refs[u], PUSH_SHOWN);
        sought += f->ref[0] == '\0' && f->commit[0] != '\0';
    }
    int in = sought > 0 ? push_walk_tips(run, "") : -1;
    if (in < 0)
        return sought > 0 ? -1 : 0;
    run->over = false;
    int status = push_git_start(&run->git, PUSH_IN_BOTH, log, in, -1, &child, &run->check->error) == 0
                     ? push_each_line(run, &child, "git log", on_source, NULL)
                     : push_fail(run, NULL);
    push_child_stop(&child);
    close(in);
    return status;
}
