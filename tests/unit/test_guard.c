/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl/guard: which mounts are added for a repository, and what is listed of an agent's work. */
#include "hostctl/guard.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static char top[64];
static struct err err;

static void make_file(const char *name, mode_t mode)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", top, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    ck_assert_msg(fd >= 0, "%s", path);
    close(fd);
}

static void make_folder(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", top, name);
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void setup(void)
{
    snprintf(top, sizeof top, "/tmp/stopper-guard-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", top);
    ck_assert_int_eq(system(command), 0);
}

static struct mount mount_of(const char *agent)
{
    struct mount mount = {.folder = true};

    mount.fd = open(top, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(mount.fd, 0);
    snprintf(mount.host, sizeof mount.host, "%s", top);
    snprintf(mount.agent, sizeof mount.agent, "%s", agent);
    return mount;
}

static size_t guarded(struct mount *mounts, size_t count)
{
    ck_assert_int_eq(guard_mounts(mounts, &count, &err), 0);
    return count;
}

START_TEST(a_repositorys_hooks_and_configuration_are_mounted_over_themselves)
{
    static struct mount mounts[8];

    make_folder(".git");
    make_folder(".git/hooks");
    make_file(".git/config", 0644);
    mounts[0] = mount_of("/work/p");
    ck_assert_uint_eq(guarded(mounts, 1), 4);
    ck_assert_str_eq(mounts[1].agent, "/work/p/.git");
    ck_assert(!mounts[1].read_only && mounts[1].folder);
    ck_assert_str_eq(mounts[2].agent, "/work/p/.git/hooks");
    ck_assert(mounts[2].read_only && mounts[2].folder);
    ck_assert_str_eq(mounts[3].agent, "/work/p/.git/config");
    ck_assert(mounts[3].read_only && !mounts[3].folder);
    mounts[0].read_only = true;
    ck_assert_uint_eq(guarded(mounts, 1), 1);
}
END_TEST

START_TEST(hooks_that_are_not_there_are_made_and_belong_to_whom_the_repository_does)
{
    static struct mount mounts[8];
    struct stat info, git;
    char path[128];

    make_folder(".git");
    snprintf(path, sizeof path, "%s/.git", top);
    if (geteuid() == 0)
        ck_assert_int_eq(chown(path, 4711, 4712), 0);
    ck_assert_int_eq(stat(path, &git), 0);
    mounts[0] = mount_of("/work/p");
    mounts[0].read_only = true;
    ck_assert_uint_eq(guarded(mounts, 1), 1);
    snprintf(path, sizeof path, "%s/.git/hooks", top);
    ck_assert_int_ne(lstat(path, &info), 0); /* nothing is made in what nobody may write */
    mounts[0].read_only = false;
    ck_assert_uint_eq(guarded(mounts, 1), 3);
    ck_assert_str_eq(mounts[2].agent, "/work/p/.git/hooks");
    ck_assert(mounts[2].read_only && mounts[2].folder);
    ck_assert_int_eq(lstat(path, &info), 0);
    ck_assert(S_ISDIR(info.st_mode) && (info.st_mode & 022) == 0);
    ck_assert_uint_eq(info.st_uid, git.st_uid);
    ck_assert_uint_eq(info.st_gid, git.st_gid);
}
END_TEST

START_TEST(a_git_that_is_a_file_is_read_only)
{
    static struct mount mounts[8];

    make_file(".git", 0644);
    mounts[0] = mount_of("/work/p");
    ck_assert_uint_eq(guarded(mounts, 1), 2);
    ck_assert_str_eq(mounts[1].agent, "/work/p/.git");
    ck_assert(mounts[1].read_only && !mounts[1].folder);
}
END_TEST

START_TEST(what_is_a_link_or_not_there_is_left_alone)
{
    static struct mount mounts[8];
    char path[128];

    mounts[0] = mount_of("/work/p");
    ck_assert_uint_eq(guarded(mounts, 1), 1);
    snprintf(path, sizeof path, "%s/.git", top);
    ck_assert_int_eq(symlink("/etc", path), 0);
    ck_assert_uint_eq(guarded(mounts, 1), 1);
    ck_assert_int_eq(unlink(path), 0);
    make_folder(".git");
    snprintf(path, sizeof path, "%s/.git/hooks", top);
    ck_assert_int_eq(symlink("/etc", path), 0);
    ck_assert_uint_eq(guarded(mounts, 1), 2);
    /* A mount of the user's on that place is the user's word. */
    mounts[1] = mount_of("/work/p/.git");
    mounts[1].read_only = true;
    ck_assert_uint_eq(guarded(mounts, 2), 2);
}
END_TEST

START_TEST(what_the_host_would_run_is_listed)
{
    char *paths[] = {top, NULL}, *text = NULL, wanted[2048];
    struct guard guard = {paths, 0};
    size_t size;

    make_file("README", 0644);
    make_file("run.sh", 0755);
    make_file("Makefile", 0644);
    make_file("\x1b[2Jx", 0755);
    make_folder(".git");
    make_folder(".git/hooks");
    make_folder(".git/objects");
    make_file(".git/hooks/pre-commit", 0644);
    make_file(".git/config", 0644);
    make_file(".git/index", 0644);
    make_file(".git/objects/pack", 0755);
    FILE *to = open_memstream(&text, &size);
    guard_list(&guard, "- ", to);
    fclose(to);
    static const char *const names[] = {"run.sh", "Makefile", "\\x1b[2Jx", ".git/hooks/pre-commit",
                                        ".git/config"};
    size_t lines = 0;
    for (const char *lf = text; (lf = strchr(lf, '\n')) != NULL; lf++)
        lines++;
    ck_assert_uint_eq(lines, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(wanted, sizeof wanted, "- %s/%s\n", top, names[i]);
        ck_assert_msg(strstr(text, wanted) != NULL, "%s in %s", wanted, text);
    }
    free(text);
    guard.since = time(NULL) + 1000; /* all of that was before */
    to = open_memstream(&text, &size);
    guard_list(&guard, "- ", to);
    fclose(to);
    ck_assert_uint_eq(size, 0);
    free(text);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("folders");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_repositorys_hooks_and_configuration_are_mounted_over_themselves);
    tcase_add_test(tcase, hooks_that_are_not_there_are_made_and_belong_to_whom_the_repository_does);
    tcase_add_test(tcase, a_git_that_is_a_file_is_read_only);
    tcase_add_test(tcase, what_is_a_link_or_not_there_is_left_alone);
    tcase_add_test(tcase, what_the_host_would_run_is_listed);
    return suite_run_case("guard", tcase);
}
