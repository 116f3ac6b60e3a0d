/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_walk: see push_walk.h. Both programs' output is NUL-terminated (-z): no byte of a path ends a record but NUL, which no path holds. */
#include "gate/push_walk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "gate/push_found.h"

#define BYTES (4 * PUSH_PATH_MAX)

bool push_walk_has_tips(const struct push_run *run)
{
    for (size_t i = 0; i < run->in->update_count; i++) {
        const char *id = run->in->updates[i].new_id;
        if (id[strspn(id, "0")] != '\0')
            return true;
    }
    return false;
}

int push_walk_tips(struct push_run *run, const char *suffix)
{
    struct buf text;
    int fd;

    buf_init(&text, (PUSH_ID + strlen(suffix) + 1) * (run->in->update_count + 1));
    for (size_t i = 0; i < run->in->update_count; i++) {
        const char *id = run->in->updates[i].new_id;
        if (id[strspn(id, "0")] != '\0' && buf_printf(&text, "%s%s\n", id, suffix) != 0) {
            buf_fini(&text);
            return push_fail(run, "no memory");
        }
    }
    fd = push_input(buf_str(&text).ptr, buf_str(&text).len);
    buf_fini(&text);
    return fd >= 0 ? fd : push_fail(run, "no memory for the list of refs");
}

int push_walk_begin(struct push_walk *walk, struct push_run *run, bool oldest, bool trees)
{
    const char *list[] = {"rev-list",  "--stdin", "--not", "--all", oldest ? "--topo-order" : NULL,
                          "--reverse", NULL};
    const char *diff[] = {
        "diff-tree",    "--stdin",           "-r", "-c", "--root", "--raw", "-z", "--always", "--no-abbrev",
        "--no-renames", trees ? "-t" : NULL, NULL};
    int ends[2] = {-1, -1}, tips;

    *walk = (struct push_walk){.run = run, .list = PUSH_NO_CHILD, .diff = PUSH_NO_CHILD};
    walk->bytes = malloc(BYTES);
    if (walk->bytes == NULL || pipe2(ends, O_CLOEXEC) != 0)
        return push_fail(run, "no memory or no pipe");
    tips = push_walk_tips(run, "");
    int status =
        tips < 0 ? -1
        : push_git_start(&run->git, PUSH_IN_BOTH, list, tips, ends[1], &walk->list, &run->check->error) != 0
            ? push_fail(run, NULL)
        : push_git_start(&run->git, PUSH_IN_BOTH, diff, ends[0], -1, &walk->diff, &run->check->error) != 0
            ? push_fail(run, NULL)
            : 0;
    if (tips >= 0)
        close(tips);
    close(ends[0]);
    close(ends[1]);
    return status;
}

static size_t id_digits(const struct push_run *run)
{
    return 2 * run->id_bytes;
}

/* Modes and ids of ":OLD NEW OLDID NEWID STATUS", or with more colons of so many parents. Returns 0, or -1: that is none. */
static int take_entry(const struct push_run *run, const char *text, size_t len, struct push_change *change)
{
    size_t parents = 0, digits = id_digits(run), at;

    while (parents < len && text[parents] == ':')
        parents++;
    at = parents;
    change->added = true;
    for (size_t i = 0; i <= parents; i++) {
        if (len < at + 7 || text[at + 6] != ' ')
            return -1;
        change->mode = 0;
        for (size_t k = 0; k < 6; k++) {
            if (text[at + k] < '0' || text[at + k] > '7')
                return -1;
            change->mode = change->mode << 3 | (unsigned)(text[at + k] - '0');
        }
        change->added = change->added && (i == parents || change->mode == 0);
        if (change->mode != 0)
            change->folder = change->mode == PUSH_MODE_TREE;
        at += 7;
    }
    if (len < at + (parents + 1) * (digits + 1) + 1)
        return -1;
    change->before = (struct str){text + at, parents * (digits + 1) - 1};
    at += parents * (digits + 1);
    return push_id_read(text + at, digits, change->id) == run->id_bytes && text[at + digits] == ' ' ? 0 : -1;
}

/* One record from the front of `text`. Returns how long it is, 0: it is not all there, -1: the run has failed. */
static ssize_t take(struct push_walk *walk, struct str text, push_on_change *on_change, void *user)
{
    struct push_run *run = walk->run;
    const char *end = memchr(text.ptr, '\0', text.len);

    if (end == NULL)
        return 0;
    size_t len = (size_t)(end - text.ptr);
    if (text.ptr[0] != ':') {
        struct push_change change = {.commit = walk->commit};
        if (len != id_digits(run) || push_id_read(text.ptr, len, change.id) == 0)
            return push_fail(run, "git diff-tree: a line that is no commit");
        memcpy(walk->commit, text.ptr, len + 1);
        return on_change(user, &change) == 0 ? (ssize_t)len + 1 : -1;
    }
    const char *path = end + 1, *path_end = memchr(path, '\0', text.len - len - 1);
    if (path_end == NULL)
        return 0;
    struct push_change change = {.commit = walk->commit, .path = {path, (size_t)(path_end - path)}};
    if (take_entry(run, text.ptr, len, &change) != 0)
        return push_fail(run, "git diff-tree: a line that is no change");
    return on_change(user, &change) == 0 ? path_end + 1 - text.ptr : -1;
}

