/* SPDX-License-Identifier: GPL-3.0-or-later */
/* state: locks between processes, the record on disk, and that a removed bottle leaves nothing. */
#include "hostctl/state.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static char home[] = "/tmp/test_state.XXXXXX";
static struct err err;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(home));
    ck_assert_int_eq(setenv("XDG_STATE_HOME", home, 1), 0);
    umask(0); /* modes must not depend on it */
}

static void tear_down(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", home);
    ck_assert_int_eq(system(command), 0);
}

static void path_of(const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/stopper/bottles/%s", home, name);
}

START_TEST(names_are_short_and_plain)
{
    static const char *const good[] = {"a", "0", "a-b", "a-", "abcdefghijklmnopqrstuvwxyz01234"};
    static const char *const bad[] = {
        "", "-a", "A", "a.b", "a/b", "..", "a_b", "a b", "abcdefghijklmnopqrstuvwxyz012345"};
    struct state state;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(state_name_valid(good[i]), "refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!state_name_valid(bad[i]), "accepted: %s", bad[i]);
        ck_assert_int_eq(state_open(&state, bad[i], STATE_MAKE, 0, &err), STATE_ERROR);
    }
}
END_TEST

START_TEST(the_root_is_where_the_environment_says)
{
    char path[PATH_MAX], wanted[PATH_MAX];
    struct state state;
    struct stat info;

    set_up();
    ck_assert_int_eq(state_root(path, &err), 0);
    snprintf(wanted, sizeof wanted, "%s/stopper/bottles", home);
    ck_assert_str_eq(path, wanted);
    ck_assert_int_eq(state_open(&state, "one", STATE_READ, 0, &err), STATE_MISSING);
    ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 0, &err), STATE_MISSING);
    ck_assert_int_eq(access(path, F_OK), -1); /* looking makes nothing */
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    ck_assert_int_eq(state_remove(&state, &err), 0);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0700);
    setenv("XDG_STATE_HOME", "relative", 1);
    setenv("HOME", home, 1);
    ck_assert_int_eq(state_root(path, &err), 0);
    snprintf(wanted, sizeof wanted, "%s/.local/state/stopper/bottles", home);
    ck_assert_str_eq(path, wanted);
    unsetenv("HOME");
    ck_assert_int_eq(state_root(path, &err), -1);
    tear_down();
}
END_TEST

START_TEST(a_root_that_others_can_write_is_refused)
{
    char path[PATH_MAX];
    struct state state;

    set_up();
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    state_close(&state);
    ck_assert_int_eq(state_root(path, &err), 0);
    ck_assert_int_eq(chmod(path, 0777), 0);
    ck_assert_int_eq(state_open(&state, "one", STATE_READ, 0, &err), STATE_ERROR);
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_ERROR);
    tear_down();
}
END_TEST

START_TEST(a_record_survives_its_writer)
{
    struct state state, reader;
    uint64_t start;
    pid_t pid;

    set_up();
    ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 0, &err), STATE_MISSING);
    ck_assert_int_eq(state_open(&state, "one", STATE_READ, 0, &err), STATE_MISSING);
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    ck_assert(!state_recorded(&state));
    ck_assert_ptr_null(state_get(&state, "uplink"));
    ck_assert_int_eq(state_set(&state, "uplink", "pasta", &err), 0);
    ck_assert_int_eq(state_set(&state, "uplink", "nat", &err), 0);
    ck_assert_int_eq(state_set_process(&state, "agent", 4711, UINT64_C(123456789012), &err), 0);
    state_close(&state);
    ck_assert_int_eq(state_open(&reader, "one", STATE_READ, 0, &err), STATE_OK);
    ck_assert(state_recorded(&reader));
    ck_assert_str_eq(state_get(&reader, "uplink"), "nat");
    ck_assert(state_get_process(&reader, "agent", &pid, &start));
    ck_assert_int_eq(pid, 4711);
    ck_assert_uint_eq(start, UINT64_C(123456789012));
    ck_assert(!state_get_process(&reader, "sidecar", &pid, &start));
    ck_assert_int_eq(state_set(&reader, "uplink", "x", &err), -1); /* not locked */
    state_close(&reader);
    tear_down();
}
END_TEST

