/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sys/spawn: what a started program sees of its parent is what the list says, and nothing else. */
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static int null_fd;

static pid_t start(const char *script, const int *fds, size_t count)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct spawn spawn = {.path = "/bin/sh", .argv = argv, .fds = fds, .fd_count = count};
    struct err err = {""};
    pid_t pid = spawn_start(&spawn, &err);

    ck_assert_msg(pid > 0, "%s", err.text);
    return pid;
}

/* Everything that the script writes to descriptor 1, NUL-terminated. */
static void output_of(const char *script, char *text, size_t size)
{
    int out[2], status, fds[3];
    size_t len = 0;
    ssize_t got;
    pid_t pid;

    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    fds[0] = -1;
    fds[1] = out[1];
    fds[2] = 2;
    pid = start(script, fds, 3);
    close(out[1]);
    while ((got = read(out[0], text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(out[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(the_program_has_exactly_its_descriptors)
{
    char text[256];
    int high = fcntl(null_fd, F_DUPFD, 200), low = dup(null_fd); /* both without close-on-exec */

    output_of("exec ls -m /proc/self/fd", text, sizeof text);
    ck_assert_str_eq(text, "0, 1, 2, 3\n"); /* 3: the listing itself */
    output_of("exec readlink /proc/self/fd/0", text, sizeof text);
    ck_assert_str_eq(text, "/dev/null\n");
    close(high);
    close(low);
}
END_TEST

START_TEST(descriptors_change_places)
{
    int first[2], second[2], fds[6], status;
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(first, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(second, O_CLOEXEC), 0);
    /* Sources and targets overlap: what is 4 here may be 5 there. */
    fds[0] = fds[1] = fds[3] = -1;
    fds[2] = 2;
    fds[4] = second[1];
    fds[5] = first[1];
    pid = start("printf a >&5; printf b >&4", fds, 6);
    ck_assert_int_eq(read(first[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'a');
    ck_assert_int_eq(read(second[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'b');
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
}
END_TEST

START_TEST(it_works_with_standard_descriptors_closed)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        const char *argv[] = {"sh", "-c", "test \"$(readlink /proc/self/fd/2)\" = /dev/null", NULL};
        const int fds[] = {-1, -1, -1};
        struct spawn spawn = {.path = "/bin/sh", .argv = argv, .fds = fds, .fd_count = 3};
        struct err err;

        for (int fd = 0; fd < 3; fd++)
            close(fd);
        pid = spawn_start(&spawn, &err);
        _exit(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_environment_is_empty)
{
    char text[256];

    setenv("STOPPER_TEST", "inherited", 1);
    output_of("exec env", text, sizeof text);
    ck_assert_str_eq(text, "PWD=/\n"); /* the shell's own */
}
END_TEST

START_TEST(an_environment_is_what_was_given)
{
    const char *argv[] = {"env", NULL};
    const char *environment[] = {"A=1", "B=two words", NULL};
    char text[256];
    int out[2], status;

    setenv("STOPPER_TEST", "inherited", 1);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    const int fds[] = {-1, out[1], 2};
    struct spawn spawn = {
        .path = "/usr/bin/env", .argv = argv, .fds = fds, .fd_count = 3, .environment = environment};
    struct err err;
    pid_t pid = spawn_start(&spawn, &err);
    close(out[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ssize_t got = read(out[0], text, sizeof text - 1);
    ck_assert_int_ge((int)got, 0);
    text[got] = '\0';
    ck_assert_str_eq(text, "A=1\nB=two words\n");
    close(out[0]);
}
END_TEST

/* A parent starts one that would live for long, says who it is, and ends. */
START_TEST(what_is_tied_ends_with_its_parent)
{
    int told[2], alive[2];
    pid_t child = 0;
    char byte;

    ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0) {
        const char *argv[] = {"sleep", "600", NULL};
        const int fds[] = {-1, alive[1], -1};
        struct spawn spawn = {.path = "/bin/sleep", .argv = argv, .fds = fds, .fd_count = 3, .tied = true};
        struct err err;

        child = spawn_start(&spawn, &err);
        (void)!write(told[1], &child, sizeof child);
        raise(SIGKILL);
    }
    close(alive[1]);
    ck_assert_int_eq(read(told[0], &child, sizeof child), sizeof child);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    ck_assert_int_eq(read(alive[0], &byte, 1), 0); /* the child's end of it is closed: it is gone */
}
END_TEST

/* The value of a mask line of /proc/self/status as the program sees it. */
static unsigned long long mask_of(const char *name)
{
    char script[64], text[256];

    snprintf(script, sizeof script, "exec grep %s /proc/self/status", name);
    output_of(script, text, sizeof text);
    return strtoull(strchr(text, '\t'), NULL, 16);
}

START_TEST(signals_are_at_their_defaults)
{
    sigset_t blocked, before;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGRTMIN + 3, SIG_IGN);
    /* glibc's own, which its posix_spawn leaves ignored and its sigaction refuses. */
    ck_assert_int_eq(syscall(SYS_rt_sigaction, 32, &(unsigned long[8]){(unsigned long)SIG_IGN}, NULL, 8), 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    ck_assert_uint_eq(mask_of("SigBlk"), 0);
    ck_assert_uint_eq(mask_of("SigIgn"), 0);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    ck_assert_int_eq(sigismember(&blocked, SIGTERM), 1); /* and the parent's are as they were */
    ck_assert_int_eq(sigismember(&blocked, SIGHUP), 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGRTMIN + 3, SIG_DFL);
}
END_TEST

START_TEST(it_leads_a_session_and_stands_in_the_root)
{
    int status;
    const int fds[] = {-1, -1, 2};
    pid_t pid = start("read line", fds, 3);

    /* The shell may be gone already; its session is kept until it is waited for. */
    ck_assert_int_eq(getsid(pid), pid);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    char text[256];
    output_of("pwd; umask", text, sizeof text);
    ck_assert_str_eq(text, "/\n0077\n");
}
END_TEST

START_TEST(an_exec_that_fails_is_reported)
{
    const char *argv[] = {"nothing", NULL};
    const int fds[] = {-1, -1, -1};
    struct spawn spawn = {.path = "/nonexistent/program", .argv = argv, .fds = fds, .fd_count = 3};
    struct err err;

    ck_assert_int_eq(spawn_start(&spawn, &err), -1);
    ck_assert_str_eq(err.text, "/nonexistent/program: execve: No such file or directory");
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(a_closed_descriptor_is_an_error)
{
    const char *argv[] = {"true", NULL};
    const int fds[] = {-1, -1, 2, 999};
    struct spawn spawn = {.path = "/bin/true", .argv = argv, .fds = fds, .fd_count = 4};
    struct err err;

    ck_assert_int_eq(spawn_start(&spawn, &err), -1);
    ck_assert_str_eq(err.text, "/bin/true: fcntl: Bad file descriptor");
}
END_TEST

START_TEST(too_few_and_too_many_descriptors_are_errors)
{
    int fds[65];
    struct spawn spawn = {.path = "/bin/true", .fds = fds};
    struct err err;

    spawn.fd_count = 2;
    ck_assert_int_eq(spawn_start(&spawn, &err), -1);
    spawn.fd_count = 65;
    ck_assert_int_eq(spawn_start(&spawn, &err), -1);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("children");

    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    tcase_add_test(tcase, the_program_has_exactly_its_descriptors);
    tcase_add_test(tcase, descriptors_change_places);
    tcase_add_test(tcase, it_works_with_standard_descriptors_closed);
    tcase_add_test(tcase, the_environment_is_empty);
    tcase_add_test(tcase, an_environment_is_what_was_given);
    tcase_add_test(tcase, what_is_tied_ends_with_its_parent);
    tcase_add_test(tcase, signals_are_at_their_defaults);
    tcase_add_test(tcase, it_leads_a_session_and_stands_in_the_root);
    tcase_add_test(tcase, an_exec_that_fails_is_reported);
    tcase_add_test(tcase, a_closed_descriptor_is_an_error);
    tcase_add_test(tcase, too_few_and_too_many_descriptors_are_errors);
    return suite_run_case("spawn", tcase);
}
