/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate sweep: what a killed git leaves goes, the mirror stays, and no link is followed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/sweep.h"
#include "suite.h"

static char root[] = "/tmp/stopper-sweep-XXXXXX";

static const char *at(const char *path)
{
    static char room[512];

    snprintf(room, sizeof room, "%s/%s", root, path);
    return room;
}

static const char *const folders[] = {"outside",
                                      "a.git",
                                      "a.git/refs",
                                      "a.git/refs/heads",
                                      "a.git/objects",
                                      "a.git/objects/pack",
                                      "a.git/objects/tmp_objdir-incoming-Ab12",
                                      "a.git/objects/tmp_objdir-incoming-Ab12/pack",
                                      "b.git.new",
                                      "b.git.new/refs",
                                      "b.git.old",
                                      "notes"};
static const char *const stay[] = {"outside/kept.lock",
                                   "a.git/HEAD",
                                   "a.git/config",
                                   "a.git/refs/heads/main",
                                   "a.git/objects/pack/pack-1.pack",
                                   "notes/x.lock",
                                   "lock"};
static const char *const go[] = {"a.git/packed-refs.lock",
                                 "a.git/refs/heads/main.lock",
                                 "a.git/objects/pack/tmp_pack_1",
                                 "a.git/objects/tmp_objdir-incoming-Ab12/pack/pack-2.pack",
                                 "b.git.new/HEAD",
                                 "b.git.old/HEAD"};

static void make(const char *const *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = open(at(files[i]), O_CREAT | O_WRONLY, 0600);
        ck_assert_msg(fd >= 0, "%s", files[i]);
        close(fd);
    }
}

START_TEST(leftovers_go_and_nothing_else)
{
    char link[512];

    ck_assert_ptr_nonnull(mkdtemp(root));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        ck_assert_int_eq(mkdir(at(folders[i]), 0700), 0);
    make(stay, sizeof stay / sizeof stay[0]);
    make(go, sizeof go / sizeof go[0]);
    snprintf(link, sizeof link, "%s/outside", root);
    ck_assert_int_eq(symlink(link, at("a.git/refs/link")), 0);
    ck_assert_int_eq(symlink(link, at("a.git/objects/tmp_objdir-incoming-Ab12/link")), 0);
    ck_assert_int_eq(symlink(link, at("c.git")), 0);

    ck_assert_int_eq(sweep_all(root), 12);
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++)
        ck_assert_msg(access(at(stay[i]), F_OK) == 0, "%s", stay[i]);
    for (size_t i = 0; i < sizeof go / sizeof go[0]; i++)
        ck_assert_msg(access(at(go[i]), F_OK) != 0, "%s", go[i]);
    ck_assert(access(at("a.git/objects/tmp_objdir-incoming-Ab12"), F_OK) != 0 &&
              access(at("b.git.new"), F_OK) != 0);
    ck_assert_int_eq(sweep_all(root), 0);
    ck_assert_int_eq(sweep_mirror(at("a.git")), 0);
    ck_assert_int_eq(sweep_mirror(at("none.git")), 0);
    static const char *const again[] = {"b.git.new/HEAD"};
    ck_assert_int_eq(mkdir(at("b.git.new"), 0700), 0);
    make(again, 1);
    ck_assert_int_eq(sweep_mirror(at("b.git")), 1); /* one that never was, but for what lies beside */
    ck_assert(access(at("b.git.new"), F_OK) != 0);
    ck_assert_int_eq(mkdir(at("b.git.old"), 0700), 0);
    ck_assert_int_eq(sweep_beside(at("b.git"), SWEEP_OLD), 0);
    ck_assert_int_eq(sweep_beside(at("b.git"), SWEEP_OLD), 0);
    ck_assert(access(at("b.git.old"), F_OK) != 0);

    unlink(at("c.git"));
    unlink(at("a.git/refs/link"));
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++)
        unlink(at(stay[i]));
    for (size_t i = sizeof folders / sizeof folders[0]; i > 0; i--)
        rmdir(at(folders[i - 1]));
    ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

/* So many folders in each other, below a path. */
static void dig(const char *path, unsigned depth)
{
    int fd = open(at(path), O_RDONLY | O_DIRECTORY);

    for (unsigned i = 0; i < depth; i++) {
        ck_assert_int_eq(mkdirat(fd, "d", 0700), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(next, 0);
        close(fd);
        fd = next;
    }
    close(fd);
}

START_TEST(a_ref_of_many_folders_is_no_hindrance)
{
    char command[600];

    strcpy(root, "/tmp/stopper-sweep-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(mkdir(at("a.git"), 0700), 0);
    ck_assert_int_eq(mkdir(at("a.git/refs"), 0700), 0);
    ck_assert_int_eq(mkdir(at("a.git.old"), 0700), 0);
    ck_assert_int_eq(mkdir(at("a.git.old/deep-0"), 0700), 0);
    dig("a.git/refs", 100);
    dig("a.git.old", 300);
    dig("a.git.old/deep-0", 70);
    ck_assert_int_eq(sweep_all(root), 300 + 70 + 2);
    ck_assert(access(at("a.git.old"), F_OK) != 0 && access(at("a.git/refs/d/d"), F_OK) == 0);
    ck_assert_int_eq(sweep_mirror(at("a.git")), 0);
    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

SUITE_MAIN("gate_sweep", leftovers_go_and_nothing_else, a_ref_of_many_folders_is_no_hindrance)