START_TEST(deploy_keys_are_recorded_until_they_are_forgotten)
{
    struct state state;

    set_up();
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    ck_assert_ptr_null(state_deploy_keys(&state));
    ck_assert_int_eq(state_set_deploy_key(&state, "app", NULL, &err), 0);
    ck_assert_int_eq(state_set_deploy_key(&state, "app", json_pack("{s:s}", "title", "a"), &err), 0);
    ck_assert_int_eq(state_set_deploy_key(&state, "lib", json_pack("{s:s}", "title", "b"), &err), 0);
    ck_assert_int_eq(state_set_deploy_key(&state, "app", json_pack("{s:i}", "id", 7), &err), 0);
    ck_assert_int_eq(state_set_deploy_key(&state, "lib", NULL, &err), 0);
    state_close(&state);
    ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 0, &err), STATE_OK);
    json_t *wanted = json_pack("{s:{s:i}}", "app", "id", 7);
    ck_assert(json_equal(state_deploy_keys(&state), wanted));
    json_decref(wanted);
    ck_assert_int_eq(state_set_deploy_key(&state, "app", NULL, &err), 0);
    ck_assert_ptr_null(state_deploy_keys(&state));
    state_close(&state);
    ck_assert_int_eq(state_open(&state, "one", STATE_READ, 0, &err), STATE_OK);
    ck_assert_ptr_null(state_deploy_keys(&state));
    ck_assert_int_eq(state_set_deploy_key(&state, "app", json_object(), &err), -1); /* not locked */
    state_close(&state);
    tear_down();
}
END_TEST

START_TEST(the_label_is_one_whoever_makes_it_first)
{
    char label[STATE_LABEL], again[STATE_LABEL], path[PATH_MAX];
    int ends[2];

    set_up();
    ck_assert_int_eq(pipe(ends), 0);
    for (int i = 0; i < 8; i++)
        if (fork() == 0)
            _exit(state_label(label, &err) == 0 && write(ends[1], label, sizeof label) > 0 ? 0 : 1);
    for (int i = 0; i < 8; i++) {
        int status;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(state_label(label, &err), 0);
    ck_assert_uint_eq(strspn(label, "0123456789abcdef"), 16);
    ck_assert_str_ne(label, "0000000000000000");
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(read(ends[0], again, sizeof again), sizeof again);
        ck_assert_str_eq(again, label);
    }
    snprintf(path, sizeof path, "%s/stopper/label", home);
    FILE *file = fopen(path, "w");
    fputs("0123456789ABCDEF", file);
    fclose(file);
    ck_assert_int_eq(state_label(label, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    tear_down();
}
END_TEST

/* A program that a killed hostctl had started still works: what it makes is seen by who opens next. */
START_TEST(who_opens_waits_for_the_guard)
{
    const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_MAX], made[PATH_MAX], byte;
    struct state state;
    int ends[2];

    set_up();
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    state_close(&state);
    path_of("one/" STATE_GUARD, path);
    path_of("one/made", made);
    ck_assert_int_eq(pipe(ends), 0);
    pid_t worker = fork();
    if (worker == 0) {
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        bool locked = fcntl(fd, F_SETLK, &lock) == 0 && write(ends[1], "x", 1) == 1;
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        _exit(locked && open(made, O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : 1);
    }
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(state_open(&state, "one", STATE_READ, 0, &err), STATE_OK); /* looking does not wait */
    ck_assert_int_eq(access(made, F_OK), -1);
    state_close(&state);
    ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 0, &err), STATE_OK);
    ck_assert_int_eq(access(made, F_OK), 0);
    ck_assert_int_eq(state_remove(&state, &err), 0);
    ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
    close(ends[0]);
    close(ends[1]);
    tear_down();
}
END_TEST

START_TEST(numbers_that_mean_everybody_are_no_process)
{
    static const int bad[] = {-1, 0, 1};
    struct state state;
    uint64_t start;
    pid_t pid;

    set_up();
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(state_set_process(&state, "agent", bad[i], 1, &err), 0);
        ck_assert(!state_get_process(&state, "agent", &pid, &start));
    }
    state_close(&state);
    tear_down();
}
END_TEST

START_TEST(a_damaged_record_is_an_error)
{
    static const char *const bad[] = {"", "[]", "{", "{\"a\":1,\"a\":2}"};
    struct state state;
    char path[PATH_MAX];

    set_up();
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    state_close(&state);
    path_of("one/record.json", path);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FILE *file = fopen(path, "w");
        fputs(bad[i], file);
        fclose(file);
        ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 0, &err), STATE_ERROR);
        ck_assert_ptr_nonnull(strstr(err.text, "is damaged"));
    }
    tear_down();
}
END_TEST

/* A process that locks a bottle, says so, and then waits to be killed, or removes it after `ms` and ends. */
static pid_t start_holder(const char *name, int remove_after_ms)
{
    int ready[2];
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct state state;
        if (state_open(&state, name, STATE_MAKE, 0, &err) != STATE_OK || write(ready[1], "", 1) != 1)
            _exit(1);
        if (remove_after_ms == 0)
            pause();
        poll(NULL, 0, remove_after_ms);
        _exit(state_remove(&state, &err) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

START_TEST(a_lock_keeps_others_out_until_its_holder_dies)
{
    struct state state;
    int status;

    set_up();
    pid_t holder = start_holder("one", 0);
    ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 0, &err), STATE_BUSY);
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 100, &err), STATE_BUSY);
    ck_assert_int_eq(state_open(&state, "one", STATE_READ, 0, &err), STATE_OK);
    ck_assert_int_eq(state_owner(&state), holder);
    ck_assert_int_eq(kill(holder, SIGKILL), 0);
    ck_assert_int_eq(waitpid(holder, &status, 0), holder);
    ck_assert_int_eq(state_owner(&state), 0);
    state_close(&state);
    ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 0, &err), STATE_OK);
    ck_assert_int_eq(state_owner(&state), getpid());
    state_close(&state);
    tear_down();
}
END_TEST

