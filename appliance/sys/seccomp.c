/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seccomp: see the header. One table for what every worker on a libuv loop does, one for each profile's own,
 * one for what sanitizers do in test builds. Names, not numbers: libseccomp knows them for each architecture,
 * and a name that an architecture has not (epoll_wait on arm64) is passed over. Arguments are compared in
 * their lower 32 bits, as the kernel reads an int. Nothing but the tables of programs may allow a call that opens a
 * path for writing, makes code, starts a process or listens.
 */
#define _GNU_SOURCE
#include "sys/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define INT            UINT64_C(0xffffffff) /* mask of a whole int */
#define SOCK_TYPE_BITS UINT64_C(0xf)        /* include/linux/net.h: SOCK_TYPE_MASK */
#define PROBE_ERRNO    EDOM                 /* no system call of ours gives this */

struct condition {
    unsigned argument;
    uint64_t mask, value; /* (argument & mask) == value; mask 0 = no condition */
};

struct rule {
    const char *call;
    struct condition when[3]; /* all must hold; several rules for a call: any */
};

/* What a loop, the allocator, the clock, the audit sink and the channel do. */
static const struct rule common[] = {
    {.call = "epoll_ctl"},
    {.call = "epoll_pwait"},
    {.call = "epoll_wait"},
    {.call = "poll"},
    {.call = "ppoll"},
    {.call = "read"},
    {.call = "readv"},
    {.call = "write"},
    {.call = "writev"},
    {.call = "recv"},
    {.call = "recvfrom"},
    {.call = "recvmsg"},
    {.call = "recvmmsg"},
    {.call = "send"},
    {.call = "sendto"},
    {.call = "sendmsg"},
    {.call = "sendmmsg"},
    {.call = "close"},
    {.call = "lseek"},
    {.call = "fstat"},
    {.call = "newfstatat", .when = {{3, AT_EMPTY_PATH, AT_EMPTY_PATH}}}, /* glibc's fstat */
    {.call = "getsockname"},
    {.call = "getpeername"},
    {.call = "getsockopt"},
    {.call = "ioctl", .when = {{1, INT, FIONBIO}}}, /* libuv's non-blocking and close-on-exec */
    {.call = "ioctl", .when = {{1, INT, FIOCLEX}}},
    {.call = "ioctl", .when = {{1, INT, FIONREAD}}},
    {.call = "ioctl", .when = {{1, INT, SIOCOUTQ}}},
    {.call = "fcntl", .when = {{1, INT, F_GETFD}}},
    {.call = "fcntl", .when = {{1, INT, F_SETFD}}},
    {.call = "fcntl", .when = {{1, INT, F_GETFL}}},
    {.call = "fcntl", .when = {{1, INT, F_SETFL}}},
    {.call = "fcntl", .when = {{1, INT, F_DUPFD_CLOEXEC}}},
    {.call = "fcntl", .when = {{1, INT, F_GET_SEALS}}}, /* channel_map */
    {.call = "mmap", .when = {{2, PROT_EXEC, 0}}},
    {.call = "mprotect", .when = {{2, PROT_EXEC, 0}}},
    {.call = "munmap"},
    {.call = "mremap"},
    {.call = "madvise"},
    {.call = "brk"},
    {.call = "futex"},
    {.call = "getrandom"},
    {.call = "sysinfo"},       /* glibc's qsort asks how much memory there is */
    {.call = "clock_gettime"}, /* where the vDSO cannot answer */
    {.call = "clock_getres"},
    {.call = "gettimeofday"},
    {.call = "time"},
    {.call = "rt_sigaction"},
    {.call = "rt_sigprocmask"},
    {.call = "rt_sigreturn"},
    {.call = "restart_syscall"}, /* made by the kernel after SIGSTOP and SIGCONT */
    {.call = "sigaltstack"},
    {.call = "sched_yield"},
    {.call = "getpid"},
    {.call = "gettid"},
    {.call = "getppid"},
    {.call = "getuid"},
    {.call = "geteuid"},
    {.call = "exit"},
    {.call = "exit_group"},
};

/* What a worker that takes and makes connections does beside that. It never listens: its listeners are older.
 */
