/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * child: see the header. git reads configuration from many places; all that are not this table are closed: no system's, no
 * user's, and the mirror's own file is git init's. GIT_CONFIG_COUNT (git-config(1), ENVIRONMENT) wins over every file.
 */
#define _GNU_SOURCE
#include "gate/child.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gate/relay.h"
#include "sys/seccomp.h"

#define ENVIRONMENT_MAX 128
#define TEXTS_SIZE      16384
#define ARGV_MAX        16384
#define CPU_SECONDS     3600
#define DATA_MAX        (UINT64_C(2) << 30) /* bytes of memory that it may make its own */

/* Values that begin with "@" are filled in below. */
static const struct {
    const char *key, *value;
} settings[] = {
    /* No program but git's own, the relay as ssh and two hooks, and no way out but ssh. */
    {"core.hooksPath", "@hooks"},
    {"core.sshCommand", "@relay"}, /* it wins over GIT_SSH, so a file's must not be there */
    {"protocol.allow", "never"},
    {"protocol.ssh.allow", "always"},
    {"protocol.version", "2"},
    {"core.fsmonitor", "false"},
    {"core.alternateRefsCommand", "true"},
    {"push.recurseSubmodules", "no"},
    {"fetch.recurseSubmodules", "false"},
    {"push.followTags", "false"},
    {"push.gpgSign", "false"},
    {"color.ui", "false"},
    {"advice.pushUpdateRejected", "false"},
    {"advice.fetchShowForcedUpdates", "false"},
    {"core.logAllRefUpdates", "false"},
    /* Packs stay as they came: they are what is sent on. Nothing tidies up while somebody waits. */
    {"receive.unpackLimit", "1"},
    {"fetch.unpackLimit", "1"},
    {"gc.auto", "0"},
    {"maintenance.auto", "false"},
    {"receive.autogc", "false"},
    {"receive.updateServerInfo", "false"},
    {"pack.windowMemory", "256m"},
    {"core.bigFileThreshold", "64m"},
    {"core.fsync", "none"}, /* a mirror is made again by its next fetch */
    /* What comes from the agent is whole and well-formed. What the upstream has had for years may not be. */
    {"receive.fsckObjects", "true"},
    {"receive.maxInputSize", "@pack"},
    /* Its refs are the upstream's: judged by proc-receive, and by the upstream. */
    {"receive.procReceiveRefs", "refs"},
    {"receive.advertiseAtomic", "true"},
    {"receive.advertisePushOptions", "true"},
    {"receive.denyCurrentBranch", "ignore"},
    {"receive.denyDeleteCurrent", "ignore"},
    {"uploadpack.allowFilter", "true"},
    {"safe.directory", "*"}, /* the mirrors are this user's; a test's may be root's */
};

struct environment {
    char *list[ENVIRONMENT_MAX];
    size_t count, used;
    char texts[TEXTS_SIZE];
};

static void __attribute__((format(printf, 2, 3))) set(struct environment *env, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(env->texts + env->used, sizeof env->texts - env->used, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof env->texts - env->used || env->count + 1 >= ENVIRONMENT_MAX)
        abort(); /* the tables above are too long: no traffic can do that */
    env->list[env->count++] = env->texts + env->used;
    env->used += (size_t)len + 1;
}

/* Bytes of a push: git says well that one is too large. 0 would be no bound. */
static unsigned long long pack_max(const struct session *session, const struct child *child)
{
    uint64_t max = (uint64_t)session->repo->push.max_pack_mb << 20;

    if (max > child->file_max)
        max = child->file_max;
    return max > 0 ? max : 1;
}

static void environment_make(struct environment *env, const struct session *session,
                             const struct child *child)
{
    size_t count = sizeof settings / sizeof settings[0];

    set(env, "PATH=/usr/bin:/bin");
    set(env, "HOME=/nonexistent");
    set(env, "LC_ALL=C");
    set(env, "GIT_CONFIG_NOSYSTEM=1");
    set(env, "GIT_CONFIG_GLOBAL=/dev/null");
    set(env, "GIT_ATTR_NOSYSTEM=1");
    set(env, "GIT_NO_REPLACE_OBJECTS=1");
    set(env, "GIT_TERMINAL_PROMPT=0");
    set(env, "GIT_SSH_VARIANT=ssh");
    set(env, RELAY_VARIABLE "=%d", SESSION_FD_RELAY);
    if (child->protocol != 0)
        set(env, "GIT_PROTOCOL=version=%u", child->protocol);
    set(env, "GIT_CONFIG_COUNT=%zu", count);
    for (size_t i = 0; i < count; i++) {
        set(env, "GIT_CONFIG_KEY_%zu=%s", i, settings[i].key);
        if (strcmp(settings[i].value, "@hooks") == 0)
            set(env, "GIT_CONFIG_VALUE_%zu=%s", i, session->hooks);
        else if (strcmp(settings[i].value, "@relay") == 0)
            set(env, "GIT_CONFIG_VALUE_%zu=%s", i, session->relay);
        else if (strcmp(settings[i].value, "@pack") == 0)
            set(env, "GIT_CONFIG_VALUE_%zu=%llu", i, pack_max(session, child));
        else
            set(env, "GIT_CONFIG_VALUE_%zu=%s", i, settings[i].value);
    }
}

static int limit(int resource, uint64_t value)
{
    struct rlimit now;

    if (getrlimit(resource, &now) != 0)
        return -1;
    if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
        value = now.rlim_max;
    now.rlim_cur = now.rlim_max = value;
    return setrlimit(resource, &now);
}

/* Between fork and exec: system calls only. Never returns. */
static _Noreturn void become(const struct child *child, pid_t parent, char **argv, char **environment)
{
    sigset_t none;

    sigemptyset(&none);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(127);
    for (int i = 0; i < 3; i++)
        if (dup2(child->fds[i], i) < 0)
            _exit(127);
    if (dup2(child->relay, SESSION_FD_RELAY) < 0 || limit(RLIMIT_CPU, CPU_SECONDS) != 0 ||
        limit(RLIMIT_CORE, 0) != 0 || limit(RLIMIT_FSIZE, child->file_max) != 0 ||
        (!SECCOMP_SANITIZED && limit(RLIMIT_DATA, DATA_MAX) != 0))
        _exit(127);
    execve(GATE_GIT, argv, environment);
    _exit(127);
}

pid_t child_start(const struct session *session, const struct child *child, struct err *err)
{
    static char git[] = "git", *argv[ARGV_MAX];
    struct environment env = {.count = 0};
    size_t count = 0;

    argv[count++] = git;
    for (size_t i = 0; child->argv[i] != NULL; i++) {
        if (count + 1 >= ARGV_MAX)
            return err_set(err, "too many arguments");
        argv[count++] = (char *)(uintptr_t)child->argv[i];
    }
    argv[count] = NULL;
    environment_make(&env, session, child);
    env.list[env.count] = NULL;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(child, parent, argv, env.list);
    return pid < 0 ? err_set_errno(err, "git: fork") : pid;
}
