/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mount: see mount.h. What an agent must never see is compared by identity (device and inode, up the chain of
 * parents), not by spelling: links, bind mounts and other spellings lead to the same folder. It must not open
 * a path twice.
 */
#include "hostctl/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 256
#define WORK      "/work"

enum reach {
    ITSELF = 1, /* the folder may not be mounted */
    AROUND = 2, /* nothing that contains it */
    INSIDE = 4, /* nothing in it */
};

struct protected
{
    const char *path, *what;
    unsigned reach;
};

/* Host folders that hold sockets, devices and the system's own state. */
static const struct protected system_folders[] = {
    {"/", "the host's root", ITSELF},
    {"/proc", "the host's /proc", ITSELF | INSIDE},
    {"/sys", "the host's /sys", ITSELF | INSIDE},
    {"/dev", "the host's devices", ITSELF | INSIDE},
    {"/run", "the host's /run, where its daemons have their sockets", ITSELF | INSIDE},
    {"/tmp", "the host's /tmp, where other programs have their sockets", ITSELF},
};

/* Places in the bottle that are the runtime's. */
static const char *const agent_reserved[] = {"/proc", "/sys",  "/dev", "/run",   "/etc",   "/usr",
                                             "/bin",  "/sbin", "/lib", "/lib32", "/lib64", "/boot"};

/* Whether both are the same, or `fd` lies below `other`. Takes fd. */
static bool is_below(int fd, const struct stat *other)
{
    struct stat here, above;

    for (int depth = 0; depth < DEPTH_MAX && fstat(fd, &here) == 0; depth++) {
        int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool met = here.st_dev == other->st_dev && here.st_ino == other->st_ino;
        bool top =
            up < 0 || fstat(up, &above) != 0 || (above.st_dev == here.st_dev && above.st_ino == here.st_ino);
        close(fd);
        fd = up;
        if (!met && !top)
            continue;
        if (fd >= 0)
            close(fd);
        return met || up < 0; /* a chain that cannot be followed counts as bad */
    }
    close(fd);
    return true;
}

/* Opens a protected place, or the folder in which it would be made one day; then `reach` shrinks to what
 * still counts. */
static int open_place(const struct protected *place, unsigned *reach)
{
    char path[PATH_MAX];

    *reach = place->reach;
    if ((size_t)snprintf(path, sizeof path, "%s", place->path) >= sizeof path)
        return -1;
    for (;;) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *slash = strrchr(path, '/');
        if (fd >= 0 || errno != ENOENT || slash == NULL || slash[1] == '\0')
            return fd;
        *reach &= AROUND;
        slash[slash == path ? 1 : 0] = '\0';
    }
}

/* Checks the folder `fd` (for a file: the folder that it is in, with `file` set) against one protected place.
 */
static int check_place(int fd, bool file, const struct protected *place, struct err *err)
{
    struct stat own, its;
    unsigned reach;
    int other = open_place(place, &reach);

    if (other < 0)
        return errno == ENOTDIR ? 0 : err_set_errno(err, "%s", place->path);
    bool bad = fstat(fd, &own) != 0 || fstat(other, &its) != 0;
    bool same = !bad && own.st_dev == its.st_dev && own.st_ino == its.st_ino;
    if (!bad && !file)
        bad = same && reach & ITSELF;
    if (!bad && reach & INSIDE)
        bad = same ? file : is_below(dup(fd), &its);
    if (!bad && reach & AROUND && !file)
        bad = is_below(dup(other), &own);
    close(other);
    return bad ? err_set(err, "it is, holds or lies in %s (%s)", place->what, place->path) : 0;
}

/* The homes whose keys are at stake: root's or the caller's own, and that of the user who called sudo. */
static int check_homes(int fd, bool file, struct err *err)
{
    const char *names[] = {getenv("SUDO_USER"), NULL};
    const struct passwd *user = names[0] != NULL ? getpwnam(names[0]) : NULL;
    const char *homes[] = {getenv("HOME"), user != NULL ? user->pw_dir : NULL, NULL};

    user = getpwuid(getuid());
    homes[2] = user != NULL ? user->pw_dir : NULL;
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        char keys[PATH_MAX];
        if (homes[i] == NULL || homes[i][0] != '/' || strcmp(homes[i], "/") == 0)
            continue;
        snprintf(keys, sizeof keys, "%s/.ssh", homes[i]);
        const struct protected home[] = {{homes[i], "a home folder", ITSELF | AROUND},
                                         {keys, "a folder of SSH keys", ITSELF | AROUND | INSIDE}};
        if (check_place(fd, file, &home[0], err) != 0 || check_place(fd, file, &home[1], err) != 0)
            return -1;
    }
    return 0;
}

static int check_host(int fd, bool file, const char *state, struct err *err)
{
    const struct protected own = {state, "Stopper's state", ITSELF | AROUND | INSIDE};

    for (size_t i = 0; i < sizeof system_folders / sizeof system_folders[0]; i++)
        if (check_place(fd, file, &system_folders[i], err) != 0)
            return -1;
    return check_homes(fd, file, err) != 0 || check_place(fd, file, &own, err) != 0 ? -1 : 0;
}

