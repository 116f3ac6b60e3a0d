/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * refresh: see the header. Two commands when nothing has changed: what the mirror has (for-each-ref) is compared, line by line,
 * with what the upstream has (ls-remote), in the order in which both list refs. Whatever differs, also only in order, is fetched:
 * git is who judges refs and objects, here is only found out whether it is needed. The first time it is git clone, which writes
 * all refs into one file (packed-refs), and knows that the pack is whole without walking all that is in it; then git fetch.
 */
#define _GNU_SOURCE
#include "gate/refresh.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "gate/run.h"
#include "gate/sweep.h"

#define REFS_MAX  (64 << 20) /* bytes of refs that are compared; beyond them every request fetches */
#define REF_COUNT 300000     /* refs of an upstream: git takes 1 KiB of memory for each */
#define NEW_MAX                                                                                              \
    100000 /* that differ: git fetch writes each into a file of its own; beyond them the mirror is made again */
#define LOOSE_MAX 256    /* refs in files of their own; beyond them they are packed into one */
#define DEPTH_MAX 64     /* folders in each other, as in gate/sweep.c */
#define PACKS_MAX 50     /* packs of a mirror; beyond them they are put together */
#define LOOK_MS   120000 /* that an upstream may take to say which refs it has */
#define HEAD_MAX  1100   /* bytes of the file HEAD */

struct look {
    struct buf known; /* "ID REF\n", what the mirror has */
    size_t at;        /* how far the upstream's list has come in it */
    size_t count, differing,
        gone;  /* of the upstream's; of those that are new or moved; of the mirror's that it has not */
    bool over; /* there were too many to compare */
    char head[TALK_REF_MAX]; /* the branch that the upstream's HEAD is, or "" */
    char head_id[TALK_ID];   /* its object, or "" */
};

static bool take(struct str *line, const char *with)
{
    size_t len = strlen(with);

    if (line->len < len || memcmp(line->ptr, with, len) != 0)
        return false;
    line->ptr += len;
    line->len -= len;
    return true;
}

static int copy(char *to, size_t size, struct str from)
{
    if (from.len >= size)
        return -1;
    memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
    return 0;
}

static int on_known(void *ctx, struct str line)
{
    struct look *look = ctx;

    if (buf_append(&look->known, line.ptr, line.len) != 0 || buf_append(&look->known, "\n", 1) != 0)
        look->over = true;
    return 0;
}

/* The next that the mirror has. Returns how many bytes it takes, or 0 when there is none. */
static size_t next_known(const struct look *look, struct str *id, struct str *ref)
{
    struct str known = buf_str(&look->known);
    const char *at = known.ptr + look->at;
    const char *end = look->at < known.len ? memchr(at, '\n', known.len - look->at) : NULL;
    const char *blank = end != NULL ? memchr(at, ' ', (size_t)(end - at)) : NULL;

    if (blank == NULL)
        return 0;
    *id = (struct str){at, (size_t)(blank - at)};
    *ref = (struct str){blank + 1, (size_t)(end - blank - 1)};
    return (size_t)(end - at) + 1;
}

/* "ID TAB REF": has the mirror the same? Peeled tags and HEAD are no refs of their own. One that differs does not make those behind it
 * differ. */
static void compare(struct look *look, struct str id, struct str ref)
{
    struct str known_id, known_ref;
    size_t len;
    int order = 1;

    if (ref.len >= 3 && memcmp(ref.ptr + ref.len - 3, "^{}", 3) == 0)
        return;
    look->count++;
    while ((len = next_known(look, &known_id, &known_ref)) > 0 && (order = str_order(known_ref, ref)) < 0) {
        look->gone++;
        look->at += len;
    }
    if (len == 0 || order != 0) {
        look->differing++;
        return;
    }
    look->at += len;
    if (!str_equal(known_id, id))
        look->differing++;
}

static int on_remote(void *ctx, struct str line)
{
    struct look *look = ctx;
    const char *tab = memchr(line.ptr, '\t', line.len);

    if (tab == NULL)
        return 0;
    struct str ref = {tab + 1, (size_t)(line.ptr + line.len - tab - 1)};
    struct str id = {line.ptr, (size_t)(tab - line.ptr)};
    if (take(&id, "ref: ")) {
        if (str_equal(ref, str_of("HEAD")) &&
            (copy(look->head, sizeof look->head, id) != 0 || !take(&id, "refs/")))
            look->head[0] = '\0';
        return 0;
    }
    if (id.len != 40 && id.len != 64)
        return -1;
    if (str_equal(ref, str_of("HEAD")))
        return copy(look->head_id, sizeof look->head_id, id);
    compare(look, id, ref);
    return look->count > REF_COUNT ? -1 : 0; /* git is killed: no more of them is read */
}

static int git(struct session *session, const char *const *argv)
{
    struct run run = {.argv = argv, .in = RUN_NOTHING, .out = RUN_NOTHING, .service = LEG_UPLOAD_PACK};

    return run_git(session, &run);
}

