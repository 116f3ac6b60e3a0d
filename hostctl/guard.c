/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guard: see the header. It reads what an agent has written: names may hold anything, folders may be deep and
 * change meanwhile. No link is followed, and nothing is opened but folders.
 */
#include "hostctl/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX   100
#define ENTRIES_MAX 500000 /* looked at in one mount */
#define DEPTH_MAX   64

/* ---- mounts over mounts ---- */

static const struct {
    const char *name;
    bool folder, read_only;
} guarded[GUARD_MORE] = {{".git", true, false}, {".git/hooks", true, true}, {".git/config", false, true}};

static bool is_taken(const struct mount *mounts, size_t count, const char *agent)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(mounts[i].agent, agent) == 0)
            return true;
    return false;
}

/* An absent folder could be made by the agent. The owner of the repository gets it. Where nobody may write, nor may
 * the agent, who has no more rights there. Returns 0, or -1 with errno. */
static int hooks_make(int git)
{
    struct stat info;

    if (mkdirat(git, "hooks", 0755) != 0)
        return errno == EEXIST || errno == EROFS || errno == EACCES || errno == EPERM ? 0 : -1;
    if (fstat(git, &info) != 0)
        return -1;
    return info.st_uid == geteuid() ||
                   fchownat(git, "hooks", info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) == 0
               ? 0
               : -1;
}

