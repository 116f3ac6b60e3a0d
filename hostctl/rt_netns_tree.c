/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_tree: see the header. Works in a fresh mount namespace of a process that is about to execute a
 * bottle's program; it must never run in hostctl's own. Everything is bound as a detached tree (open_tree(2))
 * whose attributes are set before it is placed, so that there is no moment at which a writable or setuid
 * mount is in the tree.
 */
#include "hostctl/rt_netns_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Where the new root is put together, hidden from this process only: a folder that is always there and never
 * a source. */
#define STAGE "/proc"

int tree_begin(struct err *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
        return err_set_errno(err, "making mounts private");
    if (mount("stopper", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4m") == -1)
        return err_set_errno(err, "a new root at %s", STAGE);
    return chdir(STAGE) == -1 ? err_set_errno(err, STAGE) : 0;
}

int tree_parents(const char *at, struct err *err)
{
    char path[PATH_MAX];
    if (at[0] == '/' || snprintf(path, sizeof path, "%s", at) >= (int)sizeof path)
        return err_set(err, "%s: not a path into the new root", at);
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (mkdir(path, 0755) == -1 && errno != EEXIST)
            return err_set_errno(err, "/%s", path);
        *slash = '/';
    }
    return 0;
}

int tree_folder(const char *at, mode_t mode, uid_t uid, gid_t gid, struct err *err)
{
    if (tree_parents(at, err) == -1)
        return -1;
    if (mkdir(at, 0700) == -1 && errno != EEXIST)
        return err_set_errno(err, "/%s", at);
    if (lchown(at, uid, gid) == -1 || chmod(at, mode) == -1)
        return err_set_errno(err, "/%s", at);
    return 0;
}

int tree_file(const char *at, const char *text, struct err *err)
{
    if (tree_parents(at, err) == -1)
        return -1;
    int fd = open(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd == -1)
        return err_set_errno(err, "/%s", at);
    size_t len = strlen(text), done = 0;
    while (done < len) {
        ssize_t n = write(fd, text + done, len - done);
        if (n == -1) {
            err_set_errno(err, "/%s", at);
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    close(fd);
    return 0;
}

int tree_link(const char *at, const char *target, struct err *err)
{
    if (tree_parents(at, err) == -1)
        return -1;
    return symlink(target, at) == -1 ? err_set_errno(err, "/%s", at) : 0;
}

int tree_tmpfs(const char *at, const char *options, bool executable, struct err *err)
{
    if (tree_folder(at, 0755, 0, 0, err) == -1)
        return -1;
    unsigned long flags = MS_NOSUID | MS_NODEV | (executable ? 0 : MS_NOEXEC);
    return mount("stopper", at, "tmpfs", flags, options) == -1 ? err_set_errno(err, "tmpfs on /%s", at) : 0;
}

int tree_detach(int fd, unsigned flags, struct err *err)
{
    int tree = open_tree(fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree == -1) {
        err_set_errno(err, "open_tree");
        return -1;
    }
    struct mount_attr attributes = {
        .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (flags & TREE_READ_ONLY ? MOUNT_ATTR_RDONLY : 0) |
                    (flags & TREE_DATA ? MOUNT_ATTR_NOEXEC : 0),
        .propagation = MS_PRIVATE,
    };
    if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == -1) {
        err_set_errno(err, "mount_setattr");
        close(tree);
        return -1;
    }
    return tree;
}

int tree_bind(const char *host, const char *at, unsigned flags, struct err *err)
{
    struct stat status;
    char target[PATH_MAX];
    int fd = open(host, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    at = at ? at : host + 1;
    if (fd == -1)
        return errno == ENOENT && flags & TREE_OPTIONAL ? 0 : err_set_errno(err, "%s", host);
    int result = fstat(fd, &status) == -1 ? err_set_errno(err, "%s", host) : 0;
    if (result == 0 && S_ISLNK(status.st_mode)) {
        ssize_t len = readlinkat(fd, "", target, sizeof target - 1);
        result = len == -1 ? err_set_errno(err, "%s", host) : 0;
        target[len == -1 ? 0 : len] = '\0';
        result = result == 0 ? tree_link(at, target, err) : -1;
    } else if (result == 0) {
        int tree = tree_detach(fd, flags, err);
        result = tree == -1
                     ? err_prefix(err, "%s", host)
                     : tree_place(tree, at, S_ISDIR(status.st_mode), true, (struct tree_owner){0, 0}, err);
        if (tree != -1)
            close(tree);
    }
    close(fd);
    return result;
}

static int open_beneath(int root, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(O_PATH | O_CLOEXEC | O_NOFOLLOW | flags),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* One part of the path: what is there, or new. Returns its descriptor or -1 with errno. */
static int step(int folder, const char *name, bool is_folder, bool may_create, struct tree_owner owner)
{
    int fd = open_beneath(folder, name, is_folder ? O_DIRECTORY : 0);
    if (fd != -1 || errno != ENOENT || !may_create)
        return fd;
    if (is_folder) {
        if (mkdirat(folder, name, 0755) == -1)
            return -1;
    } else {
        int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (file == -1)
            return -1;
        close(file);
    }
    if (fchownat(folder, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) == -1)
        return -1;
    return open_beneath(folder, name, is_folder ? O_DIRECTORY : 0);
}

int tree_place(int tree, const char *at, bool folder, bool may_create, struct tree_owner owner,
               struct err *err)
{
    char path[PATH_MAX], *rest = path;
    if (at[0] == '/' || at[0] == '\0' || snprintf(path, sizeof path, "%s", at) >= (int)sizeof path)
        return err_set(err, "%s: not a path into the new root", at);
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (here != -1 && rest) {
        char *name = strsep(&rest, "/");
        int next = step(here, name, rest || folder, may_create, owner);
        int reason = errno;
        close(here);
        here = next;
        errno = reason;
    }
    if (here == -1)
        return err_set_errno(err, "/%s", at);
    int result = 0;
    if (move_mount(tree, "", here, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == -1)
        result = err_set_errno(err, "mounting on /%s", at);
    close(here);
    return result;
}

static int read_only(const char *at, unsigned long flags, struct err *err)
{
    if (mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | flags, NULL) == -1)
        return err_set_errno(err, "/%s read-only", at);
    return 0;
}

static int terminals_make(struct err *err)
{
    static const char *const links[][2] = {
        {"dev/fd", "/proc/self/fd"},       {"dev/stdin", "/proc/self/fd/0"},
        {"dev/stdout", "/proc/self/fd/1"}, {"dev/stderr", "/proc/self/fd/2"},
        {"dev/ptmx", "pts/ptmx"},
    };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (tree_link(links[i][0], links[i][1], err) == -1)
            return -1;
    if (tree_folder("dev/pts", 0755, 0, 0, err) == -1)
        return -1;
    /* newinstance is the default since Linux 4.7. 5 is tty's group everywhere. */
    if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
              "newinstance,ptmxmode=0666,mode=0620,gid=5") == -1)
        return err_set_errno(err, "/dev/pts");
    return tree_tmpfs("dev/shm", "mode=1777", false, err);
}

int tree_dev(bool terminals, struct err *err)
{
    static const struct {
        const char *at;
        unsigned minor, major;
    } devices[] = {
        {"dev/null", 3, 1},   {"dev/zero", 5, 1},    {"dev/full", 7, 1},
        {"dev/random", 8, 1}, {"dev/urandom", 9, 1}, {"dev/tty", 0, 5}, /* the last one with terminals only */
    };
    if (tree_folder("dev", 0755, 0, 0, err) == -1)
        return -1;
    if (mount("stopper", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") == -1)
        return err_set_errno(err, "/dev");
    for (size_t i = 0; i < sizeof devices / sizeof devices[0] - !terminals; i++)
        if (mknod(devices[i].at, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) == -1 ||
            chmod(devices[i].at, 0666) == -1)
            return err_set_errno(err, "/%s", devices[i].at);
    if (terminals && terminals_make(err) == -1)
        return -1;
    return read_only("dev", MS_NOEXEC, err);
}

static int proc_mask(const char *at, struct err *err)
{
    struct stat status;
    if (stat(at, &status) == -1)
        return 0; /* this kernel has none */
    if (S_ISDIR(status.st_mode)) {
        if (mount("stopper", at, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=555,size=4k") ==
            -1)
            return err_set_errno(err, "masking /%s", at);
        return 0;
    }
    /* A mount of its own, of which the device node can be opened and nothing else can come. */
    return mount("dev/null", at, NULL, MS_BIND, NULL) == -1 ? err_set_errno(err, "masking /%s", at) : 0;
}

int tree_proc(bool net_settings, struct err *err)
{
    static const char *const masked[] = {
        "proc/acpi",       "proc/asound",        "proc/config.gz",     "proc/driver",      "proc/kallsyms",
        "proc/kcore",      "proc/key-users",     "proc/keys",          "proc/kmsg",        "proc/kpagecgroup",
        "proc/kpagecount", "proc/kpageflags",    "proc/latency_stats", "proc/mtrr",        "proc/sched_debug",
        "proc/scsi",       "proc/sysrq-trigger", "proc/timer_list",    "proc/vmallocinfo",
    };
    static const char *const fixed[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys"};
    if (tree_folder("proc", 0555, 0, 0, err) == -1)
        return -1;
    if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == -1)
        return err_set_errno(err, "/proc");
    for (size_t i = 0; i < sizeof masked / sizeof masked[0]; i++)
        if (proc_mask(masked[i], err) == -1)
            return -1;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (access(fixed[i], F_OK) == -1)
            continue;
        if (mount(fixed[i], fixed[i], NULL, MS_BIND | MS_REC, NULL) == -1)
            return err_set_errno(err, "/%s", fixed[i]);
        /* Bound from the writable /proc before its parent is closed. */
        if (net_settings && strcmp(fixed[i], "proc/sys") == 0 &&
            mount("proc/sys/net", "proc/sys/net", NULL, MS_BIND, NULL) == -1)
            return err_set_errno(err, "/proc/sys/net");
        if (read_only(fixed[i], MS_NODEV | MS_NOEXEC, err) == -1)
            return -1;
    }
    return 0;
}

int tree_end(struct err *err)
{
    if (read_only(".", MS_NODEV, err) == -1)
        return -1;
    /* pivot_root(2), "pivot_root(".", ".")": the old root lies on top of the new one and is taken off. */
    if (syscall(SYS_pivot_root, ".", ".") == -1)
        return err_set_errno(err, "pivot_root");
    if (umount2(".", MNT_DETACH) == -1)
        return err_set_errno(err, "leaving the host's root");
    return chdir("/") == -1 ? err_set_errno(err, "/") : 0;
}