int push_walk_read(struct push_walk *walk, push_on_change *on_change, void *user)
{
    struct push_run *run = walk->run;
    int ms = push_time(run);
    ssize_t got = ms > 0 ? push_child_read(&walk->diff, walk->bytes + walk->len, BYTES - walk->len, ms) : -1;
    size_t done = 0;

    if (got < 0)
        return push_time(run) > 0 ? push_fail(run, "git diff-tree cannot be read") : -1;
    if (got == 0) {
        int listed = push_child_end(&walk->list, push_time(run));
        if (walk->len > 0 || listed != 0 || push_child_end(&walk->diff, push_time(run)) != 0)
            return push_fail(run, "the new commits cannot be walked");
        return 0;
    }
    walk->len += (size_t)got;
    while (done < walk->len && !run->over) {
        ssize_t one = take(walk, (struct str){walk->bytes + done, walk->len - done}, on_change, user);
        if (one < 0)
            return -1;
        if (one == 0)
            break;
        done += (size_t)one;
    }
    memmove(walk->bytes, walk->bytes + done, walk->len - done);
    walk->len -= done;
    if (walk->len == BYTES && !run->over) {
        struct push_place place = {.surface = "path", .commit = walk->commit, .update = -1};
        struct push_finding *found = push_found_add(run, PUSH_SIZE, "path", &place, 0);
        if (found != NULL)
            strcpy(found->text, "a path is longer than is looked at");
        run->over = true;
    }
    return run->over ? 0 : 1;
}

void push_walk_end(struct push_walk *walk)
{
    push_child_stop(&walk->diff);
    push_child_stop(&walk->list);
    free(walk->bytes);
    walk->bytes = NULL;
}

/* Trees that a tag names, or a ref itself. */

/* One record of ls-tree from the front: "MODE TYPE ID<TAB>PATH". */
static ssize_t take_listed(struct push_run *run, struct str text, push_on_change *on_change, void *user)
{
    const char *end = memchr(text.ptr, '\0', text.len), *tab;
    struct push_change change = {.commit = "", .added = true};
    size_t digits = id_digits(run);

    if (end == NULL)
        return 0;
    size_t len = (size_t)(end - text.ptr);
    tab = memchr(text.ptr, '\t', len);
    if (tab == NULL || tab - text.ptr < (ssize_t)digits + 12 ||
        push_id_read(tab - digits, digits, change.id) != run->id_bytes)
        return push_fail(run, "git ls-tree: a line that is no entry");
    for (size_t k = 0; k < 6; k++)
        change.mode = change.mode << 3 | (unsigned)((text.ptr[k] - '0') & 7);
    change.folder = change.mode == PUSH_MODE_TREE;
    change.path = (struct str){tab + 1, (size_t)(end - tab - 1)};
    return on_change(user, &change) == 0 ? (ssize_t)len + 1 : -1;
}

int push_walk_tree(struct push_run *run, const char *id, push_on_change *on_change, void *user)
{
    const char *list[] = {"ls-tree", "-r", "-t", "-z", "--full-tree", id, NULL};
    struct push_child child;
    char *bytes = malloc(BYTES);
    size_t len = 0;
    ssize_t got = 1;
    int status = bytes == NULL ? push_fail(run, "no memory") : 0;

    child = PUSH_NO_CHILD;
    if (status == 0 && push_git_start(&run->git, PUSH_IN_BOTH, list, -1, -1, &child, &run->check->error) != 0)
        status = push_fail(run, NULL);
    while (status == 0 && got > 0 && !run->over) {
        int ms = push_time(run);
        got = ms > 0 ? push_child_read(&child, bytes + len, BYTES - len, ms) : -1;
        if (got < 0) {
            status = push_fail(run, "git ls-tree cannot be read");
            break;
        }
        len += (size_t)got;
        size_t done = 0;
        for (ssize_t one = 1; done < len && one > 0; done += one > 0 ? (size_t)one : 0)
            if ((one = take_listed(run, (struct str){bytes + done, len - done}, on_change, user)) < 0)
                status = -1;
        memmove(bytes, bytes + done, len - done);
        len -= done;
        if (status == 0 && len == BYTES)
            status = push_fail(run, "git ls-tree: a path that is too long");
    }
    if (status == 0 && !run->over && (len > 0 || push_child_end(&child, push_time(run)) != 0))
        status = push_fail(run, "a tree cannot be listed");
    push_child_stop(&child);
    free(bytes);
    return status;
}
