/* SPDX-License-Identifier: GPL-3.0-or-later */
/* doctor_host: see doctor.h. Two tables: what hostctl itself needs, here, and what each runtime needs (struct need). */
#include "hostctl/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/bottle.h"
#include "hostctl/known_hosts.h"
#include "hostctl/places.h"
#include "hostctl/validate.h"

#define FILES_MIN 256u          /* descriptors: forward alone has five a connection */
#define LOCK_MIN  (64u << 10)   /* bytes of memory that secrets can lie in */
#define DISK_MIN  (64ull << 20) /* bytes for the audit */
#define CLOCK_MIN 1767225600    /* 2026-01-01: no certificate of this release is older */

/* ---- hostctl itself ---- */

/* Of the nearest folder above that is there. */
static void existing(char path[PATH_MAX])
{
    struct stat info;

    while (strlen(path) > 1 && stat(path, &info) != 0) {
        char *slash = strrchr(path, '/');
        slash[slash == path] = '\0';
    }
}

static int look_state(struct err *said)
{
    char path[PATH_MAX];
    struct stat info;

    if (state_root(path, said) != 0)
        return -1;
    if (lstat(path, &info) == 0 &&
        (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 022) != 0))
        return err_set(said, "%s is not a folder that only its owner, the caller, can write", path);
    err_set(said, "%s", path);
    return 0;
}

/* Puts its name in front of the others. */
static int name_leftover(void *ctx, const char *name)
{
    struct err *said = ctx, ignored;
    struct state state;

    if (state_open(&state, name, STATE_READ, 0, &ignored) != STATE_OK)
        return 0;
    if (state_recorded(&state) && state_owner(&state) == 0 && !bottle_kept(&state) &&
        !bottle_detached(&state))
        err_prefix(said, "%s", name);
    state_close(&state);
    return 0;
}

static int look_leftovers(struct err *said)
{
    struct err names = {""};

    if (state_each(name_leftover, &names, said) != 0)
        return -1;
    if (names.text[0] == '\0')
        return err_set(said, "none"), 0;
    names.text[strlen(names.text) - 2] = '\0'; /* the last ": " */
    return err_set(said, "of bottles whose hostctl was killed: %s", names.text);
}

/* Whoever calls sudo keeps bottles in a folder of his own. */
static int look_config(struct err *said)
{
    const char *caller = getenv("SUDO_UID");
    char path[PATH_MAX];
    struct stat info;

    if (places_config(path, said) != 0)
        return -1;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? (err_set(said, "%s is not there yet", path), 0)
                               : err_set_errno(said, "%s", path);
    bool own = info.st_uid == geteuid() ||
               (geteuid() == 0 && caller != NULL && info.st_uid == strtoul(caller, NULL, 10));
    if (!S_ISDIR(info.st_mode) || !own || (info.st_mode & 022) != 0)
        return err_set(said, "%s is not a folder that only its owner, the caller, can write", path);
    err_set(said, "%s", path);
    return 0;
}

static int look_manifests(struct err *said)
{
    char path[PATH_MAX];
    size_t files, wrong;

    if (places_config(path, said) != 0 || validate_count(path, &files, &wrong, said) != 0)
        return -1;
    if (wrong > 0)
        return err_set(said, "%zu of %zu are wrong", wrong, files);
    err_set(said, "%zu, all valid", files);
    return 0;
}

/* The keys of hosts with repositories. */
static int look_hosts(struct err *said)
{
    size_t count;

    if (known_hosts_count(&count, said) != 0)
        return -1;
    err_set(said, "%zu hosts of repositories are known%s", count,
            places_program("ssh-keyscan") ? ""
                                          : "; without ssh-keyscan others need host_key in the manifest");
    return 0;
}

static int look_disk(struct err *said)
{
    char path[PATH_MAX];
    struct statvfs info;

    if (state_root(path, said) != 0)
        return -1;
    existing(path);
    if (statvfs(path, &info) != 0)
        return err_set_errno(said, "%s", path);
    unsigned long long left = (unsigned long long)info.f_bavail * info.f_frsize;
    err_set(said, "%llu MiB are left at %s", left >> 20, path);
    return left < DISK_MIN ? -1 : 0;
}

static int look_limits(struct err *said)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return err_set_errno(said, "limits");
    if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < FILES_MIN)
        return err_set(said, "%llu open files", (unsigned long long)files.rlim_cur);
#ifdef RLIMIT_MEMLOCK
    struct rlimit locked;
    if (geteuid() != 0 && getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur != RLIM_INFINITY &&
        locked.rlim_cur < LOCK_MIN)
        return err_set(said, "%llu bytes of locked memory, in which secrets lie",
                       (unsigned long long)locked.rlim_cur);
#endif
    err_set(said, "open files and locked memory suffice");
    return 0;
}

static int look_clock(struct err *said)
{
    time_t now = time(NULL);
    char text[40];
    struct tm utc;

    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    err_set(said, "%s", text);
    return now < CLOCK_MIN ? -1 : 0;
}

static const struct {
    const char *name, *remedy;
    int (*look)(struct err *said);
} own[] = {
    {"state", "chown it to who calls hostctl, and chmod go-w", look_state},
    {"leftovers", "hostctl gc removes them", look_leftovers},
    {"config", "chown it to who calls hostctl, and chmod go-w", look_config},
    {"manifests", "hostctl validate tells each error with its line", look_manifests},
    {"known-hosts", "correct the line that it names, or remove it: its host is asked for its key again",
     look_hosts},
    {"disk", "free some of it: an audit that cannot be written stops all traffic", look_disk},
    {"limits", "raise them: ulimit -n 1024 -l 64, or /etc/security/limits.conf", look_limits},
    {"clock", "set the clock: no certificate is valid yet", look_clock},
};

/* ---- runtimes ---- */

/* Returns whether it is usable. */
static bool examine(struct doctor *doctor, const struct runtime *runtime, bool wanted,
                    const char *sidecar_image)
{
    struct err said;

    doctor->area = runtime->name;
    for (const struct need *need = runtime->needs; need->name != NULL; need++) {
        said.text[0] = '\0';
        if (need->look(runtime, sidecar_image, &said) == 0) {
            doctor_add(doctor, need->name, DOCTOR_OK, said.text, NULL);
            continue;
        }
        doctor_add(doctor, need->name, need->vital && !wanted ? DOCTOR_ABSENT : DOCTOR_FAIL, said.text,
                   need->remedy);
        return false; /* what follows builds on it */
    }
    return true;
}

void doctor_host(struct doctor *doctor, const struct runtime *runtime, const char *sidecar_image)
{
    char usable[200] = "";
    struct err said;

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        doctor_add(doctor, own[i].name, own[i].look(&said) == 0 ? DOCTOR_OK : DOCTOR_FAIL, said.text,
                   own[i].remedy);
    for (size_t i = 0; runtimes[i] != NULL; i++) {
        size_t len = strlen(usable);
        if ((runtime == NULL || runtime == runtimes[i]) &&
            examine(doctor, runtimes[i], runtime != NULL, sidecar_image))
            snprintf(usable + len, sizeof usable - len, "%s%s", len > 0 ? ", " : "", runtimes[i]->name);
    }
    doctor->area = "host";
    doctor_add(doctor, "runtimes", usable[0] != '\0' ? DOCTOR_OK : DOCTOR_FAIL,
               usable[0] != '\0' ? usable : "bottles cannot be made here",
               "see what is missing for each above");
}
