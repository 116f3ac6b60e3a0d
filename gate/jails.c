/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jails: see the header. In the image most of these paths hold git and ssh alone; with the runtime netns they are the host's. */
#include "gate/jails.h"

#include <stdio.h>
#include <string.h>

#include "sys/seccomp.h"
#include "sys/users.h"

#define READ  LANDLOCK_MAY_READ
#define RUN   (LANDLOCK_MAY_READ | LANDLOCK_MAY_EXECUTE)
#define WRITE (LANDLOCK_MAY_READ | LANDLOCK_MAY_WRITE)
#define GONE  LANDLOCK_MAY_BE_GONE

/* What a dynamic program is put together from. */
static const struct landlock_path libraries[] = {
    {"/usr/lib", READ},
    {"/usr/lib64", READ | GONE},
    {"/lib", READ | GONE},
    {"/lib64", READ | GONE},
    {"/lib64/ld-linux-x86-64.so.2", RUN | GONE},
    {"/lib/ld-linux-aarch64.so.1", RUN | GONE},
    {"/lib/ld-musl-x86_64.so.1", RUN | GONE},
    {"/lib/ld-musl-aarch64.so.1", RUN | GONE},
    {"/etc/ld.so.cache", READ | GONE},
    {"/etc/passwd", READ | GONE},
    {"/etc/nsswitch.conf", READ | GONE},
    {"/etc/localtime", READ | GONE},
    {"/dev/null", WRITE},
    {"/dev/urandom", READ},
#if SECCOMP_SANITIZED
    {"/proc", READ}, /* for reports */
#endif
    {NULL, 0},
};

static const struct landlock_path of_git[] = {
    {"/usr/bin", RUN}, /* git, and whatever scanner the operator names */
    {"/usr/local/bin", RUN | GONE},
    {"/usr/lib/git-core", RUN | GONE},
    {"/usr/libexec/git-core", RUN | GONE},
    {"/usr/share/git-core", READ | GONE},
    {NULL, 0},
};

static const struct landlock_path of_ssh[] = {
    {"/usr/bin/ssh", RUN},
    {"/etc/ssl/openssl.cnf", READ | GONE},
    {"/etc/pki/tls/openssl.cnf", READ | GONE},
    {"/etc/crypto-policies", READ | GONE},
    {NULL, 0},
};

static void add(struct jails *jails, size_t *count, const struct landlock_path *more)
{
    for (; more->path != NULL && *count + 1 < JAILS_PATHS; more++)
        jails->paths[(*count)++] = *more;
}

static void add_one(struct jails *jails, size_t *count, const char *path, unsigned may)
{
    add(jails, count, (const struct landlock_path[]){{path, may}, {NULL, 0}});
}

void jails_gate(struct jails *jails, const char *self, const char *storage)
{
    int folder = (int)(strrchr(self, '/') - self);
    size_t count = 0;

    *jails = (struct jails){.jail = {.uid = USER_GATE,
                                     .gid = USER_GATE,
                                     .open_files = 4096,
                                     .processes = 8192,
                                     .file_size = UINT64_C(64) << 30,
                                     .profile = JAIL_GATE}};
    snprintf(jails->own[0], PATH_MAX, "%.*s/stopper-gate-relay", folder, self);
    snprintf(jails->own[1], PATH_MAX, "%.*s/gate-hooks", folder, self);
    add(jails, &count, libraries);
    add(jails, &count, of_git);
    add_one(jails, &count, self, RUN);
    add_one(jails, &count, jails->own[0], RUN);
    add_one(jails, &count, jails->own[1], RUN | GONE);
    add_one(jails, &count, storage, WRITE);
    jails->jail.paths = jails->paths;
}

void jails_push(struct jails *jails, const char *folder)
{
    size_t count = 0;

    *jails = (struct jails){.jail = {.uid = USER_PUSH,
                                     .gid = USER_PUSH,
                                     .open_files = 1024,
                                     .processes = 1024,
                                     .file_size = UINT64_C(1) << 20,
                                     .connects = true,
                                     .profile = JAIL_PUSH}};
    add(jails, &count, libraries);
    add(jails, &count, of_ssh);
    add_one(jails, &count, folder, WRITE);
    jails->jail.paths = jails->paths;
}
