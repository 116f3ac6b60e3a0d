/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_files: see push_files.h. Files in git's own syntax of configuration are read by git itself. */
#include "gate/push_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "gate/push_found.h"

#define FILES_MAX 256     /* versions of such files in one push */
#define OLD_MAX   8       /* parents whose version counts */
#define BYTES     1048576 /* of such a file; git and people have no larger ones */
#define POINTER   1024    /* bytes that a pointer has less than */

enum file_kind { MODULES, ATTRIBUTES, LFS_CONFIG };

static const struct {
    const char *name, *members; /* `members`: of a configuration, which count */
} kinds[] = {
    [MODULES] = {".gitmodules", "^submodule\\..*\\.url$"},
    [ATTRIBUTES] = {".gitattributes", NULL},
    [LFS_CONFIG] = {".lfsconfig", "^(lfs|remote)\\..*url$"},
};

struct push_file {
    enum file_kind kind;
    char commit[PUSH_ID], id[PUSH_ID];
    uint8_t object[PUSH_ID_BYTES];
    char before[OLD_MAX][PUSH_ID];
    size_t before_count;
    char *path;
    size_t path_len;
};

bool push_files_is_pointer(struct str blob)
{
    static const struct str begins[] = {STR("version https://git-lfs.github.com/spec/"),
                                        STR("version https://hawser.github.com/spec/"),
                                        STR("version http://git-media.io/")};

    for (size_t i = 0; blob.len < POINTER && i < sizeof begins / sizeof begins[0]; i++)
        if (blob.len > begins[i].len && memcmp(blob.ptr, begins[i].ptr, begins[i].len) == 0)
            return true;
    return false;
}

/* URLs. */

/* A path as hosts take it: without the slashes around it and ".git". */
static struct str bare(const char *path)
{
    struct str text = str_of(path);

    while (text.len > 0 && text.ptr[0] == '/')
        text = (struct str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    if (text.len > 4 && memcmp(text.ptr + text.len - 4, ".git", 4) == 0)
        text.len -= 4;
    return text;
}

/* A URL of a repository's, resolved against its own: as "ssh://", in `out`. Returns 0, or -1: it leads elsewhere. */
static int resolve(const char *base, const char *url, char *out, size_t size)
{
    size_t len = strlen(base);

    while (len > 0 && base[len - 1] == '/')
        len--;
    while (url[0] == '.') {
        if (strncmp(url, "./", 2) == 0) {
            url += 2;
            continue;
        }
        if (strncmp(url, "../", 3) != 0)
            break;
        url += 3;
        while (len > 0 && base[len - 1] != '/')
            len--;
        while (len > 0 && base[len - 1] == '/')
            len--;
    }
    return (size_t)snprintf(out, size, "%.*s/%s", (int)len, base, url) < size ? 0 : -1;
}

/* In every spelling, as ssh:// and with which parts have to be the same. Returns 0, or -1: none that is known. */
static int spell(const struct gate_repo *repo, const char *url, char *out, size_t size, bool *by_web)
{
    const char *colon = strchr(url, ':'), *at = strchr(url, '@'), *slash = strchr(url, '/');

    *by_web = strncmp(url, "https://", 8) == 0;
    if (strncmp(url, "./", 2) == 0 || strncmp(url, "../", 3) == 0)
        return resolve(repo->url, url, out, size);
    if (strncmp(url, "ssh://", 6) == 0)
        return (size_t)snprintf(out, size, "%s", url) < size ? 0 : -1;
    if (*by_web) {
        const char *host = url + 8, *path = strchr(host, '/');
        if (path == NULL || memchr(host, '@', (size_t)(path - host)) != NULL)
            return -1;
        size_t len = (size_t)(path - host);
        if (len > 4 && memcmp(host + len - 4, ":443", 4) == 0)
            len -= 4;
        return (size_t)snprintf(out, size, "ssh://git@%.*s%s", (int)len, host, path) < size ? 0 : -1;
    }
    if (colon == NULL || at == NULL || at > colon || (slash != NULL && slash < colon))
        return -1;
    return (size_t)snprintf(out, size, "ssh://%.*s/%s", (int)(colon - url), url,
                            colon + 1 + strspn(colon + 1, "/")) < size
               ? 0
               : -1;
}

bool push_files_is_declared(const struct gate *gate, const struct gate_repo *repo, struct str url)
{
    char text[GATE_URL_MAX + 1], spelled[2 * GATE_URL_MAX];
    struct gate_url taken;
    bool by_web;

    if (url.len == 0 || url.len > GATE_URL_MAX || memchr(url.ptr, '\0', url.len) != NULL)
        return false;
    memcpy(text, url.ptr, url.len);
    text[url.len] = '\0';
    if (spell(repo, text, spelled, sizeof spelled, &by_web) != 0 ||
        gate_url_take(str_of(spelled), &taken) != NULL || (by_web && taken.port != GATE_SSH_PORT))
        return false;
    for (size_t i = 0; i < gate->repo_count; i++) {
        const struct gate_url *from = &gate->repos[i].from;
        if (strcmp(from->host, taken.host) == 0 && str_equal(bare(from->path), bare(taken.path)) &&
            (by_web || (from->port == taken.port && strcmp(from->user, taken.user) == 0)))
            return true;
    }
    return false;
}

/* What was changed. */

static int kind_of(struct str path)
{
    const char *slash = memrchr(path.ptr, '/', path.len);
    struct str name =
        slash != NULL ? (struct str){slash + 1, path.len - (size_t)(slash + 1 - path.ptr)} : path;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_equal_nocase(name, str_of(kinds[i].name)))
            return (int)i;
    return -1;
}

