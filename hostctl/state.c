/* SPDX-License-Identifier: GPL-3.0-or-later */
/* state: see state.h. The record is one small JSON object, replaced as a whole. It must never hold a secret:
 * it lies on the host's disk. */
#include "hostctl/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/random.h"

#define RECORD    "record.json"
#define KEYS      "deploy_keys" /* its member */
#define LABEL     "label"
#define LOCK      "lock"
#define POLL_NS   20000000L /* between two tries to lock */
#define DEPTH_MAX 16        /* of folders that are open at a time */

bool state_name_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(name);

    return len > 0 && len <= BOTTLE_NAME_MAX && name[0] != '-' && strspn(name, letters) == len;
}

int state_make_folders(char *path, struct err *err)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return err_set_errno(err, "%s", path);
        if (slash == NULL)
            return 0;
        *slash = '/';
    }
}

int state_root(char path[PATH_MAX], struct err *err)
{
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    bool xdg = base != NULL && base[0] == '/'; /* a relative one is to be ignored, says the specification */

    if (!xdg && (home == NULL || home[0] != '/'))
        return err_set(err, "neither XDG_STATE_HOME nor HOME is an absolute path: no place for state");
    int len = snprintf(path, PATH_MAX, "%s%s/stopper/bottles", xdg ? base : home, xdg ? "" : "/.local/state");
    if (len < 0 || len + 64 > PATH_MAX)
        return err_set(err, "the path of the state folder is too long");
    return 0;
}

/* The root's path; if it is there (or was made), nobody else can write it. */
static int use_root(char path[PATH_MAX], bool make, struct err *err)
{
    struct stat info;

    if (state_root(path, err) != 0 || (make && state_make_folders(path, err) != 0))
        return -1;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? 0 : err_set_errno(err, "%s", path);
    if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 022) != 0)
        return err_set(err, "%s is not a folder that only its owner, the caller, can write", path);
    return 0;
}

/* 1 locked, 0 held by another process, -1 with errno. */
static int try_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_SETLK, &lock) == 0)
        return 1;
    return errno == EACCES || errno == EAGAIN ? 0 : -1;
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the locked file is still the one in the folder: its holder may have removed it while we waited. */
static bool still_there(const struct state *state, const char *path)
{
    struct stat ours, its;

    return fstat(state->lock, &ours) == 0 && lstat(path, &its) == 0 && ours.st_ino == its.st_ino &&
           ours.st_dev == its.st_dev;
}

static enum state_result lock_folder(struct state *state, bool make, unsigned timeout_ms, struct err *err)
{
    long long deadline = now_ms() + timeout_ms;
    char path[PATH_MAX + sizeof LOCK];

