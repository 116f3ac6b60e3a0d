/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_paths: see push_paths.h. */
#include "gate/push_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/push_found.h"
#include "gate/push_outside.h"
#include "gate/push_scan.h"

#define RUN_MAX   12     /* components that are joined, in every way in which they follow each other */
#define LONG_NAME 4096   /* bytes of a name from which on all of it is joined, and nothing else */
#define BATCH     65536  /* bytes from which on they are looked through */
#define TEXT_MAX  524288 /* bytes of all: BATCH, a name, and what it becomes */
#define COUNT_MAX 8192

/* The bytes from `from` to `to` without slashes. */
static int put_joined(struct str path, size_t from, size_t to, struct buf *out, struct buf *where)
{
    for (size_t i = from; i <= to; i++) {
        uint32_t at = (uint32_t)i;
        if (i < to && path.ptr[i] == '/')
            continue;
        if (buf_append(out, i < to ? path.ptr + i : "\n", 1) != 0 ||
            (where != NULL && buf_append(where, &at, sizeof at) != 0))
            return -1;
    }
    return 0;
}

int push_paths_joined(struct str path, struct buf *out, struct buf *where)
{
    if (path.len > LONG_NAME)
        return put_joined(path, 0, path.len, out, where);
    for (size_t from = 0; from < path.len; from++) {
        if (from > 0 && path.ptr[from - 1] != '/')
            continue;
        size_t components = 0;
        for (size_t to = from + 1; to <= path.len && components < RUN_MAX; to++) {
            if (to < path.len && path.ptr[to] != '/')
                continue;
            if (++components > 1 && put_joined(path, from, to, out, where) != 0)
                return -1;
        }
    }
    return 0;
}

int push_paths_scan(struct push_run *run, const struct push_place *place, struct str name)
{
    struct push_place whole = *place; /* lines mean nothing here */
    struct buf text;

    buf_init(&text, TEXT_MAX);
    whole.head = TEXT_MAX;
    whole.head_surface = place->surface;
    int status = buf_append(&text, name.ptr, name.len) != 0 || buf_append(&text, "\n", 1) != 0 ||
                         push_paths_joined(name, &text, NULL) != 0
                     ? push_fail(run, "a name is too long")
                     : push_scan_text(run, &whole, buf_str(&text));
    buf_fini(&text);
    return status;
}

/* Looks through the batch: a finding is of the name behind whose beginning it is. */
static int look(struct push_run *run, struct push_paths *paths)
{
    struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN};
    struct dlp_scan *scan = dlp_scan_begin(run->in->engine, &message);
    struct str text = buf_str(&paths->text);
    uint64_t leave;
    size_t count, at = 0;

    if (scan == NULL)
        return push_fail(run, "no memory");
    enum dlp_answer answer = dlp_scan_body(scan, text, 0, true, &leave);
    const struct dlp_finding *found = dlp_scan_findings(scan, &count);
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        size_t start = (size_t)found[i].start, end = (size_t)found[i].end;
        for (at = 0; at + 1 < paths->count && paths->all[at + 1].start <= start; at++)
            ;
        struct push_place place = {.surface = "path",
                                   .commit = paths->all[at].commit,
                                   .path = {text.ptr + paths->all[at].start, paths->all[at].len},
                                   .update = -1};
        push_found_secret(run, &place, &found[i], text, start, end < text.len ? end : text.len, 0);
    }
    if (answer == DLP_VIOLATION && dlp_scan_violation(scan) == DLP_FLOOD)
        run->check->more = true;
    else if (answer == DLP_VIOLATION)
        status = push_fail(run, "the search of paths failed");
    dlp_scan_end(scan);
    buf_consume(&paths->text, text.len);
    paths->count = 0;
    return status;
}

int push_paths_add(struct push_run *run, struct push_paths *paths, const char *commit, struct str name,
                   struct str more)
{
    if (paths->all == NULL) {
        buf_init(&paths->text, TEXT_MAX);
        paths->all = calloc(COUNT_MAX, sizeof *paths->all);
        if (paths->all == NULL)
            return push_fail(run, "no memory");
    }
    struct push_path *path = &paths->all[paths->count++];
    path->start = buf_str(&paths->text).len;
    path->len = name.len;
    snprintf(path->commit, sizeof path->commit, "%s", commit);
    if (buf_append(&paths->text, name.ptr, name.len) != 0 || buf_append(&paths->text, "\n", 1) != 0 ||
        push_paths_joined(name, &paths->text, NULL) != 0 ||
        (more.len > 0 &&
         (buf_append(&paths->text, more.ptr, more.len) != 0 || buf_append(&paths->text, "\n", 1) != 0)))
        return push_fail(run, "a path is too long");
    if (run->outside != NULL && push_outside_feed(run, name) != 0)
        return -1;
    return buf_str(&paths->text).len >= BATCH || paths->count == COUNT_MAX ? look(run, paths) : 0;
}

int push_paths_end(struct push_run *run, struct push_paths *paths)
{
    return paths->count > 0 ? look(run, paths) : 0;
}

void push_paths_free(struct push_paths *paths)
{
    buf_fini(&paths->text);
    free(paths->all);
    paths->all = NULL;
}