/* The versions of it that the parents have. */
static void take_before(struct push_file *file, struct str before)
{
    const char *at = before.ptr, *end = before.ptr + before.len;

    while (at < end && file->before_count < OLD_MAX) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        size_t len = (size_t)((blank != NULL ? blank : end) - at);
        if (len < PUSH_ID && strspn(at, "0") < len) {
            memcpy(file->before[file->before_count], at, len);
            file->before[file->before_count++][len] = '\0';
        }
        at += len + 1;
    }
}

int push_files_note(struct push_run *run, const struct push_change *change)
{
    int kind = change->path.ptr != NULL && (change->mode & 0170000) == 0100000 ? kind_of(change->path) : -1;

    if (kind < 0)
        return 0;
    for (size_t i = 0; i < run->file_count; i++)
        if (run->files[i].kind == (enum file_kind)kind &&
            memcmp(run->files[i].object, change->id, PUSH_ID_BYTES) == 0 && run->files[i].before_count == 0 &&
            change->before.len == 0)
            return 0;
    if (run->file_count == FILES_MAX) {
        struct push_place place = {.surface = "push", .update = -1};
        struct push_finding *found = push_found_add(run, PUSH_SIZE, "files", &place, 0);
        if (found != NULL)
            snprintf(found->text, sizeof found->text,
                     "more than %d versions of .gitmodules, .gitattributes and .lfsconfig", FILES_MAX);
        run->over = true;
        return 0;
    }
    struct push_file *files = realloc(run->files, (run->file_count + 1) * sizeof *files);
    char *path = malloc(change->path.len + 1);
    if (files != NULL)
        run->files = files;
    if (files == NULL || path == NULL) {
        free(path);
        return push_fail(run, "no memory");
    }
    struct push_file *file = &files[run->file_count++];
    *file = (struct push_file){.kind = (enum file_kind)kind, .path = path, .path_len = change->path.len};
    memcpy(path, change->path.ptr, change->path.len);
    memcpy(file->object, change->id, PUSH_ID_BYTES);
    push_id_write(change->id, run->id_bytes, file->id);
    snprintf(file->commit, sizeof file->commit, "%s", change->commit);
    take_before(file, change->before);
    return 0;
}

void push_files_free(struct push_run *run)
{
    for (size_t i = 0; i < run->file_count; i++)
        free(run->files[i].path);
    free(run->files);
    run->files = NULL;
    run->file_count = 0;
}

/* What a version says: values, each behind a NUL. */

/* All that git writes. Returns its exit status, or -1: the run has failed. */
static int collect(struct push_run *run, const char *const *arguments, struct buf *out)
{
    struct push_child child;
    ssize_t got = 1;

    if (push_git_start(&run->git, PUSH_IN_BOTH, arguments, -1, -1, &child, &run->check->error) != 0)
        return push_fail(run, NULL);
    while (got > 0) {
        char *room = buf_reserve(out, 65536);
        int ms = push_time(run);
        if (room == NULL || ms == 0 || (got = push_child_read(&child, room, 65536, ms)) < 0) {
            push_child_stop(&child);
            return room == NULL ? 128 : push_fail(run, "git %s cannot be read", arguments[0]);
        }
        buf_commit(out, (size_t)got);
    }
    int status = push_child_end(&child, push_time(run));
    return status >= 0 ? status : push_fail(run, "git %s did not end", arguments[0]);
}

/* Filters that a .gitattributes sets: words that begin with "filter=". */
static int filters(const struct buf *text, struct buf *values)
{
    struct str left = buf_str(text);
    static const char blanks[] = " \t\r\n";

    for (size_t at = 0; at < left.len;) {
        size_t end = at;
        while (end < left.len && (left.ptr[end] == '\0' || strchr(blanks, left.ptr[end]) == NULL))
            end++;
        if (end - at > 7 && memcmp(left.ptr + at, "filter=", 7) == 0 &&
            (buf_append(values, left.ptr + at + 7, end - at - 7) != 0 || buf_append(values, "", 1) != 0))
            return -1;
        at = end + 1;
    }
    return 0;
}

