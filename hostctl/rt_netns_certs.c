/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_certs: see the header. Runs as part of `prepare` (rt_netns_root.h), with the new root as the
 * working directory. Only what everybody on the host may read is copied, and nothing is followed out of the
 * folders of the table: a link is copied as a link.
 */
#include "hostctl/rt_netns_certs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/rt_netns_tree.h"

#define BUNDLE              "etc/ssl/certs/ca-certificates.crt"
#define DEPTH_MAX           4
#define ENTRIES_MAX         4096
#define BYTES_MAX           (16ll << 20) /* of all copies; the tmpfs are larger */
#define SUSE_FOLDER         "/var/lib/ca-certificates"
#define SUSE_FOLDER_OPTIONS "mode=755,size=20m"

/* Debian, Alpine, SUSE, Fedora. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
};

/* What the programs of these systems read, and the folders in which an administrator of theirs adds an
 * authority. SUSE_FOLDER stands apart: it is not in /etc. */
static const char *const copies[] = {
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/ca-trust/source",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/trust",
    "/etc/ca-certificates/extracted",
    "/etc/ca-certificates/trust-source",
};

struct copying {
    long long bytes;
    unsigned entries;
};

static int copy(struct copying *copying, const char *path, unsigned depth, struct err *err);

static int copy_bytes(struct copying *copying, int from, const char *path, struct err *err)
{
    static char bytes[65536];
    int to = open(path + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644), result = 0;
    ssize_t got = 0;

    if (to == -1)
        return err_set_errno(err, "%s", path);
    while (result == 0 && (got = read(from, bytes, sizeof bytes)) > 0) {
        copying->bytes += got;
        if (copying->bytes > BYTES_MAX)
            result = err_set(err, "%s: more than %lld bytes of certificates", path, BYTES_MAX);
        else if (write(to, bytes, (size_t)got) != got)
            result = err_set_errno(err, "%s", path);
    }
    if (got == -1)
        result = err_set_errno(err, "%s", path);
    close(to);
    return result;
}

static int copy_file(struct copying *copying, const char *path, struct err *err)
{
    struct stat status;
    int from = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from == -1)
        return errno == ENOENT || errno == ELOOP ? 0 : err_set_errno(err, "%s", path);
    bool wanted = fstat(from, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH);
    int result = wanted ? copy_bytes(copying, from, path, err) : 0;
    close(from);
    return result;
}

static int copy_link(const char *path, struct err *err)
{
    char target[PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len == -1)
        return err_set_errno(err, "%s", path);
    target[len] = '\0';
    return tree_link(path + 1, target, err);
}

static int copy_folder(struct copying *copying, const char *path, unsigned depth, struct err *err)
{
    char inner[PATH_MAX];
    struct dirent *entry;
    int result = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return err_set_errno(err, "%s", path);
    while (result == 0 && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner)
            result = copy(copying, inner, depth + 1, err);
    closedir(dir);
    return result;
}

static int copy(struct copying *copying, const char *path, unsigned depth, struct err *err)
{
    struct stat status;
    if (lstat(path, &status) == -1)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_set_errno(err, "%s", path);
    if (depth > DEPTH_MAX || ++copying->entries > ENTRIES_MAX)
        return err_set(err, "%s: more than %d files of certificates, or folders too deep", path, ENTRIES_MAX);
    if (S_ISLNK(status.st_mode))
        return copy_link(path, err);
    if (S_ISREG(status.st_mode))
        return tree_parents(path + 1, err) == -1 ? -1 : copy_file(copying, path, err);
    if (!S_ISDIR(status.st_mode) || !(status.st_mode & S_IROTH))
        return 0;
    return tree_folder(path + 1, 0755, 0, 0, err) == -1 ? -1 : copy_folder(copying, path, depth, err);
}

int certs_agent(struct err *err)
{
    struct copying copying = {0};
    struct stat status;
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++)
        if (copy(&copying, copies[i], 0, err) == -1)
            return err_prefix(err, "certificates");
    if (lstat(SUSE_FOLDER, &status) == -1 || !S_ISDIR(status.st_mode))
        return 0;
    if (tree_tmpfs(&SUSE_FOLDER[1], SUSE_FOLDER_OPTIONS, false, err) == -1 ||
        copy(&copying, SUSE_FOLDER, 0, err) == -1)
        return err_prefix(err, "certificates");
    return 0;
}

int certs_sidecar(struct err *err)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof bundles / sizeof bundles[0]; i++)
        if (realpath(bundles[i], path))
            return tree_bind(path, BUNDLE, TREE_READ_ONLY, err);
    return 0;
}
