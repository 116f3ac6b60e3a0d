/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sys/jail against the real kernel: every probe runs once in a free child, where it must succeed, and once in
 * a jailed one, where it must end exactly as its row says. Needs root. */
#include "sys/jail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/privs.h"
#include "sys/seccomp.h"
#include "tests/unit/suite.h"

#define JAIL_UID 61001
#define FREE     200 /* the exit status of a probe that gained what it tried; below it: its errno */

static char root[] = "/tmp/test_jail.XXXXXX";

static struct jail jail_of(enum jail_profile profile)
{
    return (struct jail){
        .root = root, .uid = JAIL_UID, .gid = JAIL_UID, .open_files = 64, .profile = profile};
}

static int gained(int result)
{
    return result >= 0 ? FREE : errno;
}

static void jail_or_exit(enum jail_profile profile)
{
    struct jail jail = jail_of(profile);
    struct err err;

    if (jail_enter(&jail, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        _exit(255);
    }
}

/* ---- probes: each returns FREE or an errno ---- */

static int probe_open(void)
{
    return gained(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int probe_open_write(void)
{
    return gained(open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
}

static int probe_chroot(void)
{
    return gained(chroot("."));
}

static int probe_setuid(void)
{
    return gained(setresuid(0, 0, 0));
}

static int probe_socket_packet(void)
{
    return gained(socket(AF_PACKET, SOCK_RAW, 0));
}

static int probe_socket_netlink(void)
{
    return gained(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int probe_socket_unix(void)
{
    return gained(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int probe_socket_raw(void)
{
    return gained(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int probe_socket_inet6(void)
{
    return gained(socket(AF_INET6, SOCK_STREAM, 0));
}

static int probe_listen(void)
{
    return gained(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int probe_ptrace(void)
{
    return gained((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int probe_mmap_exec(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? FREE
                                                                                                     : errno;
}

static int probe_mprotect_exec(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? errno : gained(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int probe_execve(void)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exit 200"}, NULL}, *environment[] = {NULL};

    execve("/bin/sh", argv, environment);
    return errno;
}

static int probe_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return gained(pid);
}

static int probe_unshare(void)
{
    return gained(unshare(CLONE_FS));
}

static int probe_kill(void)
{
    return gained(kill(getppid(), 0));
}

static int probe_tgkill(void)
{
    return gained((int)syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int probe_setowner(void)
{
    return gained(fcntl(socket(AF_INET, SOCK_DGRAM, 0), F_SETOWN, getppid()));
}

static int probe_socket_inet(void)
{
    return gained(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/* What a worker needs, beside sockets: memory in large and small pieces, descriptors, the empty root. */
static int probe_work(void)
{
    char *block = malloc(4u << 20);
    int pair[2], root_fd, values[2048];

    if (!block || !(block = realloc(block, 8u << 20)))
        return errno;
    free(block);
    for (int i = 0; i < 2048; i++)
        values[i] = (i * 7919) % 2048;
    root_fd = open("/", O_RDONLY | O_CLOEXEC);
    if (root_fd < 0 || pipe2(pair, O_CLOEXEC) != 0)
        return errno;
    close(root_fd);
    return values[1] == 7919 % 2048 ? FREE : EINVAL;
}

static int probe_abort(void)
{
    abort();
}

static const struct probe {
    const char *name;
    int (*run)(void);
    int signal, error; /* how it ends in the jail: a signal, or else this status */
} probes[] = {
    {"open", probe_open, 0,
     ENOENT}, /* reading is left for libuv's spare descriptor: there is nothing to read */
    {"open to write", probe_open_write, SIGSYS, 0},
    {"chroot", probe_chroot, SIGSYS, 0},
    {"setresuid", probe_setuid, SIGSYS, 0},
    {"AF_PACKET", probe_socket_packet, SIGSYS, 0},
    {"AF_NETLINK", probe_socket_netlink, SIGSYS, 0},
    {"AF_UNIX", probe_socket_unix, SIGSYS, 0},
    {"AF_INET6", probe_socket_inet6, SIGSYS, 0},
    {"SOCK_RAW", probe_socket_raw, SIGSYS, 0},
    {"listen", probe_listen, SIGSYS, 0},
    {"ptrace", probe_ptrace, SIGSYS, 0},
    {"mmap PROT_EXEC", probe_mmap_exec, SIGSYS, 0},
    {"mprotect PROT_EXEC", probe_mprotect_exec, SIGSYS, 0},
    {"execve", probe_execve, SIGSYS, 0},
    {"fork", probe_fork, SIGSYS, 0},
    {"unshare", probe_unshare, SIGSYS, 0},
    {"kill", probe_kill, SIGSYS, 0},
    {"tgkill of another", probe_tgkill, SIGSYS, 0},
    {"F_SETOWN", probe_setowner, SIGSYS, 0},
    {"AF_INET", probe_socket_inet, 0, FREE},
    {"work", probe_work, 0, FREE},
};

static int run(int (*probe)(void), bool jailed)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (jailed)
            jail_or_exit(JAIL_PROXY);
        _exit(probe());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(the_control_succeeds)
{
    int status = run(probes[_i].run, false);

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == FREE, "%s: status 0x%x", probes[_i].name,
                  status);
}
END_TEST

START_TEST(the_jail_answers_as_the_table_says)
{
    const struct probe *probe = &probes[_i];
    int status = run(probe->run, true);

    if (probe->signal)
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == probe->signal, "%s: 0x%x", probe->name,
                      status);
    else
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == probe->error, "%s: 0x%x", probe->name,
                      status);
}
END_TEST

START_TEST(abort_is_seen_as_abort)
{
    int status = run(probe_abort, true);

    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "0x%x", status);
}
END_TEST

/* ---- what is left, step by step ---- */

static char *line_of(pid_t pid, const char *name, const char *key, char line[256])
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, 256, file) && strncmp(line, key, strlen(key)) != 0)
        ;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return line + strlen(key) + 1;
}

/* A jailed child that stays until its standing is read. */
static pid_t jailed_start(const struct jail *jail, int *release)
{
    int ready[2], go[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        struct err err;

        close(ready[0]);
        close(go[1]);
        if (jail_enter(jail, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            _exit(255);
        }
        if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(ready[1]);
    close(go[0]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *release = go[1];
    return pid;
}

static void expect(pid_t pid, const char *key, const char *wanted)
{
    char line[256];
    const char *value = line_of(pid, "status", key, line);

    ck_assert_msg(strcmp(value, wanted) == 0, "%s: \"%s\" instead of \"%s\"", key, value, wanted);
}

static void expect_limit(pid_t pid, const char *name, unsigned wanted)
{
    char line[256];
    unsigned soft, hard;

    ck_assert_int_eq(sscanf(line_of(pid, "limits", name, line), "%u %u", &soft, &hard), 2);
    ck_assert_msg(soft == wanted && hard == wanted, "%s: %u, %u", name, soft, hard);
}

START_TEST(the_process_has_nothing_left)
{
    static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
    struct jail jail = jail_of(JAIL_DNS);
    char path[64];
    struct stat ours, theirs;
    int release, status;
    pid_t pid = jailed_start(&jail, &release);

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        expect(pid, sets[i], "0000000000000000");
    expect(pid, "Uid:", "61001\t61001\t61001\t61001");
    expect(pid, "Gid:", "61001\t61001\t61001\t61001");
    expect(pid, "Groups:", " ");
    expect(pid, "NoNewPrivs:", "1");
    expect(pid, "Seccomp:", "2");
    snprintf(path, sizeof path, "/proc/%d/root/.", (int)pid);
    ck_assert_int_eq(stat(path, &theirs), 0);
    ck_assert_int_eq(stat(root, &ours), 0);
    ck_assert(ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev);
    expect_limit(pid, "Max open files", 64);
    expect_limit(pid, "Max processes", 0);
    expect_limit(pid, "Max core file size", 0);
    if (!SECCOMP_SANITIZED)
        expect_limit(pid, "Max file size", 0);
    close(release);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_meter_keeps_its_one_capability)
{
    static const char *const kept[] = {"CapPrm:", "CapEff:", "CapBnd:"};
    struct jail jail = jail_of(JAIL_METER);
    int release, status;
    pid_t pid;

    jail.uid = jail.gid = 0;
    jail.capabilities = PRIVS_BIT(CAP_NET_ADMIN);
    pid = jailed_start(&jail, &release);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        expect(pid, kept[i], "0000000000001000");
    expect(pid, "CapInh:", "0000000000000000");
    expect(pid, "CapAmb:", "0000000000000000");
    close(release);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static int probe_meter_socket(void)
{
    jail_or_exit(JAIL_METER);
    return probe_socket_inet();
}

START_TEST(the_meter_makes_no_socket)
{
    int status = run(probe_meter_socket, false);

    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "0x%x", status);
}
END_TEST

/* Its errno, plus 100 when it lived to tell. */
static int probe_write_file(void)
{
    int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    jail_or_exit(JAIL_DNS);
    return write(fd, "x", 1) == 1 ? 1 : 100 + errno;
}

START_TEST(a_write_to_a_file_fails_and_does_not_kill)
{
    int status = run(probe_write_file, false);

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == (SECCOMP_SANITIZED ? 1 : 100 + EFBIG), "0x%x",
                  status);
}
END_TEST

static int spare = -1;

/* A descriptor of the old root, as libuv keeps one, must be the empty root afterwards. */
static int probe_old_root(void)
{
    struct stat held, empty;

    spare = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    jail_or_exit(JAIL_PROXY);
    if (fstat(spare, &held) != 0 || fstat(open("/", O_RDONLY | O_CLOEXEC), &empty) != 0)
        return errno;
    return held.st_ino == empty.st_ino && held.st_dev == empty.st_dev ? 0 : 1;
}

START_TEST(no_descriptor_leads_out_of_the_empty_root)
{
    ck_assert_int_eq(run(probe_old_root, false), 0);
}
END_TEST

/* ---- a jail that cannot be had is an error ---- */

static void refused(struct jail jail, const char *wanted)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct err err = {""};

        if (jail_enter(&jail, &err) == 0)
            _exit(1);
        if (!strstr(err.text, wanted))
            fprintf(stderr, "\"%s\" is not in \"%s\"\n", wanted, err.text);
        _exit(strstr(err.text, wanted) ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_root_with_something_in_it_is_refused)
{
    struct jail jail = jail_of(JAIL_DNS);
    char path[64];

    snprintf(path, sizeof path, "%s/file", root);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    refused(jail, "not empty");
    unlink(path);
}
END_TEST

START_TEST(a_root_that_others_may_write_is_refused)
{
    ck_assert_int_eq(chmod(root, 0777), 0);
    refused(jail_of(JAIL_DNS), "may write");
    ck_assert_int_eq(chmod(root, 0555), 0);
}
END_TEST

START_TEST(a_missing_root_is_refused)
{
    struct jail jail = jail_of(JAIL_DNS);

    jail.root = "/nonexistent";
    refused(jail, "empty root /nonexistent");
}
END_TEST

START_TEST(without_setpcap_there_is_no_jail)
{
    struct err err;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (privs_keep(PRIVS_BIT(CAP_SYS_CHROOT) | PRIVS_BIT(CAP_SETUID) | PRIVS_BIT(CAP_SETGID), &err) != 0)
            _exit(3);
        struct jail jail = jail_of(JAIL_DNS);
        _exit(jail_enter(&jail, &err) == 0 ? 1 : strstr(err.text, "bounding set") ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("kernel");
    int status, count = sizeof probes / sizeof *probes;

    if (!mkdtemp(root) || chmod(root, 0555) != 0)
        return 1;
    tcase_add_loop_test(tcase, the_control_succeeds, 0, count);
    tcase_add_loop_test(tcase, the_jail_answers_as_the_table_says, 0, count);
    tcase_add_test(tcase, abort_is_seen_as_abort);
    tcase_add_test(tcase, the_process_has_nothing_left);
    tcase_add_test(tcase, the_meter_keeps_its_one_capability);
    tcase_add_test(tcase, the_meter_makes_no_socket);
    tcase_add_test(tcase, a_write_to_a_file_fails_and_does_not_kill);
    tcase_add_test(tcase, no_descriptor_leads_out_of_the_empty_root);
    tcase_add_test(tcase, a_root_with_something_in_it_is_refused);
    tcase_add_test(tcase, a_root_that_others_may_write_is_refused);
    tcase_add_test(tcase, a_missing_root_is_refused);
    tcase_add_test(tcase, without_setpcap_there_is_no_jail);
    status = suite_run_case("jail", tcase);
    rmdir(root);
    return status;
}
