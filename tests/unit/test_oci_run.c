/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl/rt_oci_run: a program's bytes, status and last words; what is too much or too late ends it; signals
 * go to where the passer leads. */
#include "hostctl/rt_oci_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static struct err err;

static struct words shell(const char *script)
{
    struct words words = {NULL, 0, false};

    words_list(&words, (const char *const[]){"/bin/sh", "-c", script, NULL});
    return words;
}

static int run(const char *script, struct run *run)
{
    struct words words = shell(script);
    int status = run_words(&words, run, &err);

    words_free(&words);
    return status;
}

START_TEST(bytes_go_in_and_come_out)
{
    static char many[300000];
    struct buf out;

    memset(many, 'x', sizeof many);
    buf_init(&out, sizeof many);
    struct run run_cat = {.in = {many, sizeof many}, .out = &out, .interrupt = -1};
    ck_assert_int_eq(run("cat; echo words >&2; exit 7", &run_cat), 7);
    ck_assert_uint_eq(buf_str(&out).len, sizeof many);
    ck_assert(memcmp(buf_str(&out).ptr, many, sizeof many) == 0);
    ck_assert_str_eq(run_cat.said, "words");
    buf_fini(&out);
}
END_TEST

START_TEST(an_end_and_last_words_are_told)
{
    struct run nothing = {.interrupt = -1};

    ck_assert_int_eq(run("kill -9 $$", &nothing), 128 + 9);
    ck_assert_int_eq(run("yes words | head -c 100000 >&2; printf '\\nthe last\\n\\n' >&2", &nothing), 0);
    ck_assert_str_eq(nothing.said, "the last");
    ck_assert_int_eq(run("printf 'curl: (60) no trust\\nMore details here\\n' >&2", &nothing), 0);
    ck_assert_str_eq(nothing.said, "curl: (60) no trust");
    ck_assert_int_eq(run("echo 'Error response from daemon: no'; printf 'more\\nError: failed\\n'", &nothing),
                     0);
    ck_assert_str_eq(nothing.said, "");
    run("{ echo 'docker: Error response from daemon: no'; printf 'more\\nError: failed\\n'; } >&2", &nothing);
    ck_assert_str_eq(nothing.said, "Error response from daemon: no");
    run("printf 'so far\\nError: Unknown option\\r\\nUsage: it\\n  See it\\n' >&2", &nothing);
    ck_assert_str_eq(nothing.said, "Error: Unknown option");
    struct words words = shell("echo no such thing >&2; exit 3");
    ck_assert_int_eq(run_must(&words, &nothing, &err), -1);
    ck_assert_str_eq(err.text, "/bin/sh -c: no such thing");
    words_free(&words);
    words_add(&words, "/nonexistent");
    int status = run_words(&words, &nothing, &err);
    ck_assert(status == -1 && errno == ENOENT);
    ck_assert_str_eq(err.text, "/nonexistent: No such file or directory");
    words_free(&words);
}
END_TEST

START_TEST(who_says_too_much_or_is_interrupted_is_ended)
{
    struct buf out;
    int ends[2];

    buf_init(&out, 1000);
    struct run bounded = {.out = &out, .interrupt = -1};
    ck_assert_int_eq(run("yes", &bounded), -1);
    ck_assert_str_eq(err.text, "/bin/sh -c: it said too much");
    buf_fini(&out);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    struct run interrupted = {.interrupt = ends[0]};
    ck_assert_int_eq(run("exec sleep 1000", &interrupted), -1);
    ck_assert_str_eq(err.text, "/bin/sh -c: interrupted");
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* What it was about is finished: a half of it would be nobody's. */
START_TEST(who_is_interrupted_may_finish)
{
    char folder[] = "/tmp/stopper-test-XXXXXX", script[128], made[64];
    int ends[2];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(made, sizeof made, "%s/made", folder);
    snprintf(script, sizeof script, "sleep 0.3; echo words; : >%s", made);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    struct run interrupted = {.interrupt = ends[0]};
    ck_assert_int_eq(run(script, &interrupted), -1);
    ck_assert_str_eq(err.text, "/bin/sh -c: interrupted");
    ck_assert_int_eq(unlink(made), 0);
    ck_assert_int_eq(rmdir(folder), 0);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

static bool is_locked(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR);
    bool locked = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

    close(fd);
    return locked;
}

/* The maker is gone, and what it started still holds the lock, with a child of its own that does not. */
START_TEST(the_guard_is_held_until_the_program_ends)
{
    char folder[] = "/tmp/stopper-test-XXXXXX", path[64], go[64], script[256];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/guard", folder);
    snprintf(go, sizeof go, "%s/go", folder);
    ck_assert_int_eq(mkfifo(go, 0600), 0);
    snprintf(script, sizeof script, "sleep 5 >/dev/null 2>&1 & read -r word <%s", go);
    pid_t maker = fork();
    if (maker == 0) {
        run_guard(path);
        run(script, &(struct run){.interrupt = -1});
        _exit(0);
    }
    while (!is_locked(path) && waitpid(maker, NULL, WNOHANG) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    kill(maker, SIGKILL);
    ck_assert_int_eq(waitpid(maker, NULL, 0), maker);
    ck_assert(is_locked(path));
    int fd = open(go, O_WRONLY);
    ck_assert_int_eq(write(fd, "on\n", 3), 3);
    close(fd);
    for (int i = 0; i < 2000 && is_locked(path); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert(!is_locked(path));
    ck_assert(unlink(path) == 0 && unlink(go) == 0 && rmdir(folder) == 0);
}
END_TEST

/* The child's signal becomes a run of the passer, which ends the program that the child attends. */
START_TEST(a_signal_is_handed_on_by_the_passer)
{
    struct words words = shell("trap 'exit 5' USR1; echo $$; while :; do sleep 0.05; done");
    char script[64] = "", text[32] = "";
    int ends[2], status;

    ck_assert_int_eq(pipe(ends), 0);
    struct words passer = {NULL, 0, false};
    words_list(&passer, (const char *const[]){"/bin/sh", "-c", "kill -$1 $(cat /tmp/stopper-test-$PPID)",
                                              "sh", RUN_NUMBER, NULL});
    const int fds[3] = {-1, ends[1], -1};
    pid_t child = run_attended(&words, &passer, fds, NULL, &err);
    ck_assert_int_gt(child, 0);
    ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
    snprintf(script, sizeof script, "/tmp/stopper-test-%d", (int)child);
    FILE *file = fopen(script, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    kill(child, SIGUSR1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    unlink(script);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    words_free(&words);
    words_free(&passer);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("processes");

    tcase_add_test(tcase, bytes_go_in_and_come_out);
    tcase_add_test(tcase, an_end_and_last_words_are_told);
    tcase_add_test(tcase, who_says_too_much_or_is_interrupted_is_ended);
    tcase_add_test(tcase, who_is_interrupted_may_finish);
    tcase_add_test(tcase, the_guard_is_held_until_the_program_ends);
    tcase_add_test(tcase, a_signal_is_handed_on_by_the_passer);
    tcase_set_timeout(tcase, 30);
    return suite_run_case("oci_run", tcase);
}