static const struct rule connections[] = {
    {.call = "accept4"},
    {.call = "connect"},
    {.call = "bind"}, /* uv_udp binds to port 0 before its first packet */
    {.call = "shutdown"},
    {.call = "setsockopt", .when = {{1, INT, SOL_SOCKET}, {2, INT, SO_REUSEADDR}}},
    {.call = "setsockopt", .when = {{1, INT, SOL_SOCKET}, {2, INT, SO_KEEPALIVE}}},
    {.call = "setsockopt", .when = {{1, INT, SOL_SOCKET}, {2, INT, SO_LINGER}}}, /* uv_tcp_close_reset */
    {.call = "setsockopt", .when = {{1, INT, SOL_SOCKET}, {2, INT, SO_RCVBUF}}},
    {.call = "setsockopt", .when = {{1, INT, SOL_SOCKET}, {2, INT, SO_SNDBUF}}},
    {.call = "setsockopt", .when = {{1, INT, SOL_SOCKET}, {2, INT, SO_RCVLOWAT}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_IP}, {2, INT, IP_RECVERR}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_IP}, {2, INT, IP_MTU_DISCOVER}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_NODELAY}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_CORK}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_QUICKACK}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_KEEPIDLE}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_KEEPINTVL}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_KEEPCNT}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_SYNCNT}}},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_TCP}, {2, INT, TCP_USER_TIMEOUT}}},
    /* libuv opens "/" anew after it gave its spare descriptor up (uv__emfile_trick); there is nothing else to
       open. */
    {.call = "openat", .when = {{0, INT, (uint32_t)AT_FDCWD}, {2, INT, O_RDONLY | O_CLOEXEC}}},
};

static const struct rule internet[] = {
    {.call = "socket", .when = {{0, INT, AF_INET}, {1, SOCK_TYPE_BITS, SOCK_STREAM}, {2, INT, 0}}},
    {.call = "socket", .when = {{0, INT, AF_INET}, {1, SOCK_TYPE_BITS, SOCK_STREAM}, {2, INT, IPPROTO_TCP}}},
    {.call = "socket", .when = {{0, INT, AF_INET}, {1, SOCK_TYPE_BITS, SOCK_DGRAM}, {2, INT, 0}}},
    {.call = "socket", .when = {{0, INT, AF_INET}, {1, SOCK_TYPE_BITS, SOCK_DGRAM}, {2, INT, IPPROTO_UDP}}},
};

/* Pass-through of bytes without a copy, and asynchronous wake-ups. */
static const struct rule proxy[] = {
    {.call = "mlock"}, /* core/secret.h */
    {.call = "splice"},
    {.call = "pipe2"},
    {.call = "eventfd2"},
    {.call = "fcntl", .when = {{1, INT, F_SETPIPE_SZ}}},
    {.call = "fcntl", .when = {{1, INT, F_GETPIPE_SZ}}},
};

/* A program without a loop or a socket, that computes and seals what it made. */
static const struct rule compiler[] = {
    {.call = "mlock"},
    {.call = "pwrite64"},
    {.call = "ftruncate"},
    {.call = "fcntl", .when = {{1, INT, F_ADD_SEALS}}},
};

#define NAMESPACES                                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |            \
     CLONE_NEWNET)

/* What real programs do, git and ssh and their children: files (which Landlock confines), processes, memory. No call is here
 * that gives another namespace, another root, another's memory, a device, a module or a key ring. clone3, whose flags lie in
 * memory, is not there for them, and glibc goes on with clone. */
