/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image: an image for one test, which builds it in a folder and goes there by chroot(2), in a process and a mount
 * namespace of its own. */
#ifndef TESTS_UNIT_IMAGE_H
#define TESTS_UNIT_IMAGE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folders that a path is in. */
static inline void parents_make(const char *path)
{
    char text[256];
    snprintf(text, sizeof text, "%s", path);
    for (char *slash = text; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        ck_assert(mkdir(text, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
}

static inline void put(const char *path, const char *text)
{
    parents_make(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* An empty image as "/". */
static inline void image(void)
{
    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("image", "/tmp", "tmpfs", 0, "mode=755"), 0);
    ck_assert_int_eq(mkdir("/tmp/proc", 0755), 0); /* where the sanitizers look */
    ck_assert_int_eq(mount("/proc", "/tmp/proc", NULL, MS_BIND | MS_REC, NULL), 0);
    ck_assert_int_eq(chroot("/tmp"), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(mkdir("/run", 0755), 0);
}

#endif
