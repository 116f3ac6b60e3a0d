/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_kept: see the header. The time in a file's name orders them; its modification time is not looked at. */
#include "hostctl/audit_kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/command.h"

#define ENDING   ".jsonl"
#define TIME_LEN 22 /* 20261128T035209.123456 */
#define DAY_S    86400

static int folder(char path[PATH_MAX], struct err *err)
{
    if (state_root(path, err) != 0)
        return -1;
    snprintf(strrchr(path, '/'), sizeof "/bottles", "/audit"); /* beside it */
    return 0;
}

static void time_text(time_t seconds, long microseconds, char text[TIME_LEN + 1])
{
    struct tm utc;
    size_t len = strftime(text, TIME_LEN + 1, "%Y%m%dT%H%M%S", gmtime_r(&seconds, &utc));

    snprintf(text + len, TIME_LEN + 1 - len, ".%06ld", microseconds);
}

/* The time in a kept file's name; NULL when it is none. */
static const char *time_of(const char *file)
{
    const char *dot = strchr(file, '.');
    char name[BOTTLE_NAME_MAX + 1];

    if (dot == NULL || dot == file || dot - file > BOTTLE_NAME_MAX ||
        strlen(dot + 1) != TIME_LEN + sizeof ENDING - 1 || strcmp(dot + 1 + TIME_LEN, ENDING) != 0 ||
        strspn(dot + 1, "0123456789T.") != TIME_LEN + 1)
        return NULL;
    memcpy(name, file, (size_t)(dot - file));
    name[dot - file] = '\0';
    return state_name_valid(name) ? dot + 1 : NULL;
}

static int is_kept(const struct dirent *entry)
{
    return time_of(entry->d_name) != NULL;
}

static int by_time(const struct dirent **a, const struct dirent **b)
{
    return strcmp(time_of((*a)->d_name), time_of((*b)->d_name));
}

/* Removes those before `until`, and of the rest the oldest until `most` are left. */
static int sweep(const char *path, const char *until, int most, struct err *err)
{
    char file[PATH_MAX + 300];
    struct dirent **entries;
    int removed = 0, count = scandir(path, &entries, is_kept, by_time);

    if (count < 0)
        return errno == ENOENT ? 0 : err_set_errno(err, "%s", path);
    for (int i = 0; i < count; i++) {
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (removed >= 0 && (count - i > most || strcmp(time_of(entries[i]->d_name), until) < 0))
            removed = unlink(file) == 0 ? removed + 1 : err_set_errno(err, "%s", file);
        free(entries[i]);
    }
    free(entries);
    return removed;
}

void audit_kept_fetch(const struct state *state, const struct runtime *runtime)
{
    char path[PATH_MAX + sizeof STATE_AUDIT + 1];

    if (runtime->logs == NULL)
        return;
    snprintf(path, sizeof path, "%s/" STATE_AUDIT, state->path);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct err err;
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC); /* a start that failed has no sidecar to ask */
        _exit(fd >= 0 && dup2(nowhere, STDERR_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0 &&
                      runtime->logs(state, false, &err) == 0
                  ? EXIT_OK
                  : EXIT_STOPPER);
    }
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Replaces the file by its last lines. */
static int cut(const char *path, off_t size, struct err *err)
{
    char fresh[PATH_MAX + 64], bytes[65536];
    bool in_line = true; /* the first is cut, most likely */
    ssize_t got = 0;

    snprintf(fresh, sizeof fresh, "%s.cut", path);
    int from = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int status = from >= 0 && to >= 0 && lseek(from, size - AUDIT_KEPT_BYTES - 1, SEEK_SET) >= 0 ? 0 : -1;
    while (status == 0 && (got = read(from, bytes, sizeof bytes)) > 0) {
        const char *at = bytes, *lf = in_line ? memchr(bytes, '\n', (size_t)got) : NULL;
        if (in_line)
            at = lf != NULL ? lf + 1 : bytes + got;
        in_line = in_line && lf == NULL;
        size_t len = (size_t)(bytes + got - at);
        status = write(to, at, len) == (ssize_t)len ? 0 : -1;
    }
    if (status != 0 || got < 0 || rename(fresh, path) != 0)
        status = err_set_errno(err, "%s", fresh);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return status;
}

int audit_kept_add(const struct state *state, struct err *err)
{
    char from[PATH_MAX + sizeof STATE_AUDIT + 1], path[PATH_MAX], to[PATH_MAX + 80], text[TIME_LEN + 1];
    struct timespec now;
    struct stat info;

    snprintf(from, sizeof from, "%s/" STATE_AUDIT, state->path);
    if (lstat(from, &info) != 0)
        return errno == ENOENT ? 0 : err_set_errno(err, "%s", from);
    if (!S_ISREG(info.st_mode) || info.st_size == 0)
        return 0;
    if (info.st_size > (off_t)AUDIT_KEPT_BYTES && cut(from, info.st_size, err) != 0)
        return -1;
    if (folder(path, err) != 0)
        return -1;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_set_errno(err, "%s", path);
    if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid() ||
        (info.st_mode & 022) != 0)
        return err_set(err, "%s is not a folder that only its owner, the caller, can write", path);
    clock_gettime(CLOCK_REALTIME, &now);
    time_text(now.tv_sec, now.tv_nsec / 1000, text);
    snprintf(to, sizeof to, "%s/%s.%s" ENDING, path, state->name, text);
    if (rename(from, to) != 0)
        return err_set_errno(err, "%s", to);
    return sweep(path, "", AUDIT_KEPT_COUNT, err) < 0 ? -1 : 0;
}

int audit_kept_find(const char *name, char path[PATH_MAX])
{
    char at[PATH_MAX];
    struct dirent **entries;
    size_t len = strlen(name);
    struct err err;
    int found = -1, count = folder(at, &err) == 0 ? scandir(at, &entries, is_kept, by_time) : 0;

    for (int i = 0; i < count; i++) {
        const char *file = entries[i]->d_name;
        if (strncmp(file, name, len) == 0 && file[len] == '.' &&
            (size_t)snprintf(path, PATH_MAX, "%s/%s", at, file) < PATH_MAX)
            found = 0;
        free(entries[i]);
    }
    if (count >= 0)
        free(count > 0 ? entries : NULL);
    return found;
}

int audit_kept_gc(unsigned days, struct err *err)
{
    char path[PATH_MAX], until[TIME_LEN + 1];

    time_text(time(NULL) - (time_t)days * DAY_S, 0, until);
    return folder(path, err) != 0 ? -1 : sweep(path, days > 0 ? until : "9", INT_MAX, err);
}

int audit_kept_each(int (*each)(void *ctx, const char *name), void *ctx)
{
    char path[PATH_MAX], name[BOTTLE_NAME_MAX + 1];
    struct dirent **entries;
    struct err err;
    int status = 0, count = folder(path, &err) == 0 ? scandir(path, &entries, is_kept, by_time) : -1;

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(entries[i]->d_name, "."), entries[i]->d_name);
        if (status == 0)
            status = each(ctx, name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return status;
}
