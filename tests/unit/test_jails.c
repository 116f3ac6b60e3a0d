/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_jails: the real git works in the gate's jail and the real ssh in the leg's, and neither jail leaves anything else. Every
 * probe runs free first, where it must succeed, and then jailed, where it must end as its row says. Needs root. */
#include "gate/jails.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/users.h"
#include "tests/unit/suite.h"

#define FREE 200 /* the exit status of a probe that gained what it tried; below it: its errno */

static char base[] = "/tmp/test_jails.XXXXXX"; /* programs/, storage/, secret */
static char self[64], storage[64], secret[64];

static void jail_or_exit(enum jail_profile profile)
{
    static struct jails jails;
    struct err err;

    if (profile == JAIL_GATE)
        jails_gate(&jails, self, storage);
    else
        jails_push(&jails, storage);
    if (jail_enter(&jails.jail, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        _exit(255);
    }
}

static int gained(int result)
{
    return result >= 0 ? FREE : errno;
}

/* ---- probes ---- */

static int probe_read(void)
{
    return gained(open(secret, O_RDONLY | O_CLOEXEC));
}

static int probe_list(void)
{
    return gained(open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int probe_write(void)
{
    return gained(open(base, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
}

static int probe_store(void)
{
    char from[80], to[80];

    snprintf(from, sizeof from, "%s/one%d/file", storage, (int)getpid());
    snprintf(to, sizeof to, "%s/two%d/file", storage, (int)getpid());
    *strrchr(from, '/') = *strrchr(to, '/') = '\0';
    mkdir(from, 0700);
    mkdir(to, 0700);
    from[strlen(from)] = to[strlen(to)] = '/';
    int fd = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) != 0 || rename(from, to) != 0)
        return errno;
    return gained(unlink(to));
}

static int run_program(const char *path)
{
    char *argv[] = {(char *)(uintptr_t)path, (char[]){"--version"}, NULL};
    char *environment[] = {(char[]){"GIT_CONFIG_NOSYSTEM=1"}, NULL};
    int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid_t pid = fork();

    if (pid == 0) {
        dup2(null, 1);
        execve(path, argv, environment);
        _exit(errno);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? FREE : WEXITSTATUS(status);
}

static int probe_git(void)
{
    return run_program("/usr/bin/git");
}

static int probe_stored_program(void)
{
    char path[80];

    snprintf(path, sizeof path, "%s/program", storage);
    return run_program(path);
}

static int probe_inet(void)
{
    return gained(socket(AF_INET, SOCK_STREAM, 0));
}

static int probe_inet6(void)
{
    return gained(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int probe_packet(void)
{
    return gained(socket(AF_PACKET, SOCK_RAW, 0));
}

static int probe_bind(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return gained(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address));
}

static int probe_unix(void)
{
    int pair[2];

    return gained(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
}

static int probe_ptrace(void)
{
    return gained((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int probe_unshare(void)
{
    return gained(unshare(CLONE_FS));
}

static int probe_namespace(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        _exit(0);
    return gained(pid);
}

static int probe_written_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page != MAP_FAILED ? FREE : errno;
}

static int probe_outside_signal(void)
{
    return gained(kill(getppid(), 0));
}

static int probe_abort(void)
{
    abort();
}

/* How it ends in the gate's jail and in the leg's: a signal, negative, or a status. */
static const struct probe {
    const char *name;
    int (*run)(void);
    int gate, push;
} probes[] = {
    {"another's file", probe_read, EACCES, EACCES},
    {"a folder", probe_list, EACCES, EACCES},
    {"writing elsewhere", probe_write, EACCES, EACCES},
    {"writing in its folder", probe_store, FREE, FREE},
    {"git", probe_git, FREE, EACCES},
    {"a program that was stored", probe_stored_program, EACCES, EACCES},
    {"AF_INET", probe_inet, ENOSYS, FREE},
    {"AF_INET6", probe_inet6, ENOSYS, ENOSYS},
    {"AF_PACKET", probe_packet, -SIGSYS, -SIGSYS},
    {"bind", probe_bind, EBADF, EACCES},
    {"AF_UNIX", probe_unix, FREE, FREE},
    {"ptrace", probe_ptrace, -SIGSYS, -SIGSYS},
    {"unshare", probe_unshare, -SIGSYS, -SIGSYS},
    {"a namespace", probe_namespace, ENOSYS, ENOSYS},
    {"code that can be written", probe_written_code, ENOSYS, ENOSYS},
    {"a signal to the outside", probe_outside_signal, EPERM, EPERM},
};

static int run(int (*probe)(void), int profile)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (profile >= 0)
            jail_or_exit((enum jail_profile)profile);
        _exit(probe());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(each_probe_ends_as_the_table_says_and_succeeds_outside)
{
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        int outside = run(probes[i].run, -1), gate = run(probes[i].run, JAIL_GATE),
            push = run(probes[i].run, JAIL_PUSH);
        ck_assert_msg(outside == FREE && gate == probes[i].gate && push == probes[i].push, "%s: %d, %d, %d",
                      probes[i].name, outside, gate, push);
    }
    ck_assert_int_eq(run(probe_abort, JAIL_GATE), -SIGABRT);
}
END_TEST

/* ---- real programs ---- */

/* ssh wants its user to have a name. */
static int passwd_replace(void)
{
    char path[80];

    snprintf(path, sizeof path, "%s/passwd", base);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return -1;
    return mount(path, "/etc/passwd", NULL, MS_BIND, NULL);
}

static int script(enum jail_profile profile, const char *text, char *said, size_t size)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)text, NULL};
    char *environment[] = {(char[]){"PATH=/usr/bin:/bin"}, (char[]){"HOME=/nonexistent"},
                           (char[]){"GIT_CONFIG_NOSYSTEM=1"}, (char[]){"LC_ALL=C"}, NULL};
    int ends[2], status;
    size_t len = 0;
    ssize_t got;

    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        if (chdir(storage) != 0 || (profile == JAIL_PUSH && passwd_replace() != 0))
            _exit(254);
        jail_or_exit(profile);
        execve(profile == JAIL_GATE ? "/bin/sh" : "/usr/bin/ssh",
               profile == JAIL_GATE ? argv
                                    : (char *[]){(char[]){"ssh"}, (char[]){"-F"}, (char[]){"none"},
                                                 (char[]){"-oBatchMode=yes"}, (char[]){"-oConnectTimeout=5"},
                                                 (char[]){"-oStrictHostKeyChecking=yes"},
                                                 (char[]){"-oUserKnownHostsFile=known"}, (char[]){"-p"},
                                                 (char *)(uintptr_t)text, (char[]){"git@127.0.0.1"}, NULL},
               environment);
        _exit(253);
    }
    close(ends[1]);
    while (len + 1 < size && (got = read(ends[0], said + len, size - len - 1)) > 0)
        len += (size_t)got;
    said[len] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* What a mirror and a push take: threads, hooks, quarantine, packs, deltas, locks. */
static const char git[] =
    "set -e; git init -q --bare app.git; git init -q -b main work; cd work; git config user.name a; git "
    "config user.email a@b\n"
    "for i in 1 2 3; do seq $i 3000 >f$i; git add .; git commit -qm c$i; done; git tag -am t t1; cd ..\n"
    "printf '#!/bin/sh\\ncat >/dev/null; git rev-list --objects --all >seen\\n' >app.git/hooks/pre-receive\n"
    "mkdir hooks; git -C app.git config core.hooksPath ../gone; git -C app.git config receive.fsckObjects "
    "true\n"
    "git -C app.git config receive.unpackLimit 1; git -C work push -q --tags ../app.git main 2>&1\n"
    "git -C app.git symbolic-ref HEAD refs/heads/main; git -c protocol.version=2 clone -q app.git two\n"
    "git -C app.git -c pack.threads=4 repack -adfq; git -C app.git gc -q --prune=now; git -C app.git fsck "
    "--full 2>/dev/null\n"
    "git -C app.git rev-list --objects --all | git -C app.git cat-file --batch-check | wc -l\n"
    "git -C two fetch -q --prune origin '+refs/*:refs/all/*'; git -C two for-each-ref | wc -l\n"
    "git -C app.git update-ref -d refs/tags/t1; git -C app.git ls-remote . | wc -l; rm -rf app.git two work "
    "hooks\n";

START_TEST(git_works_in_the_gates_jail)
{
    char said[4096];
    int status = script(JAIL_GATE, git, said, sizeof said);

    ck_assert_msg(status == 0 && strcmp(said, "10\n6\n2\n") == 0, "%d: %s", status, said);
}
END_TEST

/* What listens is no ssh: it hangs up when it has sent a line. */
START_TEST(ssh_works_in_the_legs_jail)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
    char said[4096], port[8];

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(port, sizeof port, "%u", ntohs(address.sin_port));
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10); /* when nobody comes */
        int fd = accept(listener, NULL, NULL);
        char line[64];
        if (write(fd, "SSH-2.0-none\r\n", 14) != 14 || read(fd, line, sizeof line) < 8)
            _exit(1);
        _exit(memcmp(line, "SSH-2.0-", 8) == 0 ? 0 : 2);
    }
    close(listener);
    ck_assert_int_eq(script(JAIL_PUSH, port, said, sizeof said), 255); /* ssh's own */
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "0x%x: %s", status, said);
}
END_TEST

