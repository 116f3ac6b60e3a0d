/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/push_refname: what it takes git takes too, as the name of a ref and as the one thing that stands behind the colon of a
 * refspec. The other way round, what git takes below refs/ is taken. */
#include "gate/push_refname.h"

#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/unit/suite.h"

START_TEST(names_are_good_or_not)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        {"refs/heads/main", true},
        {"refs/x", true},
        {"refs/heads/-x", true},
        {"refs/heads/@", true},
        {"refs/heads/a.b/c.lock.d", true},
        {"refs/heads/gr\xc3\xbc\xc3\x9f", true},
        {"refs/heads/\xff\xfe", true},
        {"refs/heads/{a}", true},
        {"", false},
        {"refs", false},
        {"refs/", false},
        {"HEAD", false},
        {"main", false},
        {"--force", false},
        {"/refs/heads/x", false},
        {"refs//x", false},
        {"refs/heads/", false},
        {"refs/heads/a..b", false},
        {"refs/heads/../x", false},
        {"refs/heads/.a", false},
        {"refs/heads/a.", false},
        {"refs/heads/a.lock", false},
        {"refs/a.lock/b", false},
        {"refs/heads/.lock", false},
        {"refs/heads/a b", false},
        {"refs/heads/a\tb", false},
        {"refs/heads/a\nb", false},
        {"refs/heads/a\x1b[31m", false},
        {"refs/heads/a\x7f", false},
        {"refs/heads/a:refs/heads/b", false},
        {"refs/heads/a~1", false},
        {"refs/heads/a^", false},
        {"refs/heads/a?", false},
        {"refs/heads/*", false},
        {"refs/heads/[a", false},
        {"refs/heads/a\\b", false},
        {"refs/heads/a@{1}", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(push_refname_good(cases[i].name) == cases[i].good, "%s", cases[i].name);
}
END_TEST

static bool git_takes(char *name)
{
    char git[] = "git", command[] = "check-ref-format";
    char *argv[] = {git, command, name, NULL}, *none[] = {NULL};
    int status = -1;
    pid_t pid;

    ck_assert_int_eq(posix_spawn(&pid, "/usr/bin/git", NULL, NULL, argv, none), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "git check-ref-format: status %d", status);
    return WEXITSTATUS(status) == 0;
}

/* Names that are made of what matters, the same ones each time. */
START_TEST(git_is_of_the_same_mind)
{
    static const char *const parts[] = {"a",  "/",  ".", ".lock", "..",       "@",    "{", "@{",
                                        ":",  "*",  "?", "[",     "\\",       "~",    "^", " ",
                                        "\t", "\n", "-", "\x7f",  "\xc3\xa4", "lock", "x", "b"};
    size_t taken = 0, refused = 0;
    uint32_t state = 7;
    char name[64];

    for (int i = 0; i < 400; i++) {
        strcpy(name, "refs/");
        for (int n = 1 + i % 4; n > 0; n--) {
            state = state * 1664525 + 1013904223;
            strcat(name, parts[(state >> 16) % (sizeof parts / sizeof parts[0])]);
        }
        bool good = git_takes(name);
        ck_assert_msg(push_refname_good(name) == good, "git %s %s", good ? "takes" : "refuses", name);
        good ? taken++ : refused++;
    }
    ck_assert_uint_gt(taken, 40);
    ck_assert_uint_gt(refused, 40);
}
END_TEST

SUITE_MAIN("push_refname", names_are_good_or_not, git_is_of_the_same_mind)