/* Returns 1, 0: it cannot be read as what it is, or -1: the run has failed. */
static int values_of(struct push_run *run, enum file_kind kind, const char *id, struct buf *values)
{
    char blob[PUSH_ID + 8];
    const char *config[] = {"config", "--no-includes", blob, "-z", "--get-regexp", kinds[kind].members, NULL};
    const char *cat[] = {"cat-file", "blob", id, NULL};
    struct buf text;

    snprintf(blob, sizeof blob, "--blob=%s", id);
    buf_init(&text, BYTES + 65536);
    int status = collect(run, kind == ATTRIBUTES ? cat : config, &text);
    int result = status < 0 ? -1 : status == 0 || (status == 1 && kind != ATTRIBUTES);
    if (result == 1 && kind == ATTRIBUTES && filters(&text, values) != 0)
        result = push_fail(run, "no memory");
    if (result == 1 && kind != ATTRIBUTES) {
        struct str left = buf_str(&text);
        for (const char *end;
             result == 1 && left.len > 0 && (end = memchr(left.ptr, '\0', left.len)) != NULL;) {
            size_t len = (size_t)(end - left.ptr);
            const char *value = memchr(left.ptr, '\n', len);
            value = value != NULL ? value + 1 : end;
            if (buf_append(values, value, (size_t)(end - value) + 1) != 0)
                result = push_fail(run, "no memory");
            left = (struct str){end + 1, left.len - len - 1};
        }
    }
    buf_fini(&text);
    return result;
}

static bool has_value(const struct buf *values, const char *value)
{
    struct str all = buf_str(values);

    for (size_t at = 0; at < all.len; at += strlen(all.ptr + at) + 1)
        if (strcmp(all.ptr + at, value) == 0)
            return true;
    return false;
}

static void tell(struct push_run *run, const struct push_file *file, const char *value)
{
    struct push_place place = {
        .surface = "blob", .commit = file->commit, .path = {file->path, file->path_len}, .update = -1};
    bool lfs = file->kind == LFS_CONFIG || (file->kind == ATTRIBUTES && strcmp(value, "lfs") == 0);
    char shown[256];

    push_show(run, str_of(value), shown, sizeof shown);
    if (file->kind == MODULES) {
        if (push_files_is_declared(run->in->gate, run->in->repo, str_of(value)))
            return;
        struct push_finding *found = push_found_add(run, PUSH_SUBMODULE, "submodule", &place, 0);
        if (found != NULL)
            snprintf(found->text, sizeof found->text,
                     "a submodule of \"%s\", which no entry of git-gate.repos has as its url,", shown);
    } else if (lfs) {
        struct push_finding *found = push_found_add(run, PUSH_LFS, "lfs", &place, 0);
        if (found != NULL)
            snprintf(found->text, sizeof found->text,
                     "an LFS endpoint or filter (\"%s\"), and no entry of git-gate.repos or egress.routes "
                     "can let LFS content through,",
                     shown);
    } else {
        struct push_finding *found = push_found_add(run, PUSH_FILTER, "filter", &place, 0);
        if (found == NULL)
            return;
        snprintf(found->text, sizeof found->text,
                 "a filter (\"%s\"), with which what is stored is not what is worked on,", shown);
        push_found_ask(run, found, (struct str){file->path, file->path_len}, str_of(value));
    }
}

static int judge(struct push_run *run, const struct push_file *file, struct buf *new, struct buf *old)
{
    int status = values_of(run, file->kind, file->id, new);

    if (status == 0) {
        struct push_place place = {
            .surface = "blob", .commit = file->commit, .path = {file->path, file->path_len}, .update = -1};
        struct push_finding *found = push_found_add(run, file->kind == MODULES ? PUSH_SUBMODULE : PUSH_FILTER,
                                                    kinds[file->kind].name, &place, 0);
        if (found != NULL)
            snprintf(found->text, sizeof found->text, "a %s that git cannot read", kinds[file->kind].name);
        return 0;
    }
    for (size_t i = 0; status == 1 && i < file->before_count; i++)
        if (values_of(run, file->kind, file->before[i], old) < 0)
            status = -1;
    struct str all = buf_str(new);
    for (size_t at = 0; status == 1 && at < all.len; at += strlen(all.ptr + at) + 1)
        if (!has_value(old, all.ptr + at))
            tell(run, file, all.ptr + at);
    return status < 0 ? -1 : 0;
}

int push_files_judge(struct push_run *run)
{
    for (size_t i = 0; i < run->file_count && !run->over; i++) {
        struct buf new, old;
        buf_init(&new, BYTES);
        buf_init(&old, OLD_MAX * BYTES);
        int status = judge(run, &run->files[i], &new, &old);
        buf_fini(&new);
        buf_fini(&old);
        if (status != 0)
            return -1;
    }
    return 0;
}
