/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mounted: read once, at boot. Links are followed, since that is how orchestrators mount; what counts is the
 * file that was opened. A later change of the files changes nothing.
 */
#include "init/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/secret.h"

/* A descriptor of a regular file, not larger than max bytes; -1 with err. */
static int file_open(const char *path, size_t max, bool secret, struct err *err)
{
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &found) < 0)
        err_set_errno(err, "cannot be opened");
    else if (!S_ISREG(found.st_mode))
        err_set(err, "is not a file");
    else if (secret && (found.st_uid != 0 || (found.st_mode & 077) != 0))
        err_set(err,
                "has to be root's and closed to everybody else (mode 0400 or 0600): it is of user %u with "
                "mode %04o",
                (unsigned)found.st_uid, (unsigned)found.st_mode & 07777);
    else if (found.st_size > (off_t)max)
        err_set(err, "is larger than %zu bytes", max);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads to the end, or until the buffer is full. -1 with err. */
static ssize_t file_read(int fd, char *text, size_t size, struct err *err)
{
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, text + len, size - len);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return err_set_errno(err, "cannot be read");
        if (got > 0)
            len += (size_t)got;
    }
    return (ssize_t)len;
}

/* The JSON of a file, the caller's; NULL with err. No words of the parser: they may hold a part of a value.
 */
static json_t *file_json(const char *path, size_t max, bool secret, struct err *err)
{
    int fd = file_open(path, max, secret, err);
    char *text = fd < 0 ? NULL : malloc(max + 1);
    json_error_t where;
    json_t *json = NULL;
    ssize_t len = -1;

    if (fd >= 0 && text == NULL)
        err_set(err, "out of memory");
    if (text != NULL)
        len = file_read(fd, text, max + 1, err);
    if (len > (ssize_t)max)
        err_set(err, "is larger than %zu bytes", max);
    else if (len >= 0 && (json = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &where)) == NULL)
        err_set(err, "is not JSON: line %d, column %d", where.line, where.column);
    if (len > 0)
        secret_wipe(text, (size_t)len);
    free(text);
    if (fd >= 0)
        close(fd);
    if (json == NULL)
        err_prefix(err, "%s", path);
    return json;
}

int mounted_load(struct policy_store *store, const char *policy_path, const char *secrets_path,
                 const char *keys_path, struct err *err)
{
    json_t *policy = file_json(policy_path, POLICY_MAX_BYTES, false, err), *secrets = NULL, *keys = NULL;
    int status = -1;

    if (policy == NULL)
        return -1;
    if ((secrets_path[0] == '\0' ||
         (secrets = file_json(secrets_path, SECRETS_MAX_JSON, true, err)) != NULL) &&
        (keys_path[0] == '\0' || (keys = file_json(keys_path, KEYS_MAX_JSON, true, err)) != NULL))
        status = policy_store_stage(store, policy, secrets, keys, err);
    if (status == 0)
        policy_store_commit(store);
    json_decref(keys);
    json_decref(secrets);
    json_decref(policy);
    return status;
}
