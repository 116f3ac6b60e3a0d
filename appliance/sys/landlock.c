/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * landlock: see the header. glibc has no functions for the three calls, and headers may be older than the kernel, so what they
 * may lack stands here (include/uapi/linux/landlock.h). Every right that the kernel knows is handled, so what no rule gives
 * is refused.
 */
#define _GNU_SOURCE
#include "sys/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ABI_LEAST  2
#define ABI_TRIM   3
#define ABI_TCP    4
#define ABI_DEVICE 5
#define ABI_SCOPE  6

#define ACCESS_TRUNCATE  (UINT64_C(1) << 14)
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15)
#define TCP_BIND         (UINT64_C(1) << 0)
#define TCP_CONNECT      (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT   (UINT64_C(1) << 0)
#define SCOPE_SIGNAL     (UINT64_C(1) << 1)

#define FILE_READ     LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_EXECUTE  LANDLOCK_ACCESS_FS_EXECUTE
#define FILE_WRITE    LANDLOCK_ACCESS_FS_WRITE_FILE
#define FOLDER_READ   LANDLOCK_ACCESS_FS_READ_DIR
#define FOLDER_DEVICE (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK) /* given to nobody */
#define FOLDER_WRITE                                                                                         \
    (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |          \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |             \
     LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

/* Of the kernel's newest form that is known here; an older kernel takes what it knows, if the rest is zero. */
struct attributes {
    uint64_t files, tcp, scoped;
};

static int abi(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

bool landlock_there(void)
{
    return abi() >= ABI_LEAST;
}

static int ruleset_make(int version, bool connects)
{
    struct attributes attributes = {.files = FILE_READ | FILE_EXECUTE | FILE_WRITE | FOLDER_READ |
                                             FOLDER_DEVICE | FOLDER_WRITE};

    if (version >= ABI_TRIM)
        attributes.files |= ACCESS_TRUNCATE;
    if (version >= ABI_TCP)
        attributes.tcp = TCP_BIND | (connects ? 0 : TCP_CONNECT);
    if (version >= ABI_DEVICE)
        attributes.files |= ACCESS_IOCTL_DEV;
    if (version >= ABI_SCOPE)
        attributes.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
}

static int path_allow(int ruleset, int version, const struct landlock_path *path, struct err *err)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path->path, O_PATH | O_CLOEXEC)};
    struct stat st;

    if (rule.parent_fd < 0)
        return errno == ENOENT && path->may & LANDLOCK_MAY_BE_GONE ? 0 : err_set_errno(err, "%s", path->path);
    int result = fstat(rule.parent_fd, &st) != 0 ? -1 : 0;
    bool folder = result == 0 && S_ISDIR(st.st_mode);
    if (path->may & LANDLOCK_MAY_READ)
        rule.allowed_access |= FILE_READ | (folder ? FOLDER_READ : 0);
    if (path->may & LANDLOCK_MAY_EXECUTE)
        rule.allowed_access |= FILE_EXECUTE;
    if (path->may & LANDLOCK_MAY_WRITE)
        rule.allowed_access |=
            FILE_WRITE | (folder ? FOLDER_WRITE : 0) | (version >= ABI_TRIM ? ACCESS_TRUNCATE : 0);
    if (result == 0)
        result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (result != 0)
        err_set_errno(err, "%s", path->path);
    close(rule.parent_fd);
    return result;
}

/* The root is in nobody's list. */
static int verify(struct err *err)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == EACCES ? 0 : err_set(err, "the rules did not take effect");
}

static int confine(int ruleset, int version, const struct landlock_path *paths, struct err *err)
{
    for (; paths->path != NULL; paths++)
        if (path_allow(ruleset, version, paths, err) != 0)
            return -1;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return err_set_errno(err, "restrict");
    return verify(err);
}

int landlock_confine(const struct landlock_path *paths, bool connects, struct err *err)
{
    int version = abi();

    if (version < ABI_LEAST)
        return 0;
    int ruleset = ruleset_make(version, connects);
    if (ruleset < 0)
        return err_set_errno(err, "landlock: rules");
    int result = confine(ruleset, version, paths, err);
    close(ruleset);
    return result == 0 ? 0 : err_prefix(err, "landlock");
}