/* Opens what is to be guarded. -1 with errno: it is not there (ENOENT), or not what it should be. */
static int open_guarded(const struct mount *below, size_t which)
{
    /* .git itself must not be a link; of the other two the way is through it. */
    int git = openat(below->fd, ".git", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (git < 0 || which == 0)
        return git;
    const char *last = strchr(guarded[which].name, '/') + 1;
    int fd = openat(git, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && guarded[which].folder && hooks_make(git) == 0)
        fd = openat(git, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int reason = errno;
    close(git);
    errno = reason;
    return fd;
}

/* One of them below a mount, unless the user has said something about that place. A .git that is a file (of a worktree
 * or a submodule) says where the repository is, and is read-only. Returns 1 when it was added, 0 when it is not there,
 * -1 with err. */
static int add(const struct mount *below, size_t which, const struct mount *mounts, size_t count,
               struct mount *mount, struct err *err)
{
    const char *name = guarded[which].name;
    struct stat info;

    *mount = (struct mount){.fd = -1, .folder = guarded[which].folder, .read_only = guarded[which].read_only};
    if ((size_t)snprintf(mount->host, sizeof mount->host, "%s/%s", below->host, name) >= sizeof mount->host ||
        (size_t)snprintf(mount->agent, sizeof mount->agent, "%s/%s", below->agent, name) >=
            sizeof mount->agent)
        return err_set(err, "--mount %s: the path is too long", below->host);
    if (is_taken(mounts, count, mount->agent))
        return 0;
    mount->fd = open_guarded(below, which);
    if (mount->fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO
                   ? 0
                   : err_set_errno(err, "--mount %s: %s", below->host, name);
    if (fstat(mount->fd, &info) != 0) {
        err_set_errno(err, "--mount %s: %s", below->host, name);
        mount_close(mount);
        return -1;
    }
    if (which == 0 && S_ISREG(info.st_mode)) {
        mount->folder = false;
        mount->read_only = true;
    } else if (mount->folder ? !S_ISDIR(info.st_mode) : !S_ISREG(info.st_mode)) {
        mount_close(mount);
        return 0;
    }
    return 1;
}

int guard_mounts(struct mount *mounts, size_t *count, struct err *err)
{
    size_t given = *count;

    for (size_t i = 0; i < given; i++)
        for (size_t which = 0; mounts[i].folder && !mounts[i].read_only && which < GUARD_MORE; which++) {
            int added = add(&mounts[i], which, mounts, *count, &mounts[*count], err);
            if (added < 0)
                return -1;
            *count += (size_t)added;
        }
    return 0;
}

/* ---- the record ---- */

int guard_record(struct state *state, const struct mount *mounts, size_t count, struct err *err)
{
    char key[32], since[32];
    size_t number = 0;

    snprintf(since, sizeof since, "%lld", (long long)time(NULL));
    int result = state_set(state, "since", since, err);
    for (size_t i = 0; i < count && result == 0; i++) {
        if (!mounts[i].folder || mounts[i].read_only)
            continue;
        snprintf(key, sizeof key, "mount%zu", number++);
        result = state_set(state, key, mounts[i].host, err);
    }
    return result;
}

void guard_read(const struct state *state, struct guard *guard)
{
    const char *since = state_get(state, "since"), *path;
    char key[32];

    *guard = (struct guard){NULL, since != NULL ? (time_t)strtoll(since, NULL, 10) : 0};
    for (size_t i = 0; since != NULL; i++) {
        snprintf(key, sizeof key, "mount%zu", i);
        path = state_get(state, key);
        char **grown = path != NULL ? realloc(guard->paths, (i + 2) * sizeof *grown) : NULL;
        if (grown == NULL)
            break;
        guard->paths = grown;
        guard->paths[i] = malloc(strlen(path) + 1);
        guard->paths[i + 1] = NULL;
        if (guard->paths[i] == NULL)
            break;
        strcpy(guard->paths[i], path);
    }
}

void guard_free(struct guard *guard)
{
    for (size_t i = 0; guard->paths != NULL && guard->paths[i] != NULL; i++)
        free(guard->paths[i]);
    free(guard->paths);
    *guard = (struct guard){NULL, 0};
}

/* ---- the list ---- */

/* Files that builds, editors, shells and version control run or take their orders from. */
static const char *const names[] = {
    "Makefile",         "makefile",
    "GNUmakefile",      "CMakeLists.txt",
    "meson.build",      "configure",
    "package.json",     ".npmrc",
    ".envrc",           "setup.py",
    "setup.cfg",        "pyproject.toml",
    "conftest.py",      "tox.ini",
    "noxfile.py",       "sitecustomize.py",
    "build.rs",         "Cargo.toml",
    "build.gradle",     "pom.xml",
    "build.gradle.kts", "settings.gradle",
    "Rakefile",         "Gemfile",
    "justfile",         "Justfile",
    "Taskfile.yml",     "Taskfile.yaml",
    "Dockerfile",       "Containerfile",
    "compose.yaml",     "compose.yml",
    "Vagrantfile",      "docker-compose.yml",
    ".gitmodules",      ".gitattributes",
    ".bashrc",          ".profile",
    ".zshrc",           ".pre-commit-config.yaml",
};

/* All that is in these. */
static const char *const folders[] = {"hooks",     ".vscode",       ".idea",    ".husky",
                                      ".githooks", ".devcontainer", "workflows"};

static bool is_in(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

struct walk {
    const char *prefix;
    FILE *to;
    time_t since;
    char path[PATH_MAX];
    size_t shown, more, entries;
};

static void show(struct walk *walk, const char *name)
{
    if (walk->shown == SHOWN_MAX) {
        walk->more++;
        return;
    }
    walk->shown++;
    fputs(walk->prefix, walk->to);
    for (const char *part = walk->path; part != NULL; part = part == walk->path ? name : NULL) {
        for (const char *c = part; *c != '\0'; c++)
            fprintf(walk->to, *c >= ' ' && *c < 0x7f && *c != '\\' ? "%c" : "\\x%02x", (unsigned char)*c);
        if (part == walk->path)
            fputc('/', walk->to);
    }
    fputc('\n', walk->to);
}

/* A link with one of the names counts: it leads to what is run. */
static bool is_obeyed(const struct stat *info, const char *name, bool git)
{
    bool named = is_in(names, sizeof names / sizeof names[0], name) || (git && strcmp(name, "config") == 0);

    return named || (S_ISREG(info->st_mode) && (info->st_mode & 0111) != 0);
}

/* Takes fd. `special`: the folder is one of those whose files all count. */
static void look(struct walk *walk, int fd, bool special, bool git, unsigned depth)
{
    DIR *folder = fdopendir(fd);
    const struct dirent *entry;
    size_t len = strlen(walk->path);

    if (folder == NULL) {
        close(fd);
        return;
    }
    while ((entry = readdir(folder)) != NULL && walk->entries++ < ENTRIES_MAX) {
        const char *name = entry->d_name;
        struct stat info;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            fstatat(dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(info.st_mode)) {
            int inner = depth < DEPTH_MAX && len + strlen(name) + 2 < sizeof walk->path &&
                                !(git && strcmp(name, "objects") == 0)
                            ? openat(dirfd(folder), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                            : -1;
            if (inner < 0)
                continue;
            snprintf(walk->path + len, sizeof walk->path - len, "/%s", name);
            look(walk, inner, special || is_in(folders, sizeof folders / sizeof folders[0], name),
                 git || strcmp(name, ".git") == 0, depth + 1);
            walk->path[len] = '\0';
        } else if (info.st_ctime >= walk->since && (special || is_obeyed(&info, name, git))) {
            show(walk, name);
        }
    }
    closedir(folder);
}

void guard_list(const struct guard *guard, const char *prefix, FILE *to)
{
    for (size_t i = 0; guard->paths != NULL && guard->paths[i] != NULL; i++) {
        struct walk walk = {.prefix = prefix, .to = to, .since = guard->since};
        int fd = open(guard->paths[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        snprintf(walk.path, sizeof walk.path, "%s", guard->paths[i]);
        if (fd >= 0)
            look(&walk, fd, false, false, 0);
        if (walk.more > 0)
            fprintf(to, "%sand %zu more\n", prefix, walk.more);
        if (walk.entries > ENTRIES_MAX)
            fprintf(to, "%snot all of %s was looked at: it holds too many files\n", prefix, guard->paths[i]);
    }
}