START_TEST(a_forked_child_does_not_keep_the_lock)
{
    struct state state;
    int status;

    set_up();
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    state_close(&state);
    pid_t other = fork();
    if (other == 0)
        _exit(state_open(&state, "one", STATE_LOCK, 0, &err) == STATE_OK ? 0 : 1);
    ck_assert_int_eq(waitpid(other, &status, 0), other);
    ck_assert_int_eq(status, 0);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    tear_down();
}
END_TEST

START_TEST(who_waits_for_a_removed_bottle_finds_it_missing_or_makes_a_new_one)
{
    struct state state;
    char path[PATH_MAX];
    int status;

    set_up();
    pid_t holder = start_holder("one", 200);
    ck_assert_int_eq(state_open(&state, "one", STATE_LOCK, 5000, &err), STATE_MISSING);
    ck_assert_int_eq(waitpid(holder, &status, 0), holder);
    ck_assert_int_eq(status, 0);
    path_of("one", path);
    ck_assert_int_eq(access(path, F_OK), -1);
    holder = start_holder("one", 200);
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 5000, &err), STATE_OK);
    ck_assert_int_eq(waitpid(holder, &status, 0), holder);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_int_eq(state_set(&state, "a", "b", &err), 0);
    ck_assert_int_eq(state_remove(&state, &err), 0);
    ck_assert_int_eq(access(path, F_OK), -1);
    tear_down();
}
END_TEST

/* Folders in one another, deeper than what is open at a time, and a file at the bottom. */
static void dig(const char *path, int levels)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < levels; i++) {
        ck_assert_int_eq(mkdirat(fd, "down", 0700), 0);
        int below = openat(fd, "down", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(below, 0);
        close(fd);
        fd = below;
    }
    ck_assert_int_eq(close(openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    close(fd);
}

START_TEST(removing_takes_everything_and_follows_no_link)
{
    char path[PATH_MAX], kept[PATH_MAX];
    struct state state;

    set_up();
    snprintf(kept, sizeof kept, "%s/kept", home);
    ck_assert_int_eq(mkdir(kept, 0700), 0);
    ck_assert_int_eq(state_open(&state, "one", STATE_MAKE, 0, &err), STATE_OK);
    ck_assert_int_eq(state_set(&state, "a", "b", &err), 0);
    path_of("one/root", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    path_of("one/root/etc", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    path_of("one/root/etc/file", path);
    ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    path_of("one/root/link", path);
    ck_assert_int_eq(symlink(kept, path), 0);
    path_of("one/root", path);
    dig(path, 300);
    path_of("one/deep-0", path); /* what it would call what is too deep */
    ck_assert_int_eq(mkdir(path, 0700), 0);
    dig(path, 40);
    ck_assert_msg(state_remove(&state, &err) == 0, "%s", err.text);
    path_of("one", path);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(access(kept, F_OK), 0);
    tear_down();
}
END_TEST

static int note(void *ctx, const char *name)
{
    strcat(strcat(ctx, name), " ");
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

START_TEST(bottles_are_listed_in_order)
{
    static const char *const names[] = {"b", "stop", "a", "zz"};
    char path[PATH_MAX], seen[128] = "";
    struct state state;

    set_up();
    ck_assert_int_eq(state_each(note, seen, &err), 0);
    ck_assert_str_eq(seen, "");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(state_open(&state, names[i], STATE_MAKE, 0, &err), STATE_OK);
        state_close(&state);
    }
    path_of("Not-A-Bottle", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(state_each(note, seen, &err), 7);
    ck_assert_str_eq(seen, "a b stop ");
    tear_down();
}
END_TEST

SUITE_MAIN("state", names_are_short_and_plain, the_root_is_where_the_environment_says,
           a_root_that_others_can_write_is_refused, a_record_survives_its_writer,
           deploy_keys_are_recorded_until_they_are_forgotten, the_label_is_one_whoever_makes_it_first,
           who_opens_waits_for_the_guard, numbers_that_mean_everybody_are_no_process,
           a_damaged_record_is_an_error, a_lock_keeps_others_out_until_its_holder_dies,
           a_forked_child_does_not_keep_the_lock,
           who_waits_for_a_removed_bottle_finds_it_missing_or_makes_a_new_one,
           removing_takes_everything_and_follows_no_link, bottles_are_listed_in_order)
