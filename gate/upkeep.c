/* SPDX-License-Identifier: GPL-3.0-or-later */
/* upkeep: see the header. git writes each file under another name and then moves it, so one that was killed has changed nothing. */
#include "gate/upkeep.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "gate/run.h"

#define BYTES_MIN (UINT64_C(1) << 20) /* of all packs: below it nothing takes long */
#define PACKS_NEW 10                  /* that the bitmap does not have yet */
#define SHARE_NEW 4                   /* or one part in so many of all bytes */

struct packs {
    uint64_t bytes, new_bytes; /* of all; of those that have come since */
    size_t new_count;
    uint64_t largest;
    char name[NAME_MAX + 1]; /* the largest's */
    bool has_bitmap;
};

static bool matches(const char *name, const char *head, const char *tail)
{
    size_t len = strlen(name);

    return len > strlen(head) + strlen(tail) && strncmp(name, head, strlen(head)) == 0 &&
           strcmp(name + len - strlen(tail), tail) == 0;
}

static bool is_later(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec != other->tv_sec ? one->tv_sec > other->tv_sec : one->tv_nsec > other->tv_nsec;
}

static void look(const struct session *session, struct packs *packs)
{
    char path[sizeof session->git_dir + sizeof "/objects/pack/" + NAME_MAX];
    int folder = snprintf(path, sizeof path, "%s/objects/pack/", session->git_dir);
    struct stat index = {0}, pack;
    DIR *dir = opendir(path);

    *packs = (struct packs){.bytes = 0};
    snprintf(path + folder, sizeof path - (size_t)folder, "multi-pack-index");
    bool done = stat(path, &index) == 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        packs->has_bitmap |= done && matches(entry->d_name, "multi-pack-index-", ".bitmap");
        snprintf(path + folder, sizeof path - (size_t)folder, "%s", entry->d_name);
        if (!matches(entry->d_name, "pack-", ".pack") || stat(path, &pack) != 0)
            continue;
        uint64_t size = (uint64_t)pack.st_size;
        packs->bytes += size;
        if (is_later(&pack.st_mtim, &index.st_mtim)) {
            packs->new_bytes += size;
            packs->new_count++;
        }
        if (size > packs->largest) {
            packs->largest = size;
            snprintf(packs->name, sizeof packs->name, "%s", entry->d_name);
        }
    }
    if (dir != NULL)
        closedir(dir);
}

/* Of a history that is cut off git makes no bitmap. */
static bool is_shallow(const struct session *session)
{
    char path[sizeof session->git_dir + sizeof "/shallow"];
    struct stat status;

    snprintf(path, sizeof path, "%s/shallow", session->git_dir);
    return stat(path, &status) == 0;
}

bool upkeep_wanted(const struct session *session)
{
    struct packs packs;

    look(session, &packs);
    return packs.bytes >= BYTES_MIN && !is_shallow(session) &&
           (!packs.has_bitmap || packs.new_count > PACKS_NEW || packs.new_bytes > packs.bytes / SHARE_NEW);
}

static int git(struct session *session, const char *const *argv, struct err *err)
{
    struct run run = {.argv = argv, .in = RUN_NOTHING, .out = RUN_NOTHING, .keeps = true};

    session->words_len = 0;
    session->words[0] = '\0';
    if (run_git(session, &run) == 0)
        return 0;
    session->words[strcspn(session->words, "\n")] = '\0';
    return err_set(err, "git %s: %s", argv[2], session->words);
}

int upkeep(struct session *session, struct err *err)
{
    char preferred[NAME_MAX + sizeof "--preferred-pack="];
    const char *const bitmap[] = {"--git-dir", session->git_dir, "multi-pack-index", "write",
                                  "--bitmap",  "--no-progress",  preferred,          NULL};
    const char *const graph[] = {
        "--git-dir", session->git_dir, "commit-graph", "write", "--reachable", "--no-progress", NULL};
    struct packs packs;

    session->deadline_ms = session_now_ms() + UPKEEP_SECONDS * UINT64_C(1000);
    if (setpriority(PRIO_PROCESS, 0, PRIO_MAX - 1) != 0)
        return err_set_errno(err, "setpriority");
    look(session, &packs);
    if (packs.largest == 0)
        return 0;
    snprintf(preferred, sizeof preferred, "--preferred-pack=%s",
             packs.name); /* the one that is copied as it lies */
    return git(session, bitmap, err) == 0 ? git(session, graph, err) : -1;
}
