/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit_kept: the audit of bottles that are gone is private, found again, and bounded. */
#include "hostctl/audit_kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static char home[] = "/tmp/test_audit_kept.XXXXXX", audit[64];
static struct err err;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(home));
    ck_assert_int_eq(setenv("XDG_STATE_HOME", home, 1), 0);
    snprintf(audit, sizeof audit, "%s/stopper/audit", home);
    umask(0);
}

static void tear_down(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", home);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *text, size_t times)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < times; i++)
        fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

/* A bottle that wrote this and is gone. */
static void bottle(const char *name, const char *text, size_t times)
{
    char path[PATH_MAX + 32];
    struct state state;

    ck_assert_int_eq(state_open(&state, name, STATE_MAKE, 0, &err), STATE_OK);
    snprintf(path, sizeof path, "%s/" STATE_AUDIT, state.path);
    if (text != NULL)
        put(path, text, times);
    ck_assert_msg(audit_kept_add(&state, &err) == 0, "%s", err.text);
    ck_assert_int_eq(state_remove(&state, &err), 0);
}

static int kept(void)
{
    char command[128];
    int count = -1;

    snprintf(command, sizeof command, "ls %s 2>/dev/null | wc -l", audit);
    FILE *out = popen(command, "r");
    ck_assert_int_eq(fscanf(out, "%d", &count), 1);
    pclose(out);
    return count;
}

static int collect(void *ctx, const char *name)
{
    char *names = ctx;

    snprintf(names + strlen(names), 64 - strlen(names), "%s ", name);
    return strcmp(name, "a-b") == 0 ? 7 : 0;
}

START_TEST(the_latest_of_a_name_is_found_and_private)
{
    char path[PATH_MAX], text[64], names[64] = "";
    struct stat info;

    set_up();
    ck_assert_int_eq(audit_kept_find("a", path), -1);
    ck_assert_int_eq(audit_kept_each(collect, names), 0);
    bottle("a", "first\n", 1);
    bottle("a", "second\n", 1);
    bottle("a-b", "other\n", 1);
    bottle("empty", "", 1);
    bottle("none", NULL, 0);
    ck_assert_int_eq(kept(), 3);
    ck_assert_int_eq(audit_kept_each(collect, names), 7);
    ck_assert_str_eq(names, "a a a-b ");
    ck_assert_int_eq(audit_kept_find("a", path), 0);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    fclose(file);
    ck_assert_str_eq(text, "second\n");
    ck_assert(stat(path, &info) == 0 && (info.st_mode & 07777) == 0600);
    ck_assert(stat(audit, &info) == 0 && (info.st_mode & 07777) == 0700);
    ck_assert_int_eq(audit_kept_find("empty", path), -1);
    tear_down();
}
END_TEST

START_TEST(a_long_one_keeps_its_last_whole_lines)
{
    char path[PATH_MAX], text[1024];
    struct stat info;

    set_up();
    memset(text, 'x', sizeof text);
    memcpy(text + 997, "\n", 2);
    bottle("a", text, AUDIT_KEPT_BYTES / 998 + 100);
    ck_assert_int_eq(audit_kept_find("a", path), 0);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_size, (off_t)(AUDIT_KEPT_BYTES / 998 * 998));
    ck_assert_int_eq(info.st_mode & 07777, 0600);
    ck_assert_int_eq(kept(), 1);
    tear_down();
}
END_TEST

START_TEST(the_oldest_goes_when_there_are_too_many)
{
    char path[PATH_MAX], name[16];

    set_up();
    for (int i = 0; i < AUDIT_KEPT_COUNT + 2; i++) {
        snprintf(name, sizeof name, "b%d", i);
        bottle(name, "line\n", 1);
    }
    ck_assert_int_eq(kept(), AUDIT_KEPT_COUNT);
    ck_assert_int_eq(audit_kept_find("b1", path), -1);
    ck_assert_int_eq(audit_kept_find("b2", path), 0);
    tear_down();
}
END_TEST

START_TEST(gc_removes_what_is_old_and_what_it_made_alone)
{
    char path[PATH_MAX + 64];

    set_up();
    ck_assert_int_eq(audit_kept_gc(AUDIT_KEPT_DAYS, &err), 0);
    bottle("new", "line\n", 1);
    snprintf(path, sizeof path, "%s/old.20200102T030405.678901.jsonl", audit);
    put(path, "line\n", 1);
    snprintf(path, sizeof path, "%s/notes.jsonl", audit);
    put(path, "of the user\n", 1);
    ck_assert_int_eq(audit_kept_gc(AUDIT_KEPT_DAYS, &err), 1);
    ck_assert_int_eq(audit_kept_find("old", path), -1);
    ck_assert_int_eq(audit_kept_find("new", path), 0);
    ck_assert_int_eq(audit_kept_gc(0, &err), 1);
    ck_assert_int_eq(kept(), 1);
    tear_down();
}
END_TEST

START_TEST(a_folder_that_others_can_write_is_refused)
{
    struct state state;
    char path[PATH_MAX + 32];

    set_up();
    ck_assert_int_eq(state_open(&state, "a", STATE_MAKE, 0, &err), STATE_OK);
    ck_assert_int_eq(mkdir(audit, 0777), 0);
    snprintf(path, sizeof path, "%s/" STATE_AUDIT, state.path);
    put(path, "line\n", 1);
    ck_assert_int_eq(audit_kept_add(&state, &err), -1);
    ck_assert_ptr_nonnull(
        strstr(err.text, "/stopper/audit is not a folder that only its owner, the caller, can write"));
    ck_assert_int_eq(chmod(audit, 0700), 0);
    ck_assert_int_eq(audit_kept_add(&state, &err), 0);
    state_close(&state);
    tear_down();
}
END_TEST

SUITE_MAIN("audit_kept", the_latest_of_a_name_is_found_and_private, a_long_one_keeps_its_last_whole_lines,
           the_oldest_goes_when_there_are_too_many, gc_removes_what_is_old_and_what_it_made_alone,
           a_folder_that_others_can_write_is_refused)