static const struct rule programs[] = {
    {.call = "execve"},
    {.call = "clone", .when = {{0, NAMESPACES, 0}}},
    {.call = "fork"},
    {.call = "vfork"},
    {.call = "wait4"},
    {.call = "waitid"},
    {.call = "kill"},
    {.call = "tgkill"},
    {.call = "pidfd_open"},
    {.call = "pidfd_send_signal"},
    {.call = "pause"},
    {.call = "rt_sigsuspend"},
    {.call = "rt_sigtimedwait"},
    {.call = "rt_sigpending"},
    {.call = "setsid"},
    {.call = "setpgid"},
    {.call = "getpgid"},
    {.call = "getpgrp"},
    {.call = "getsid"},
    {.call = "getgid"},
    {.call = "getegid"},
    {.call = "getgroups"},
    {.call = "getresuid"},
    {.call = "getresgid"},
    {.call = "setuid"}, /* to what it is */
    {.call = "setgid"},
    {.call = "setresuid"},
    {.call = "setresgid"},
    {.call = "getpriority"},
    {.call = "setpriority"},
    {.call = "getrusage"},
    {.call = "times"},
    {.call = "uname"},
    {.call = "getrlimit"},
    {.call = "setrlimit"},
    {.call = "prlimit64", .when = {{0, INT, 0}}},
    {.call = "arch_prctl"},
    {.call = "set_tid_address"},
    {.call = "set_robust_list"},
    {.call = "rseq"},
    {.call = "membarrier"},
    {.call = "sched_getaffinity"},
    {.call = "sched_setaffinity"},
    {.call = "sched_getparam"},
    {.call = "sched_getscheduler"},
    {.call = "nanosleep"},
    {.call = "clock_nanosleep"},
    {.call = "alarm"},
    {.call = "getitimer"},
    {.call = "setitimer"},
    {.call = "timer_create"},
    {.call = "timer_settime"},
    {.call = "timer_delete"},
    {.call = "epoll_create"},
    {.call = "epoll_create1"},
    {.call = "eventfd2"},
    {.call = "select"},
    {.call = "pselect6"},
    {.call = "pipe"},
    {.call = "pipe2"},
    {.call = "dup"},
    {.call = "dup2"},
    {.call = "dup3"},
    {.call = "close_range"},
    {.call = "splice"},
    {.call = "sendfile"},
    {.call = "copy_file_range"},
    {.call = "fcntl", .when = {{1, INT, F_DUPFD}}},
    {.call = "fcntl", .when = {{1, INT, F_GETLK}}},
    {.call = "fcntl", .when = {{1, INT, F_SETLK}}},
    {.call = "fcntl", .when = {{1, INT, F_SETLKW}}},
    {.call = "fcntl", .when = {{1, INT, F_GETPIPE_SZ}}},
    {.call = "fcntl", .when = {{1, INT, F_SETPIPE_SZ}}},
    {.call = "flock"},
    {.call = "ioctl", .when = {{1, INT, TCGETS}}},
    {.call = "ioctl", .when = {{1, INT, TIOCGWINSZ}}},
    {.call = "ioctl", .when = {{1, INT, FIONCLEX}}},
    {.call = "prctl", .when = {{0, INT, PR_SET_NAME}}},
    {.call = "prctl", .when = {{0, INT, PR_SET_PDEATHSIG}}},
    {.call = "prctl", .when = {{0, INT, PR_GET_PDEATHSIG}}},
    {.call = "prctl", .when = {{0, INT, PR_SET_DUMPABLE}}},
    {.call = "prctl", .when = {{0, INT, PR_GET_DUMPABLE}}},
    {.call = "prctl", .when = {{0, INT, PR_SET_NO_NEW_PRIVS}}},
    {.call = "prctl", .when = {{0, INT, PR_GET_NO_NEW_PRIVS}}},
    {.call = "socket", .when = {{0, INT, AF_UNIX}}},
    {.call = "socketpair", .when = {{0, INT, AF_UNIX}}},
    {.call = "mmap", .when = {{2, PROT_WRITE, 0}}}, /* code, but none that can be written */
    {.call = "mprotect", .when = {{2, PROT_WRITE, 0}}},
    {.call = "msync"},
    {.call = "mincore"},
    {.call = "mlock"},
    {.call = "munlock"},
    {.call = "open"},
    {.call = "openat"},
    {.call = "openat2"},
    {.call = "creat"},
    {.call = "stat"},
    {.call = "lstat"},
    {.call = "newfstatat"},
    {.call = "statx"},
    {.call = "statfs"},
    {.call = "fstatfs"},
    {.call = "access"},
    {.call = "faccessat"},
    {.call = "faccessat2"},
    {.call = "getcwd"},
    {.call = "chdir"},
    {.call = "fchdir"},
    {.call = "getdents"},
    {.call = "getdents64"},
    {.call = "readlink"},
    {.call = "readlinkat"},
    {.call = "mkdir"},
    {.call = "mkdirat"},
    {.call = "rmdir"},
    {.call = "unlink"},
    {.call = "unlinkat"},
    {.call = "link"},
    {.call = "linkat"},
    {.call = "symlink"},
    {.call = "symlinkat"},
    {.call = "rename"},
    {.call = "renameat"},
    {.call = "renameat2"},
    {.call = "chmod"},
    {.call = "fchmod"},
    {.call = "fchmodat"},
    {.call = "umask"},
    {.call = "truncate"},
    {.call = "ftruncate"},
    {.call = "memfd_create"},
    {.call = "fcntl", .when = {{1, INT, F_ADD_SEALS}}},
    {.call = "fallocate"},
    {.call = "fadvise64"},
    {.call = "readahead"},
    {.call = "pread64"},
    {.call = "pwrite64"},
    {.call = "preadv"},
    {.call = "pwritev"},
    {.call = "fsync"},
    {.call = "fdatasync"},
    {.call = "sync_file_range"},
    {.call = "utime"},
    {.call = "utimes"},
    {.call = "utimensat"},
    {.call = "futimesat"},
    {.call = "seccomp", .when = {{0, INT, SECCOMP_SET_MODE_FILTER}}}, /* more walls, for what is started */
    {.call = "landlock_create_ruleset"},
    {.call = "landlock_add_rule"},
    {.call = "landlock_restrict_self"},
};