    snprintf(path, sizeof path, "%s/" LOCK, state->path);
    for (;;) {
        if (make && mkdir(state->path, 0700) != 0 && errno != EEXIST)
            return err_set_errno(err, "%s", state->path), STATE_ERROR;
        state->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (state->lock < 0 && errno == ENOENT && make)
            continue; /* removed between the two calls */
        if (state->lock < 0 && errno == ENOENT)
            return err_set(err, "there is no bottle \"%s\"", state->name), STATE_MISSING;
        int locked = state->lock < 0 ? -1 : try_lock(state->lock);
        if (locked == 1 && still_there(state, path))
            return STATE_OK;
        if (locked < 0)
            return err_set_errno(err, "%s", path), STATE_ERROR;
        close(state->lock);
        state->lock = -1;
        if (locked == 0 && now_ms() >= deadline)
            return err_set(err, "another hostctl has the bottle \"%s\"", state->name), STATE_BUSY;
        if (locked == 0)
            nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

/* For the end of a program that the folder's last holder had started. */
static enum state_result wait_for_guard(const struct state *state, struct err *err)
{
    long long deadline = now_ms() + STATE_GUARD_MS;
    char path[PATH_MAX + sizeof STATE_GUARD];
    int locked;

    snprintf(path, sizeof path, "%s/" STATE_GUARD, state->path);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? STATE_OK : (err_set_errno(err, "%s", path), STATE_ERROR);
    while ((locked = try_lock(fd)) == 0 && now_ms() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    int error = errno;
    close(fd); /* and unlocks: what we start locks it for itself */
    errno = error;
    if (locked == 0)
        return err_set(err, "a program that another hostctl had started for \"%s\" still runs", state->name),
               STATE_BUSY;
    return locked == 1 ? STATE_OK : (err_set_errno(err, "%s", path), STATE_ERROR);
}

static int load_record(struct state *state, struct err *err)
{
    char path[PATH_MAX + sizeof RECORD];
    json_error_t where;

    snprintf(path, sizeof path, "%s/" RECORD, state->path);
    state->record = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (state->record != NULL && json_is_object(state->record))
        return 0;
    json_decref(state->record);
    state->record = NULL;
    if (access(path, F_OK) == 0)
        return err_set(err, "%s is damaged: %s", path, where.text);
    state->record = json_object();
    return state->record != NULL ? 0 : err_set(err, "out of memory");
}

enum state_result state_open(struct state *state, const char *name, enum state_open how, unsigned timeout_ms,
                             struct err *err)
{
    enum state_result result = STATE_OK;
    char root[PATH_MAX];

    *state = (struct state){.lock = -1};
    if (!state_name_valid(name))
        return err_set(err, "a bottle's name is 1 to %d of a-z, 0-9 and -, not beginning with -",
                       BOTTLE_NAME_MAX),
               STATE_ERROR;
    if (use_root(root, how == STATE_MAKE, err) != 0)
        return STATE_ERROR;
    snprintf(state->name, sizeof state->name, "%s", name);
    if ((size_t)snprintf(state->path, sizeof state->path, "%s/%s", root, name) >= sizeof state->path)
        return err_set(err, "the path of the state folder is too long"), STATE_ERROR;
    if (how != STATE_READ) {
        result = lock_folder(state, how == STATE_MAKE, timeout_ms, err);
        if (result == STATE_OK)
            result = wait_for_guard(state, err);
    } else if (access(state->path, F_OK) != 0) {
        err_set(err, "there is no bottle \"%s\"", name);
        result = STATE_MISSING;
    }
    if (result == STATE_OK && load_record(state, err) != 0)
        result = STATE_ERROR;
    if (result != STATE_OK)
        state_close(state);
    return result;
}

void state_close(struct state *state)
{
    json_decref(state->record);
    state->record = NULL;
    if (state->lock >= 0)
        close(state->lock);
    state->lock = -1;
}

/* What is emptied. An agent says how deep a repository's refs lie: what is too deep is moved up, for another round. */
struct emptied {
    int top;
    dev_t device;
    unsigned moved;
};

static int move_up(struct emptied *emptied, int fd, const char *name, struct err *err)
{
    char up[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(up, sizeof up, "deep-%u", emptied->moved++);
        if (renameat(fd, name, emptied->top, up) == 0)
            return 0;
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
            break;
    }
    return err_set_errno(err, "%s", name);
}

static int remove_folder(struct emptied *emptied, int fd, const char *name, unsigned depth, struct err *err);

/* Deletes what is in a folder, the lock file excepted. Takes fd. */
static int empty_folder(struct emptied *emptied, int fd, unsigned depth, struct err *err)
{
    DIR *folder = fdopendir(fd);
    const struct dirent *entry;
    int status = 0;

    if (folder == NULL) {
        close(fd);
        return err_set_errno(err, "folder");
    }
    while (status == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        struct stat info;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (depth == 0 && strcmp(name, LOCK) == 0))
            continue;
        if (fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            status = err_set_errno(err, "%s", name);
        } else if (S_ISDIR(info.st_mode)) {
            if (info.st_dev != emptied->device)
                status = err_set(err, "%s: something is mounted there", name);
            else if (depth == DEPTH_MAX)
                status = move_up(emptied, fd, name, err);
            else
                status = remove_folder(emptied, fd, name, depth, err);
        } else if (info.st_dev != emptied->device || unlinkat(fd, name, 0) != 0) {
            status = err_set_errno(err, "%s", name);
        }
    }
    closedir(folder);
    return status;
}

static int remove_folder(struct emptied *emptied, int fd, const char *name, unsigned depth, struct err *err)
{
    int inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (inner < 0)
        return err_set_errno(err, "%s", name);
    if (empty_folder(emptied, inner, depth + 1, err) != 0)
        return -1;
    return unlinkat(fd, name, AT_REMOVEDIR) == 0 ? 0 : err_set_errno(err, "%s", name);
}

static int empty_all(int folder, dev_t device, struct err *err)
{
    struct emptied emptied = {folder, device, 0};
    unsigned moved;
    int status;

    do {
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        moved = emptied.moved;
        status = fd < 0 ? err_set_errno(err, "folder") : empty_folder(&emptied, fd, 0, err);
    } while (status == 0 && emptied.moved != moved);
    return status;
}

int state_remove(struct state *state, struct err *err)
{
    int folder = open(state->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char path[PATH_MAX + sizeof LOCK];
    struct stat info;
    int status = 0;

    snprintf(path, sizeof path, "%s/" LOCK, state->path);
    if (state->lock < 0)
        status = err_set(err, "not locked");
    else if (folder < 0 || fstat(folder, &info) != 0)
        status = err_set_errno(err, "folder");
    else
        status = empty_all(folder, info.st_dev, err);
    if (status == 0 && unlink(path) != 0)
        status = err_set_errno(err, LOCK);
    /* Whoever made a lock file of his own since then has the folder now. */
    if (status == 0 && rmdir(state->path) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
        status = err_set_errno(err, "folder");
    if (folder >= 0)
        close(folder);
    if (status != 0)
        err_prefix(err, "%s", state->path);
    state_close(state);
    return status;
}

pid_t state_owner(const struct state *state)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_MAX + sizeof LOCK];
    pid_t owner = 0;

    if (state->lock >= 0)
        return getpid();
    snprintf(path, sizeof path, "%s/" LOCK, state->path);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        owner = lock.l_pid;
    close(fd);
    return owner;
}

bool state_recorded(const struct state *state)
{
    return json_object_size(state->record) > 0;
}

/* Replaces the record on disk. */
static int save(const struct state *state, struct err *err)
{
    char path[PATH_MAX + sizeof RECORD], fresh[PATH_MAX + sizeof RECORD + 4];

    if (state->lock < 0)
        return err_set(err, "%s: not locked", state->path);
    snprintf(path, sizeof path, "%s/" RECORD, state->path);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "%s", fresh);
    int status = json_dumpfd(state->record, fd, JSON_INDENT(2)) != 0 ? err_set_errno(err, "%s", fresh) : 0;
    if (close(fd) != 0 && status == 0)
        status = err_set_errno(err, "%s", fresh);
    if (status == 0 && rename(fresh, path) != 0)
        status = err_set_errno(err, "%s", path);
    return status;
}

/* Sets record[group][key] and saves; takes value. */
static int put(struct state *state, const char *group, const char *key, json_t *value, struct err *err)
{
    json_t *object = json_object_get(state->record, group);

    if (object == NULL) {
        object = json_object();
        if (json_object_set_new(state->record, group, object) != 0) {
            json_decref(value);
            return err_set(err, "%s: out of memory", state->path);
        }
    }
    if (json_object_set_new(object, key, value) != 0)
        return err_set(err, "%s: \"%s\" cannot be recorded", state->path, key);
    return save(state, err);
}

int state_set(struct state *state, const char *key, const char *value, struct err *err)
{
    return put(state, "values", key, json_string(value), err);
}

const char *state_get(const struct state *state, const char *key)
{
    return json_string_value(json_object_get(json_object_get(state->record, "values"), key));
}

int state_set_process(struct state *state, const char *role, pid_t pid, uint64_t start, struct err *err)
{
    return put(state, "processes", role,
               json_pack("{s:I,s:I}", "pid", (json_int_t)pid, "start", (json_int_t)start), err);
}

bool state_get_process(const struct state *state, const char *role, pid_t *pid, uint64_t *start)
{
    const json_t *process = json_object_get(json_object_get(state->record, "processes"), role);
    json_int_t number = json_integer_value(json_object_get(process, "pid"));

    if (number <= 1 || number > INT_MAX) /* never a group, never everybody, never init */
        return false;
    *pid = (pid_t)number;
    *start = (uint64_t)json_integer_value(json_object_get(process, "start"));
    return true;
}

const json_t *state_deploy_keys(const struct state *state)
{
    const json_t *keys = json_object_get(state->record, KEYS);

    return json_object_size(keys) > 0 ? keys : NULL;
}

int state_set_deploy_key(struct state *state, const char *repo, json_t *key, struct err *err)
{
    if (key != NULL)
        return put(state, KEYS, repo, key, err);
    if (json_object_del(json_object_get(state->record, KEYS), repo) != 0)
        return 0;
    return save(state, err);
}

/* 0, or -1 with errno; ENOENT: there is none yet. */
static int read_label(const char *path, char label[STATE_LABEL])
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, label, STATE_LABEL) : -1;

    if (fd >= 0)
        close(fd);
    if (got < 0)
        return -1;
    label[STATE_LABEL - 1] = '\0';
    if (got == STATE_LABEL - 1 && strspn(label, "0123456789abcdef") == STATE_LABEL - 1)
        return 0;
    errno = EILSEQ;
    return -1;
}

