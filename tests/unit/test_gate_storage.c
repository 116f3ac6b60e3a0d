/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/storage: what counts, and what is left. */
#include "gate/storage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static char root[] = "/tmp/stopper-storage-XXXXXX";

/* A file of so many bytes, which takes no room. */
static void make(const char *name, off_t size)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    close(fd);
}

START_TEST(all_files_count_and_what_is_left_is_what_remains)
{
    char path[256];

    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_uint_eq(storage_used(root), 0);
    ck_assert_uint_eq(storage_room(root, 2), 2 << 20);
    make("one", 1000);
    snprintf(path, sizeof path,
             "mkdir -p %s/a.git/objects/pack && ln -s /usr %s/a.git/link && ln %s/one %s/two", root, root,
             root, root);
    ck_assert_int_eq(system(path), 0);
    make("a.git/objects/pack/p.pack", 1 << 20);
    ck_assert_uint_eq(storage_used(root), 2000 + (1 << 20)); /* no link is followed, a second name counts */
    ck_assert_uint_eq(storage_room(root, 2), (1 << 20) - 2000);
    ck_assert_uint_eq(storage_room(root, 1), 0);
    make("a.git/objects/pack/p.pack", (1 << 20) - 2000);
    ck_assert_uint_eq(storage_room(root, 1), 0); /* to the byte */
    make("a.git/objects/pack/p.pack", (1 << 20) - 2001);
    ck_assert_uint_eq(storage_room(root, 1), 1);
    make("a.git/objects/pack/p.pack", (off_t)5 << 30);
    ck_assert_uint_eq(storage_room(root, 20480), (UINT64_C(15) << 30) - 2000);
    snprintf(path, sizeof path, "rm -r %s", root);
    ck_assert_int_eq(system(path), 0);
    ck_assert_uint_eq(storage_used(root), 0);
}
END_TEST

SUITE_MAIN("gate_storage", all_files_count_and_what_is_left_is_what_remains)