/* ssh's own: its connection, and the socket by which one connection serves several of its like. */
static const struct rule ssh[] = {
    {.call = "listen"},
    {.call = "accept"},
    {.call = "setsockopt", .when = {{1, INT, IPPROTO_IP}, {2, INT, IP_TOS}}},
    {.call = "setsockopt", .when = {{1, INT, SOL_SOCKET}, {2, INT, SO_PRIORITY}}},
};

/* What none of these programs does. Whoever tries is not one of them any more. A socket of the internet's is not among it: git
 * looks the machine's own name up when it is not told who commits. */
static const struct rule intrusions[] = {
    {.call = "ptrace"},
    {.call = "process_vm_readv"},
    {.call = "process_vm_writev"},
    {.call = "pidfd_getfd"},
    {.call = "kcmp"},
    {.call = "unshare"},
    {.call = "setns"},
    {.call = "chroot"},
    {.call = "pivot_root"},
    {.call = "mount"},
    {.call = "umount2"},
    {.call = "open_tree"},
    {.call = "move_mount"},
    {.call = "fsopen"},
    {.call = "mount_setattr"},
    {.call = "open_by_handle_at"},
    {.call = "mknod"},
    {.call = "mknodat"},
    {.call = "bpf"},
    {.call = "perf_event_open"},
    {.call = "userfaultfd"},
    {.call = "io_uring_setup"},
    {.call = "add_key"},
    {.call = "request_key"},
    {.call = "keyctl"},
    {.call = "init_module"},
    {.call = "finit_module"},
    {.call = "kexec_load"},
    {.call = "socket", .when = {{0, INT, AF_PACKET}}},
};

/* Reports of the address and undefined-behaviour sanitizers (test builds only): they look at files that the
 * empty root has not, at their own mappings, and try pointers on a pipe. */
#if SECCOMP_SANITIZED
static const struct rule sanitizer[] = {
    {.call = "openat", .when = {{2, O_ACCMODE, O_RDONLY}}},
    {.call = "open", .when = {{1, O_ACCMODE, O_RDONLY}}},
    {.call = "readlink"},
    {.call = "readlinkat"},
    {.call = "newfstatat"},
    {.call = "stat"},
    {.call = "access"},
    {.call = "getcwd"},
    {.call = "getrlimit"},
    {.call = "prlimit64"},
    {.call = "getrusage"},
    {.call = "pipe"},
    {.call = "pipe2"},
    {.call = "dup"},
    {.call = "nanosleep"},
    {.call = "clock_nanosleep"},
    {.call = "sched_getaffinity"},
};
#endif

struct table {
    const struct rule *rules;
    size_t count;
};
#define TABLE(rules)                                                                                         \
    {                                                                                                        \
        rules, sizeof(rules) / sizeof *(rules)                                                               \
    }

/* What a profile allows; and what kills beside it, which makes it one of programs: the rest is then answered by ENOSYS, as by
 * a kernel that has no such call, since other versions of a program try other calls. */