/* Opens the last part of mount->host below its folder, without following a link that came there since it was
 * resolved. */
static int open_host(struct mount *mount, const char *state, struct err *err)
{
    char folder[PATH_MAX];
    struct stat info;

    snprintf(folder, sizeof folder, "%s", mount->host);
    char *slash = strrchr(folder, '/');
    const char *name = slash[1] != '\0' ? slash + 1 : ".";
    int at = -1;
    if (slash == folder) {
        at = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } else {
        *slash = '\0';
        at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (at < 0)
        return err_set_errno(err, "%s", mount->host);
    if (fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(info.st_mode) &&
        !S_ISREG(info.st_mode)) {
        close(at);
        return err_set(err, "%s",
                       S_ISSOCK(info.st_mode) ? "it is a socket"
                                              : "it is neither a folder nor a regular file");
    }
    mount->fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (mount->fd < 0 || fstat(mount->fd, &info) != 0) {
        err_set_errno(err, "%s", mount->host);
        close(at);
        return -1;
    }
    mount->folder = S_ISDIR(info.st_mode);
    int status = !mount->folder && !S_ISREG(info.st_mode)
                     ? err_set(err, "it is neither a folder nor a regular file")
                     : check_host(mount->folder ? mount->fd : at, !mount->folder, state, err);
    close(at);
    return status;
}

static bool is_under(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static int check_agent(const char *path, struct err *err)
{
    if (path[0] != '/' || path[1] == '\0' || path[strlen(path) - 1] == '/')
        return err_set(
            err, "the place in the bottle must be an absolute path other than /, without a slash at its end");
    for (const char *part = path; part != NULL; part = strchr(part + 1, '/')) {
        size_t len = strcspn(part + 1, "/");
        if (len == 0 || (len == 1 && part[1] == '.') || (len == 2 && memcmp(part + 1, "..", 2) == 0))
            return err_set(err, "the place in the bottle must not have empty parts, \".\" or \"..\"");
    }
    for (const char *c = path; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return err_set(err, "the place in the bottle holds a control character");
    for (size_t i = 0; i < sizeof agent_reserved / sizeof agent_reserved[0]; i++)
        if (is_under(path, agent_reserved[i]))
            return err_set(err, "%s belongs to the system inside the bottle", agent_reserved[i]);
    return 0;
}

/* HOST[:AGENT[:ro]] into its parts. */
static int split(const char *option, char host[PATH_MAX], struct mount *mount, struct err *err)
{
    const char *colon = strchr(option, ':'), *agent = colon != NULL ? colon + 1 : "";
    const char *flag = strchr(agent, ':');
    size_t host_len = colon != NULL ? (size_t)(colon - option) : strlen(option);
    size_t agent_len = flag != NULL ? (size_t)(flag - agent) : strlen(agent);

    if (host_len == 0 || host_len >= PATH_MAX || agent_len >= PATH_MAX)
        return err_set(err, "must be HOST[:AGENT[:ro]]");
    if (flag != NULL && strcmp(flag, ":ro") != 0)
        return err_set(err, "must be HOST[:AGENT[:ro]]; behind the second colon only \"ro\" may stand");
    memcpy(host, option, host_len);
    host[host_len] = '\0';
    memcpy(mount->agent, agent, agent_len);
    mount->agent[agent_len] = '\0';
    mount->read_only = flag != NULL;
    return 0;
}

int mount_parse(const char *option, const char *state, struct mount *mount, struct err *err)
{
    char given[PATH_MAX], *resolved;

    *mount = (struct mount){.fd = -1};
    if (split(option, given, mount, err) != 0)
        return err_prefix(err, "--mount %s", option);
    resolved = realpath(given, NULL);
    int status = -1;
    if (resolved == NULL)
        err_set(err, "%s", strerror(errno));
    else if ((size_t)snprintf(mount->host, sizeof mount->host, "%s", resolved) >= sizeof mount->host)
        err_set(err, "the path is too long");
    else if (strcmp(resolved, "/") == 0)
        err_set(err, "it is the host's root");
    else
        status = open_host(mount, state, err);
    free(resolved);
    if (status == 0 && mount->agent[0] == '\0' &&
        (size_t)snprintf(mount->agent, sizeof mount->agent, WORK "%s", strrchr(mount->host, '/')) >=
            sizeof mount->agent)
        status = err_set(err, "the path is too long");
    if (status == 0)
        status = check_agent(mount->agent, err);
    if (status == 0)
        return 0;
    mount_close(mount);
    return err_prefix(err, "--mount %s", option);
}

void mount_close(struct mount *mount)
{
    if (mount->fd >= 0)
        close(mount->fd);
    mount->fd = -1;
}

json_t *mount_places(const struct mount *mounts, size_t count)
{
    json_t *places = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(places, json_string(mounts[i].agent)) != 0) {
            json_decref(places);
            return NULL;
        }
    return places;
}

int mount_check(const struct mount *mounts, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (is_under(mounts[j].agent, mounts[i].agent))
                return err_set(err, "--mount %s:%s hides the earlier mount on %s", mounts[i].host,
                               mounts[i].agent, mounts[j].agent);
    return 0;
}
