/* SPDX-License-Identifier: GPL-3.0-or-later */
/* known_hosts: see known_hosts.h. */
#include "hostctl/known_hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/state.h"

#define LOCK_TRIES 250 /* of LOCK_NS: whoever has it writes one small file */
#define LOCK_NS    20000000L

void known_hosts_name(const struct gate_url *url, char name[KNOWN_HOSTS_NAME])
{
    if (url->port == GATE_SSH_PORT)
        snprintf(name, KNOWN_HOSTS_NAME, "%s", url->host);
    else
        snprintf(name, KNOWN_HOSTS_NAME, "[%s]:%u", url->host, url->port);
}

int known_hosts_path(char path[PATH_MAX], struct err *err)
{
    if (state_root(path, err) != 0)
        return -1;
    strcpy(strrchr(path, '/'), "/known_hosts"); /* beside the bottles; state_root leaves room */
    return 0;
}

/* The whole file as text (free); NULL with an empty err when there is none. */
static char *read_file(const char *path, struct err *err)
{
    struct stat info;
    char *text = NULL;
    size_t len = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    err->text[0] = '\0';
    if (fd < 0 && errno == ENOENT)
        return NULL;
    if (fd < 0 || fstat(fd, &info) != 0)
        err_set_errno(err, "%s", path);
    else if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 022) != 0)
        err_set(err, "%s is not a file that only its owner, the caller, can write", path);
    else if ((text = malloc(KNOWN_HOSTS_MAX + 1)) == NULL)
        err_set(err, "out of memory");
    while (text != NULL && got > 0 && len <= KNOWN_HOSTS_MAX) {
        got = read(fd, text + len, KNOWN_HOSTS_MAX + 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    if (text != NULL && got < 0)
        err_set_errno(err, "%s", path);
    else if (text != NULL && len > KNOWN_HOSTS_MAX)
        err_set(err, "%s is larger than %u bytes", path, KNOWN_HOSTS_MAX);
    if (fd >= 0)
        close(fd);
    if (err->text[0] == '\0') {
        text[len] = '\0';
        if (strlen(text) == len)
            return text;
        err_set(err, "%s is no text", path);
    }
    free(text);
    return NULL;
}

/* The key of the line for this host: 1 found, 0 not there, -1 with err. *count: of all hosts. */
static int find(const char *text, const char *path, const char *name, char key[HOST_KEY_MAX + 1],
                size_t *count, struct err *err)
{
    size_t len = strlen(name);
    int found = 0;
    unsigned number = 1;

    for (const char *line = text, *end; *line != '\0'; line = *end != '\0' ? end + 1 : end, number++) {
        end = line + strcspn(line, "\n");
        size_t host = strcspn(line, " \n");
        struct str rest = {line + host + 1,
                           (size_t)(end - line) > host ? (size_t)(end - line) - host - 1 : 0};
        if (line[0] == '#' || end == line)
            continue;
        if (host == 0 || line[host] != ' ' || !host_key_is(rest))
            return err_set(err, "%s:%u: is not understood: HOST TYPE BASE64", path, number);
        ++*count;
        if (host != len || memcmp(line, name, len) != 0)
            continue;
        if (found)
            return err_set(err, "%s:%u: a second key of %s", path, number, name);
        memcpy(key, rest.ptr, rest.len);
        key[rest.len] = '\0';
        found = 1;
    }
    return found;
}

int known_hosts_find(const struct gate_url *url, char key[HOST_KEY_MAX + 1], struct err *err)
{
    char path[PATH_MAX], name[KNOWN_HOSTS_NAME];
    size_t count = 0;

    if (known_hosts_path(path, err) != 0)
        return -1;
    known_hosts_name(url, name);
    char *text = read_file(path, err);
    int found = text != NULL ? find(text, path, name, key, &count, err) : err->text[0] != '\0' ? -1 : 0;
    free(text);
    return found;
}

int known_hosts_count(size_t *count, struct err *err)
{
    char path[PATH_MAX], key[HOST_KEY_MAX + 1];

    *count = 0;
    if (known_hosts_path(path, err) != 0)
        return -1;
    char *text = read_file(path, err);
    int found = text != NULL ? find(text, path, "", key, count, err) : err->text[0] != '\0' ? -1 : 0;
    free(text);
    return found < 0 ? -1 : 0;
}

/* A record lock on a file beside it, which stays: the descriptor, or -1 with err. */
static int lock(const char *path, struct err *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char beside[PATH_MAX + 8];

    snprintf(beside, sizeof beside, "%s.lock", path);
    int fd = open(beside, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "%s", beside);
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (fcntl(fd, F_SETLK, &lock) == 0)
            return fd;
        if (errno != EACCES && errno != EAGAIN)
            break;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_NS}, NULL);
    }
    err_set_errno(err, "%s", beside);
    close(fd);
    return -1;
}

static int write_file(const char *path, const char *text, const char *name, const char *key, struct err *err)
{
    size_t len = text != NULL ? strlen(text) : 0;
    char fresh[PATH_MAX + 8];

    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        err_set_errno(err, "%s", fresh);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    fprintf(file, "%s%s%s %s\n", len > 0 ? text : "", len > 0 && text[len - 1] != '\n' ? "\n" : "", name,
            key);
    bool written = fflush(file) == 0 && fsync(fd) == 0;
    if (fclose(file) == 0 && written && rename(fresh, path) == 0)
        return 0;
    err_set_errno(err, "%s", fresh);
    unlink(fresh);
    return -1;
}

static int add(const char *path, const struct gate_url *url, const char *key, struct err *err)
{
    char old[HOST_KEY_MAX + 1], name[KNOWN_HOSTS_NAME];
    size_t count = 0;
    int status = -1;

    known_hosts_name(url, name);
    char *text = read_file(path, err);
    if (text == NULL && err->text[0] != '\0')
        return -1;
    int found = text != NULL ? find(text, path, name, old, &count, err) : 0;
    if (found == 0)
        status = write_file(path, text, name, key, err);
    else if (found == 1)
        status = strcmp(old, key) == 0 ? 0 : err_set(err, "%s: has another key of %s by now", path, name);
    free(text);
    return status;
}

int known_hosts_add(const struct gate_url *url, const char *key, struct err *err)
{
    char path[PATH_MAX];

    if (known_hosts_path(path, err) != 0)
        return -1;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    int status = state_make_folders(path, err);
    *slash = '/';
    int fd = status == 0 ? lock(path, err) : -1;
    if (fd < 0)
        return -1;
    status = add(path, url, key, err);
    close(fd);
    return status;
}