static const struct profile {
    struct table allowed[5], killing;
} profiles[] = {
    [JAIL_DNS] = {{TABLE(common), TABLE(connections), TABLE(internet)}, {NULL, 0}},
    [JAIL_PROXY] = {{TABLE(common), TABLE(connections), TABLE(internet), TABLE(proxy)}, {NULL, 0}},
    [JAIL_METER] = {{TABLE(common)}, {NULL, 0}},
    [JAIL_COMPILER] = {{TABLE(common), TABLE(compiler)}, {NULL, 0}},
    [JAIL_GATE] = {{TABLE(common), TABLE(connections), TABLE(programs)}, TABLE(intrusions)},
    [JAIL_PUSH] = {{TABLE(common), TABLE(connections), TABLE(internet), TABLE(programs), TABLE(ssh)},
                   TABLE(intrusions)},
};

static bool of_programs(const struct profile *profile)
{
    return profile->killing.count > 0;
}

static int rule_add(scmp_filter_ctx filter, uint32_t action, const struct rule *rule)
{
    struct scmp_arg_cmp compare[3];
    unsigned count = 0;
    int number = seccomp_syscall_resolve_name(rule->call);

    if (number == __NR_SCMP_ERROR)
        return -ENOSYS;
    if (number < 0) /* known, but not on this architecture */
        return 0;
    for (const struct condition *when = rule->when; when < rule->when + 3 && when->mask; when++)
        compare[count++] = SCMP_CMP(when->argument, SCMP_CMP_MASKED_EQ, when->mask, when->value);
    return seccomp_rule_add_array(filter, action, number, count, compare);
}

/* Where what is not in a table is not there either, a call that libseccomp does not know may be missing. */
static int table_add(scmp_filter_ctx filter, uint32_t action, const struct table *table, bool lenient,
                     struct err *err)
{
    for (size_t i = 0; i < table->count; i++) {
        int result = rule_add(filter, action, &table->rules[i]);

        if (result < 0 && !(lenient && result == -ENOSYS)) {
            errno = -result;
            return err_set_errno(err, "seccomp: %s", table->rules[i].call);
        }
    }
    return 0;
}

static int filter_fill(scmp_filter_ctx filter, const struct profile *profile, struct err *err)
{
    /* abort() reaches this process only, and init sees SIGABRT instead of SIGSYS. */
    const struct rule self = {"tgkill", {{0, INT, (uint32_t)getpid()}}};
    const struct rule probe = {"prctl", {{0, INT, PR_GET_SECCOMP}}};

    for (size_t i = 0; i < sizeof profile->allowed / sizeof profile->allowed[0]; i++)
        if (table_add(filter, SCMP_ACT_ALLOW, &profile->allowed[i], of_programs(profile), err) != 0)
            return -1;
    if (table_add(filter, SCMP_ACT_KILL_PROCESS, &profile->killing, true, err) != 0)
        return -1;
#if SECCOMP_SANITIZED
    if (table_add(filter, SCMP_ACT_ALLOW, &(struct table)TABLE(sanitizer), false, err) != 0)
        return -1;
#endif
    if (rule_add(filter, SCMP_ACT_ALLOW, &self) < 0 ||
        rule_add(filter, SCMP_ACT_ERRNO(PROBE_ERRNO), &probe) < 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) < 0)
        return err_set(err, "seccomp: the filter could not be made");
    /* A binary tree: three comparisons instead of a hundred for each call (kernels and libraries without it:
     * a list). */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return 0;
}

int seccomp_confine(enum jail_profile profile, struct err *err)
{
    bool programs_run = of_programs(&profiles[profile]);
    scmp_filter_ctx filter =
        seccomp_init(programs_run ? SCMP_ACT_ERRNO(ENOSYS) : (uint32_t)SCMP_ACT_KILL_PROCESS);
    int result;

    if (!filter)
        return err_set(err, "seccomp: out of memory");
    result = filter_fill(filter, &profiles[profile], err);
    if (result == 0 && (result = seccomp_load(filter)) < 0) {
        errno = -result;
        result = err_set_errno(err, "seccomp: load");
    }
    seccomp_release(filter);
    if (result != 0)
        return -1;
    /* The one call that our filter answers with an error, and no other filter with this one. */
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != -1 || errno != PROBE_ERRNO)
        return err_set(err, "seccomp: the filter did not take effect");
    return 0;
}