/* A file of its own first, which becomes the label by link(): two that make one at once get the same. */
static int make_label(const char *path, struct err *err)
{
    char fresh[PATH_MAX + 64], label[STATE_LABEL];

    if (random_hex(label, (STATE_LABEL - 1) / 2, err) != 0)
        return -1;
    snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, label, STATE_LABEL - 1) == STATE_LABEL - 1;
    if (fd >= 0 && close(fd) != 0)
        written = false;
    int status = written && (link(fresh, path) == 0 || errno == EEXIST) ? 0 : err_set_errno(err, "%s", fresh);
    unlink(fresh);
    return status;
}

int state_label(char label[STATE_LABEL], struct err *err)
{
    char root[PATH_MAX], path[PATH_MAX + sizeof LABEL];

    if (use_root(root, true, err) != 0)
        return -1;
    *strrchr(root, '/') = '\0'; /* all of Stopper's state, not the bottles only */
    snprintf(path, sizeof path, "%s/" LABEL, root);
    if (read_label(path, label) == 0)
        return 0;
    if (errno == ENOENT && make_label(path, err) != 0)
        return -1;
    return read_label(path, label) == 0 ? 0 : err_set_errno(err, "%s", path);
}

static int is_bottle(const struct dirent *entry)
{
    return state_name_valid(entry->d_name);
}

int state_each(int (*each)(void *ctx, const char *name), void *ctx, struct err *err)
{
    struct dirent **entries;
    char root[PATH_MAX];
    int status = 0;

    if (use_root(root, false, err) != 0)
        return -1;
    int count = scandir(root, &entries, is_bottle, alphasort);
    if (count < 0 && errno == ENOENT)
        return 0;
    if (count < 0)
        return err_set_errno(err, "%s", root);
    for (int i = 0; i < count; i++) {
        if (status == 0)
            status = each(ctx, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}