/* ---- where there is no Landlock ---- */

static int probe_without_landlock(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0 || landlock_there())
        return 1;
    jail_or_exit(JAIL_GATE);
    return probe_list() == FREE && getuid() == USER_GATE ? probe_read() : 2;
}

START_TEST(a_kernel_without_landlock_is_known_and_the_rest_of_the_jail_stands)
{
    ck_assert(landlock_there());
    ck_assert_int_eq(run(probe_without_landlock, -1), EACCES); /* it is root's, 0600 */
}
END_TEST

static int probe_missing_path(void)
{
    static const struct landlock_path paths[] = {{"/nonexistent", LANDLOCK_MAY_READ}, {NULL, 0}};
    struct err err = {""};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || landlock_confine(paths, false, &err) == 0)
        return 1;
    return strcmp(err.text, "landlock: /nonexistent: No such file or directory") == 0 ? 0 : 2;
}

START_TEST(a_path_that_is_not_there_is_an_error)
{
    ck_assert_int_eq(run(probe_missing_path, -1), 0);
}
END_TEST

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "we");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, mode) != 0)
        exit(1);
}

int main(void)
{
    const TTest *const tests[] = {each_probe_ends_as_the_table_says_and_succeeds_outside,
                                  git_works_in_the_gates_jail, ssh_works_in_the_legs_jail,
                                  a_kernel_without_landlock_is_known_and_the_rest_of_the_jail_stands,
                                  a_path_that_is_not_there_is_an_error};
    char path[80], command[80];

    if (mkdtemp(base) == NULL || chmod(base, 0755) != 0)
        return 1;
    snprintf(self, sizeof self, "%s/stopper-gate", base);
    snprintf(storage, sizeof storage, "%s/storage", base);
    snprintf(secret, sizeof secret, "%s/secret", base);
    snprintf(path, sizeof path, "%s/stopper-gate-relay", base);
    put(self, "", 0755);
    put(path, "", 0755);
    put(secret, "x", 0600);
    snprintf(path, sizeof path, "%s/passwd", base);
    put(path, "push:x:61006:61006::/:/nonexistent\n", 0644);
    if (mkdir(storage, 0700) != 0)
        return 1;
    snprintf(path, sizeof path, "%s/program", storage);
    put(path, "#!/bin/sh\n", 0755);
    if (chmod(storage, 0777) != 0)
        return 1;
    int failed = suite_run("jails", tests, sizeof tests / sizeof tests[0]);
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command) != 0 || failed;
}