/* What git says last itself, whatever was wrong. The words before it, ssh's and the upstream's, are what helps. */
static bool is_refrain(const char *line)
{
    static const char *const refrains[] = {"fatal: Could not read from remote repository.",
                                           "Please make sure you have the correct access rights",
                                           "and the repository exists.",
                                           "fatal: the remote end hung up unexpectedly", ""};

    for (size_t i = 0; i < sizeof refrains / sizeof refrains[0]; i++)
        if (strcmp(line, refrains[i]) == 0)
            return true;
    return false;
}

static int failed(struct session *session, struct err *err)
{
    char words[SESSION_WORDS_MAX] = "", *save = NULL;

    for (char *line = strtok_r(session->words, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (is_refrain(line))
            continue;
        size_t len = strlen(words);
        snprintf(words + len, sizeof words - len, "%s%s", len > 0 ? "\n" : "", line);
    }
    session->words_len = 0;
    return err_set(err, "the upstream %s cannot be read: %s", session->repo->url,
                   words[0] != '\0' ? words : "it closed the connection without a word");
}

/* The mirror that is there goes: there would be too much to change in it. Who reads in it now may fail, and ask again. */
static int discard(const struct session *session)
{
    char old[sizeof session->git_dir + sizeof SWEEP_OLD];

    snprintf(old, sizeof old, "%s" SWEEP_OLD, session->git_dir);
    if (sweep_beside(session->git_dir, SWEEP_OLD) != 0 || rename(session->git_dir, old) != 0)
        return -1;
    return sweep_beside(session->git_dir, SWEEP_OLD);
}

/* Made under another name: what has the right one is whole. The upstream is no remote of it: its URL is the policy's to say. */
static int make(struct session *session, struct err *err)
{
    char fresh[sizeof session->git_dir + sizeof SWEEP_NEW], config[sizeof fresh + sizeof "/config"];
    const char *const clone[] = {
        "clone", "--quiet", "--mirror", "--template=", "--end-of-options", session->repo->url, fresh, NULL};
    const char *const forget[] = {"config", "--file", config, "--remove-section", "remote.origin", NULL};

    snprintf(fresh, sizeof fresh, "%s" SWEEP_NEW, session->git_dir);
    snprintf(config, sizeof config, "%s/config", fresh);
    if (sweep_beside(session->git_dir, SWEEP_NEW) != 0)
        return err_set(err, "the mirror cannot be made");
    if (git(session, clone) != 0)
        return failed(session, err);
    return git(session, forget) == 0 && rename(fresh, session->git_dir) == 0
               ? 0
               : err_set(err, "the mirror cannot be made");
}

static int head_now(const struct session *session, char head[HEAD_MAX])
{
    char path[sizeof session->git_dir + 8];

    snprintf(path, sizeof path, "%s/HEAD", session->git_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, head, HEAD_MAX - 1) : -1;
    if (fd >= 0)
        close(fd);
    head[got > 0 ? got : 0] = '\0';
    head[strcspn(head, "\n")] = '\0';
    return got > 0 ? 0 : -1;
}

/* HEAD follows the upstream's: a branch, or a bare commit. Without one (an empty repository) it stays. */
static int head_set(struct session *session, const struct look *look)
{
    char head[HEAD_MAX], wanted[HEAD_MAX];
    const char *const branch[] = {"--git-dir", session->git_dir, "symbolic-ref", "HEAD", look->head, NULL};
    const char *const commit[] = {"--git-dir", session->git_dir, "update-ref", "--no-deref",
                                  "HEAD",      look->head_id,    NULL};

    if (look->head[0] == '\0' && look->head_id[0] == '\0')
        return 0;
    snprintf(wanted, sizeof wanted, "%s%s", look->head[0] != '\0' ? "ref: " : "",
             look->head[0] != '\0' ? look->head : look->head_id);
    if (head_now(session, head) == 0 && strcmp(head, wanted) == 0)
        return 0;
    return git(session, look->head[0] != '\0' ? branch : commit);
}

static int fetch(struct session *session, struct err *err)
{
    const char *const argv[] = {"--git-dir",
                                session->git_dir,
                                "fetch",
                                "--quiet",
                                "--prune",
                                "--force",
                                "--no-tags",
                                "--no-write-fetch-head",
                                "--no-show-forced-updates",
                                "--no-auto-maintenance",
                                "--no-recurse-submodules",
                                "--end-of-options",
                                session->repo->url,
                                "+refs/*:refs/*",
                                NULL};

    return git(session, argv) == 0 ? 0 : failed(session, err);
}

static int look_at_mirror(struct session *session, struct look *look)
{
    const char *const argv[] = {"--git-dir", session->git_dir, "for-each-ref",
                                "--format=%(objectname) %(refname)", NULL};
    struct run run = {.argv = argv, .in = RUN_NOTHING, .on_line = on_known, .ctx = look};

    return run_git(session, &run);
}

static int look_at_upstream(struct session *session, struct look *look, struct err *err)
{
    const char *const argv[] = {"ls-remote",        "--quiet",          "--symref",
                                "--end-of-options", session->repo->url, NULL};
    struct run run = {.argv = argv,
                      .in = RUN_NOTHING,
                      .on_line = on_remote,
                      .ctx = look,
                      .limit_ms = LOOK_MS,
                      .service = LEG_UPLOAD_PACK};

    int status = run_git(session, &run);
    if (look->count > REF_COUNT)
        return err_set(err, "the upstream %s has more than %d refs, which the gate does not mirror",
                       session->repo->url, REF_COUNT);
    return status == 0 ? 0 : failed(session, err);
}

static size_t packs(const struct session *session)
{
    char path[sizeof session->git_dir + 16];
    size_t count = 0;

    snprintf(path, sizeof path, "%s/objects/pack", session->git_dir);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        count += len > 5 && strcmp(entry->d_name + len - 5, ".pack") == 0;
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

/* Adds the refs that are files of their own, below a folder, to *count; no more are counted than matter. */
static void loose(int parent, const char *name, unsigned depth, size_t *count)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL && fd >= 0)
        close(fd);
    for (struct dirent *entry; dir != NULL && *count <= LOOSE_MAX && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.') /* no part of a ref's name begins so */
            continue;
        if (entry->d_type == DT_DIR && depth < DEPTH_MAX)
            loose(fd, entry->d_name, depth + 1, count);
        else
            ++*count;
    }
    if (dir != NULL)
        closedir(dir);
}

