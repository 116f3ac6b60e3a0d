/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_outside: see push_outside.h. The program is the operator's and what it reads is the agent's, so it is confined like what might be
 * taken over: no socket of any kind (the gate's way upstream is one), no signal and no look into another process, nothing to
 * write to.
 */
#include "gate/push_outside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gate/push_found.h"
#include "sys/spawn.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "which system calls have which numbers here?"
#endif
#define OTHER_TABLE 0x40000000u /* x32's numbers */
#define FAIL        (SECCOMP_RET_ERRNO | EPERM)
#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define NEVER(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, FAIL)

struct push_outside {
    struct push_child child;
    int in; /* its input; -1: closed */
    struct sigaction pipe_before;
    bool unread; /* it has ended before it had read all */
};

/* Before the program: nothing that it could reach somebody by. */
static int confine(void)
{
    struct sock_filter filter[] = {
        FIELD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        FIELD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_TABLE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        NEVER(socket),
        NEVER(socketpair),
        NEVER(connect),
        NEVER(bind),
        NEVER(io_uring_setup),
        NEVER(ptrace),
        NEVER(process_vm_readv),
        NEVER(process_vm_writev),
        NEVER(pidfd_open),
        NEVER(pidfd_getfd),
        NEVER(kill),
        NEVER(tkill),
        NEVER(rt_sigqueueinfo),
        NEVER(rt_tgsigqueueinfo),
        NEVER(setpriority),
        NEVER(add_key),
        NEVER(request_key),
        NEVER(keyctl),
        /* Its own threads it may signal, and its own limits it may read. */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3),
        FIELD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 4, 0),
        BPF_STMT(BPF_RET | BPF_K, FAIL),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 2),
        FIELD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, FAIL),
    };
    const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    const struct rlimit none = {0, 0};
    const struct landlock_ruleset_attr writes = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                             LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                             LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                             LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                             LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM};

    if (setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_FSIZE, &none) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &writes, sizeof writes, 0);
    if (rules < 0 && errno != ENOSYS && errno != EOPNOTSUPP)
        return -1;
    const struct landlock_path_beneath_attr nowhere = {
        .allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE,
        .parent_fd = rules >= 0 ? open("/dev/null", O_PATH | O_CLOEXEC) : -1};
    if (nowhere.parent_fd >= 0 &&
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &nowhere, 0) != 0)
        return -1;
    if (rules >= 0 && (syscall(SYS_landlock_restrict_self, rules, 0) != 0 || close(rules) != 0))
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int push_outside_begin(struct push_run *run)
{
    static const char *const alone[] = {"scanner", NULL};
    static const char *const gitleaks[] = {"gitleaks", "detect", "--pipe", "--no-banner", NULL};
    const char *path = run->in->gate->scanner, *name;
    int ends[2];

    if (path == NULL)
        return 0;
    name = strrchr(path, '/');
    struct push_outside *outside = calloc(1, sizeof *outside);
    if (outside == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(outside);
        return push_fail(run, "no memory or no pipe for the scanner");
    }
    run->outside = outside;
    outside->child = PUSH_NO_CHILD;
    outside->in = ends[1];
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &outside->pipe_before);
    const int fds[3] = {ends[0], -1, -1};
    struct spawn spawn = {.path = path,
                          .argv = name != NULL && strcmp(name, "/gitleaks") == 0 ? gitleaks : alone,
                          .fds = fds,
                          .fd_count = 3,
                          .with_parent = true,
                          .last = confine};
    outside->child.pid = spawn_start(&spawn, &run->check->error);
    close(ends[0]);
    if (outside->child.pid > 0)
        return fcntl(outside->in, F_SETFL, O_NONBLOCK) == 0 ? 0 : push_fail(run, "the scanner's pipe");
    outside->child.pid = 0;
    return push_fail(run, NULL);
}

static void close_in(struct push_outside *outside)
{
    if (outside->in >= 0)
        close(outside->in);
    outside->in = -1;
}

int push_outside_feed(struct push_run *run, struct str text)
{
    struct push_outside *outside = run->outside;

    for (int line_end = 0; outside != NULL && outside->in >= 0 && line_end < 2; line_end++) {
        struct str left = line_end == 0 ? text : str_of("\n");
        while (left.len > 0) {
            struct pollfd writable = {.fd = outside->in, .events = POLLOUT};
            int ms = push_time(run);
            if (ms == 0)
                return -1;
            if (poll(&writable, 1, ms) != 1)
                continue;
            ssize_t put = write(outside->in, left.ptr, left.len);
            if (put < 0 && errno != EAGAIN && errno != EINTR) { /* nobody reads any more */
                outside->unread = true;
                close_in(outside);
                return 0;
            }
            left.ptr += put > 0 ? put : 0;
            left.len -= put > 0 ? (size_t)put : 0;
        }
    }
    return 0;
}

int push_outside_end(struct push_run *run)
{
    struct push_outside *outside = run->outside;
    struct push_place place = {.surface = "", .update = -1};

    if (outside == NULL)
        return 0;
    close_in(outside);
    int status = push_child_end(&outside->child, push_time(run));
    if (status == 0 && !outside->unread)
        return 0;
    if (push_time(run) == 0)
        return -1;
    struct push_finding *found = push_found_add(run, PUSH_SCANNER, "scanner", &place, 0);
    if (found != NULL && status < 0)
        snprintf(found->text, sizeof found->text, "the outside scanner was killed or has crashed");
    else if (found != NULL)
        snprintf(found->text, sizeof found->text, "the outside scanner says no (exit status %d%s)", status,
                 outside->unread ? ", before it had read all" : "");
    return 0;
}

void push_outside_free(struct push_run *run)
{
    struct push_outside *outside = run->outside;

    if (outside == NULL)
        return;
    close_in(outside);
    push_child_stop(&outside->child);
    sigaction(SIGPIPE, &outside->pipe_before, NULL);
    free(outside);
    run->outside = NULL;
}
