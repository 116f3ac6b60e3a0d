/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jail: see the header. The order matters: the root needs SYS_CHROOT, the bounding set SETPCAP, the user
 * SETUID and SETGID, and only then do the capabilities go; seccomp is last because it forbids all of that. A
 * step that cannot be verified ends in an error; a process that got an error here must not serve.
 */
#define _GNU_SOURCE
#include "sys/jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/secret.h"
#include "sys/privs.h"
#include "sys/seccomp.h"

/* "/" holds nothing, belongs to root, and is its own parent. */
static int root_check(struct err *err)
{
    struct stat root, above;
    struct dirent *entry;
    DIR *dir;

    if (stat("/", &root) != 0 || stat("/..", &above) != 0)
        return err_set_errno(err, "empty root");
    if (root.st_dev != above.st_dev || root.st_ino != above.st_ino)
        return err_set(err, "empty root: there is a way up");
    if (root.st_uid != 0 || (root.st_mode & (S_IWGRP | S_IWOTH)))
        return err_set(err, "empty root: others than root may write to it");
    dir = opendir("/");
    if (!dir)
        return err_set_errno(err, "empty root");
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            break;
    }
    closedir(dir);
    return entry ? err_set(err, "empty root: it is not empty") : 0;
}

/* A directory that was opened before chroot leads out of it (openat, fchdir). libuv holds one: uv_listen
 * opens "/" as the spare descriptor that it gives up when descriptors run out. Each is replaced by the empty
 * root. `fds` is the listing of /proc/self/fd, opened before the root changed. */
static int directories_replace(DIR *fds, struct err *err)
{
    struct dirent *entry;
    struct stat status;

    while ((entry = readdir(fds))) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        int root;

        if (*end != '\0' || fd == dirfd(fds) || fstat((int)fd, &status) != 0 || !S_ISDIR(status.st_mode))
            continue;
        root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0 || dup3(root, (int)fd, O_CLOEXEC) < 0) {
            err_set_errno(err, "descriptor %ld", fd);
            if (root >= 0)
                close(root);
            return -1;
        }
        close(root);
    }
    return 0;
}

static int root_enter(const char *root, struct err *err)
{
    DIR *fds = opendir("/proc/self/fd");
    int result;

    if (!fds)
        return err_set_errno(err, "/proc/self/fd");
    if (chroot(root) != 0 || chdir("/") != 0)
        result = err_set_errno(err, "empty root %s", root);
    else
        result = root_check(err) == 0 ? directories_replace(fds, err) : -1;
    closedir(fds);
    return result;
}

static int limits_set(const struct jail *jail, struct err *err)
{
    struct {
        int resource;
        const char *name;
        rlim_t value;
    } limits[] = {
        {RLIMIT_CORE, "core", 0},
        {RLIMIT_FSIZE, "file size", jail->file_size},
        {RLIMIT_NPROC, "processes", 0},
        {RLIMIT_NOFILE, "open files", jail->open_files},
    };
    struct rlimit now;

    /* A write to a stderr that is a file fails from now on; it must not kill. */
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (SECCOMP_SANITIZED && limits[i].resource == RLIMIT_FSIZE)
            continue;
        if (getrlimit(limits[i].resource, &now) != 0)
            return err_set_errno(err, "limit of %s", limits[i].name);
        if (limits[i].value > now.rlim_max)
            limits[i].value = now.rlim_max;
        now.rlim_cur = now.rlim_max = limits[i].value;
        if (setrlimit(limits[i].resource, &now) != 0 || getrlimit(limits[i].resource, &now) != 0)
            return err_set_errno(err, "limit of %s", limits[i].name);
        if (now.rlim_cur != limits[i].value || now.rlim_max != limits[i].value)
            return err_set(err, "limit of %s did not take effect", limits[i].name);
    }
    return 0;
}

static int steps(const struct jail *jail, struct err *err)
{
    if (!secret_hide_stack())
        return err_set(err, "its stack cannot be left out of core dumps");
    if (root_enter(jail->root, err) != 0 || limits_set(jail, err) != 0)
        return -1;
    if (privs_bound(jail->capabilities, err) != 0 || privs_lock(err) != 0)
        return -1;
    if (privs_become(jail->uid, jail->gid, NULL, 0, err) != 0 || privs_keep(jail->capabilities, err) != 0)
        return -1;
    if (privs_probe(jail->uid, err) != 0 || privs_seal(err) != 0)
        return -1;
    return seccomp_confine(jail->profile, err);
}

int jail_enter(const struct jail *jail, struct err *err)
{
    if (steps(jail, err) != 0)
        return err_prefix(err, "jail");
    return 0;
}
