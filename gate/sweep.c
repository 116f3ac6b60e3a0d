/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sweep: see the header. The names are git's: tmp-objdir.c (tmp_objdir-incoming-…), lockfile.c (….lock), index-pack.c and
 * object-file.c (tmp_…). */
#define _GNU_SOURCE
#include "gate/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX                                                                                            \
    64 /* folders in each other that are gone into: each costs a descriptor. A ref's name may have many more */

enum where { GIT_DIR, OBJECTS, PACKS, REFS, DOOMED, ROOT };

static bool ends(const char *name, const char *with)
{
    size_t len = strlen(name), tail = strlen(with);

    return len >= tail && strcmp(name + len - tail, with) == 0;
}

/* Whether an entry goes, with all that is in it; else where what is in it is. */
static bool is_doomed(enum where where, const char *name)
{
    switch (where) {
    case DOOMED:
        return true;
    case ROOT:
        return ends(name, ".git" SWEEP_NEW) || ends(name, ".git" SWEEP_OLD);
    case OBJECTS:
    case PACKS:
        return strncmp(name, "tmp_", 4) == 0 || ends(name, ".lock");
    default:
        return ends(name, ".lock");
    }
}

static bool descends(enum where where, const char *name, enum where *to)
{
    static const struct {
        enum where where;
        const char *name;
        enum where to;
    } ways[] = {{GIT_DIR, "objects", OBJECTS},
                {GIT_DIR, "refs", REFS},
                {OBJECTS, "pack", PACKS},
                {OBJECTS, "info", PACKS}};

    *to = where;
    if (where == REFS || where == DOOMED)
        return true;
    if (where == ROOT) {
        *to = GIT_DIR;
        return ends(name, ".git");
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (ways[i].where == where && strcmp(ways[i].name, name) == 0) {
            *to = ways[i].to;
            return true;
        }
    return false;
}

/* The outermost folder that goes. What is too deep in it is put there, and met again. */
struct shelf {
    int fd;
    unsigned count;
};

static int put_up(int parent, const char *name, struct shelf *shelf)
{
    char fresh[32];
    struct stat status;

    do
        snprintf(fresh, sizeof fresh, "deep-%u", shelf->count++);
    while (fstatat(shelf->fd, fresh, &status, AT_SYMLINK_NOFOLLOW) == 0);
    return renameat(parent, name, shelf->fd, fresh);
}

static int sweep(int parent, const char *name, enum where where, unsigned depth, struct shelf *shelf);

/* One entry of a folder. Returns how many entries were removed, or -1. */
static int sweep_entry(int fd, const char *name, enum where where, unsigned depth, struct shelf *shelf)
{
    struct stat status;
    enum where to;
    int below = 0;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    bool doomed = is_doomed(where, name), folder = S_ISDIR(status.st_mode);
    if (folder && depth == DEPTH_MAX) /* a lock of a ref there stays, which is that ref's alone */
        return doomed && shelf != NULL ? put_up(fd, name, shelf) : 0;
    if (folder && (doomed || descends(where, name, &to)))
        below = sweep(fd, name, doomed ? DOOMED : to, depth + 1, shelf);
    if (below >= 0 && doomed)
        below = unlinkat(fd, name, folder ? AT_REMOVEDIR : 0) == 0 ? below + 1 : -1;
    return below;
}

static int sweep(int parent, const char *name, enum where where, unsigned depth, struct shelf *shelf)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), removed = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct shelf own = {.fd = fd};
    struct dirent *entry;
    unsigned before;

    if (dir == NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        errno = error;
        return error == ENOENT || (error == ENOTDIR && where != DOOMED) ? 0 : -1;
    }
    if (where == DOOMED && shelf == NULL)
        shelf = &own;
    do {
        before = own.count;
        rewinddir(dir);
        while (removed >= 0 && (entry = readdir(dir)) != NULL) {
            int below = sweep_entry(fd, entry->d_name, where, depth, shelf);
            removed = below >= 0 ? removed + below : -1;
        }
    } while (removed >= 0 && own.count > before);
    closedir(dir);
    return removed;
}

/* Returns how many entries were removed, or -1. */
static int sweep_whole(const char *git_dir, const char *what)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s%s", git_dir, what);
    int removed = sweep(AT_FDCWD, path, DOOMED, 0, NULL);
    if (removed < 0 || (unlinkat(AT_FDCWD, path, AT_REMOVEDIR) != 0 && errno != ENOENT))
        return -1;
    return removed;
}

int sweep_beside(const char *git_dir, const char *what)
{
    return sweep_whole(git_dir, what) < 0 ? -1 : 0;
}

int sweep_mirror(const char *git_dir)
{
    int beside = sweep_whole(git_dir, SWEEP_NEW), old = sweep_whole(git_dir, SWEEP_OLD);
    int removed = sweep(AT_FDCWD, git_dir, GIT_DIR, 0, NULL);

    return beside < 0 || old < 0 || removed < 0 ? -1 : beside + old + removed;
}

int sweep_all(const char *root)
{
    return sweep(AT_FDCWD, root, ROOT, 0, NULL);
}