/* Every fetch and every push leaves a pack, and a file for each ref. When they are many the small packs become one, so that none has
 * to be looked for in all; the large ones stay as they are, and who reads in one that goes finds the new one. Refs become one file. */
static void tidy(struct session *session)
{
    const char *const repack[] = {"--git-dir", session->git_dir, "repack", "--geometric=2", "-d", "-q", NULL};
    const char *const pack[] = {"--git-dir", session->git_dir, "pack-refs", "--all", NULL};
    char refs[sizeof session->git_dir + sizeof "/refs"];
    size_t count = 0;

    snprintf(refs, sizeof refs, "%s/refs", session->git_dir);
    loose(AT_FDCWD, refs, 0, &count);
    if (count > LOOSE_MAX)
        git(session, pack);
    if (packs(session) > PACKS_MAX)
        git(session, repack);
}

static bool differs(const struct look *look)
{
    return look->over || look->differing > 0 || look->gone > 0 || look->at != look->known.len;
}

static int bring(struct session *session, struct look *look, bool made, struct err *err)
{
    if (look_at_upstream(session, look, err) != 0)
        return -1;
    if (made && look->differing > NEW_MAX) {
        if (discard(session) != 0)
            return err_set(err, "the mirror cannot be made again");
        made = false;
    }
    if (!made) {
        if (make(session, err) != 0)
            return -1;
    } else {
        if (differs(look) && fetch(session, err) != 0)
            return -1;
        tidy(session);
    }
    return head_set(session, look) == 0 ? 0 : err_set(err, "the mirror's HEAD cannot be set");
}

int refresh(struct session *session, struct err *err)
{
    struct look look = {.at = 0};
    struct stat status;
    bool made = stat(session->git_dir, &status) == 0;

    buf_init(&look.known, REFS_MAX);
    session->words_len = 0;
    int result = made && look_at_mirror(session, &look) != 0 ? err_set(err, "the mirror cannot be read")
                                                             : bring(session, &look, made, err);
    buf_fini(&look.known);
    return result;
}

/* ---- behind a push */

/* Moves the refs from `from` to before `to` in one transaction: all or none. */
static int move(struct session *session, int list, size_t from, size_t to)
{
    const char *const argv[] = {"--git-dir", session->git_dir, "update-ref", "-z", "--stdin", NULL};
    struct run run = {.argv = argv, .in = list, .out = RUN_NOTHING};

    if (ftruncate(list, 0) != 0 || lseek(list, 0, SEEK_SET) != 0)
        return -1;
    for (size_t i = from; i < to; i++) {
        const struct update *u = &session->updates[i];
        if (u->outcome != TALK_TAKEN || u->told[0] != '\0')
            continue;
        bool gone = strspn(u->new_id, "0") == strlen(u->new_id);
        if (gone ? dprintf(list, "delete %s%c%s%c", u->ref, 0, u->old_id, 0) < 0
                 : dprintf(list, "update %s%c%s%c%s%c", u->ref, 0, u->new_id, 0, u->old_id, 0) < 0)
            return -1;
    }
    return lseek(list, 0, SEEK_SET) == 0 ? run_git(session, &run) : -1;
}

void refresh_taken(struct session *session)
{
    int list = memfd_create("refs", MFD_CLOEXEC);

    if (list < 0)
        return;
    if (move(session, list, 0, session->update_count) != 0)
        for (size_t i = 0; i < session->update_count; i++)
            move(session, list, i, i + 1);
    close(list);
}
