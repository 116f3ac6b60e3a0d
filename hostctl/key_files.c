/* SPDX-License-Identifier: GPL-3.0-or-later */
/* key_files: see key_files.h. */
#include "hostctl/key_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/host_key.h"
#include "hostctl/places.h"

/* All of a file that is opened, into `bytes`; *len KEY_MAX: it is larger. Returns 0 or -1. */
static int read_all(int fd, char bytes[KEY_MAX], size_t *len, struct err *err)
{
    struct stat info;
    ssize_t got = 1;

    if (fstat(fd, &info) != 0)
        return err_set_errno(err, "cannot be read");
    if (!S_ISREG(info.st_mode))
        return err_set(err, "is no file");
    if ((info.st_mode & 077) != 0)
        return err_set(err, "may be used by others than its owner (mode %03o): chmod 600",
                       (unsigned)(info.st_mode & 0777));
    *len = 0;
    while (got != 0 && *len < KEY_MAX) {
        got = read(fd, bytes + *len, KEY_MAX - *len);
        if (got < 0 && errno != EINTR)
            return err_set_errno(err, "cannot be read");
        *len += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* Whether it is one of a security key: then the file is no key, and somebody has to touch a thing for each use. The public
 * half stands at the same place of every file of OpenSSH's without a passphrase (its PROTOCOL.key). */
static bool is_touched(struct str text)
{
    enum { digits = 72, place = 47 };
    char base64[digits];
    unsigned char bytes[digits];
    const char *line = memchr(text.ptr, '\n', text.len);
    size_t count = 0;

    for (const char *at = line; at != NULL && at < text.ptr + text.len && count < digits; at++)
        if (*at != '\n' && *at != '\r')
            base64[count++] = *at;
    bool touched = count == digits && base64_decode((struct str){base64, digits}, bytes) == digits / 4 * 3 &&
                   memcmp(bytes, "openssh-key-v1", 15) == 0 && memcmp(bytes + place, "sk-", 3) == 0;
    secret_wipe(base64, sizeof base64);
    secret_wipe(bytes, sizeof bytes);
    return touched;
}

static int read_key(const char *path, struct secret **key, struct err *err)
{
    char *bytes = secret_alloc(KEY_MAX);
    size_t len = 0;
    const char *problem = NULL;

    if (bytes == NULL)
        return err_set(err, "cannot be read: no locked memory is left (RLIMIT_MEMLOCK)");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int status = fd < 0 ? err_set_errno(err, "cannot be read") : read_all(fd, bytes, &len, err);
    struct str text = {bytes, len};
    if (status == 0 && (problem = keys_problem(text)) == NULL && is_touched(text))
        problem = "is a security key's: somebody would have to touch it for each use";
    if (problem != NULL)
        status = err_set(err, "%s", problem);
    if (status == 0 && (*key = secret_new(text)) == NULL)
        status = err_set(err, "cannot be read: no locked memory is left (RLIMIT_MEMLOCK)");
    if (fd >= 0)
        close(fd);
    secret_release(bytes, KEY_MAX);
    return status;
}

static int take(const struct manifest_repo *repo, struct keys *keys, struct report *report)
{
    char path[PATH_MAX], key[128], quoted[REPORT_QUOTED];
    struct secret *text = NULL;
    struct err err;

    if (places_user_file(repo->key.path.text, path, &err) == 0 && read_key(path, &text, &err) == 0) {
        keys_add(keys, repo->name.text, text);
        return 0;
    }
    snprintf(key, sizeof key, "git-gate.repos.%s.key.path", repo->name.text);
    report_file(report, repo->name.file);
    report_add(report, repo->key.path.line, key, "%s %s", report_quote(str_of(repo->key.path.text), quoted),
               err.text);
    return -1;
}

struct keys *key_files_read(const struct manifest *manifest, struct report *report)
{
    struct keys *keys = keys_new(manifest->repo_count);
    const char *own = report->file;
    int status = 0;

    if (keys == NULL) {
        report_add(report, 0, "", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < manifest->repo_count; i++)
        if (manifest->repos[i].key.provider == PROVIDER_STATIC &&
            take(&manifest->repos[i], keys, report) != 0)
            status = -1;
    report->file = own;
    if (status == 0)
        return keys;
    keys_free(keys);
    return NULL;
}

int key_files_check(const char *path, struct err *err)
{
    char full[PATH_MAX];
    struct secret *key = NULL;
    int status = places_user_file(path, full, err) == 0 ? read_key(full, &key, err) : -1;

    secret_free(key);
    return status;
}

char *key_files_text(const struct manifest *manifest, const struct keys *keys)
{
    char *text = keys_text(keys);
    json_t *all = text != NULL ? json_loads(text, 0, NULL) : NULL;

    secrets_text_free(text);
    for (size_t i = 0; all != NULL && i < manifest->repo_count; i++)
        if (manifest->repos[i].key.provider != PROVIDER_STATIC)
            json_object_set_new(all, manifest->repos[i].name.text, json_null());
    text = all != NULL ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    return text;
}
