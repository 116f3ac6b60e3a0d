/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/glob: patterns mean what git's mean: a table, and git itself asked about paths. */
#include "core/glob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"

START_TEST(refs_are_matched_as_refspecs_are)
{
    static const struct {
        const char *pattern, *ref;
        bool matches;
    } rows[] = {
        {"refs/heads/agent/*", "refs/heads/agent/a", true},
        {"refs/heads/agent/*", "refs/heads/agent/a/b", true},
        {"refs/heads/agent/*", "refs/heads/agent/", true},
        {"refs/heads/agent/*", "refs/heads/agent", false},
        {"refs/heads/agent/*", "refs/heads/agents/a", false},
        {"refs/heads/agent/*", "refs/heads/Agent/a", false},
        {"refs/heads/agent/*", "xrefs/heads/agent/a", false},
        {"refs/heads/main", "refs/heads/main", true},
        {"refs/heads/main", "refs/heads/main2", false},
        {"refs/heads/main", "refs/heads/mai", false},
        {"refs/heads/*-wip", "refs/heads/a-wip/b-wip", true},
        {"refs/heads/*-wip", "refs/heads/a-wip/b", false},
        {"refs/heads/*/x", "refs/heads/a/b/x", true},
        {"refs/tags/v?.?", "refs/tags/v1.2", true},
        {"refs/tags/v?.?", "refs/tags/v1.23", false},
        {"refs/tags/v[0-9]*", "refs/tags/v1.2.3", true},
        {"refs/tags/v[0-9]*", "refs/tags/vx", false},
        {"refs/tags/v[!0-9]", "refs/tags/vx", true},
        {"refs/tags/v[^0-9]", "refs/tags/v1", false},
        {"refs/tags/[[:digit:]]", "refs/tags/7", true},
        {"refs/tags/[[:digit:]]", "refs/tags/a", false},
        {"refs/tags/[]a]", "refs/tags/]", true},
        {"refs/tags/[a-]", "refs/tags/-", true},
        {"refs/tags/[a", "refs/tags/a", false},
        {"refs/tags/[a", "refs/tags/[a", false},
        {"refs/heads/a\\*", "refs/heads/a*", true},
        {"refs/heads/a\\*", "refs/heads/ab", false},
        {"refs/heads/a\\", "refs/heads/a", false},
        {"refs/heads/a\\", "refs/heads/a\\", false},
        {"*", "refs/heads/any/thing", true},
        {"**", "refs/heads/any/thing", true},
        {"refs/**/main", "refs/heads/a/main", true},
        {"", "refs/heads/a", false},
        {"", "", true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(glob_match(str_of(rows[i].pattern), str_of(rows[i].ref), 0) == rows[i].matches, "%s %s",
                      rows[i].pattern, rows[i].ref);
}
END_TEST

START_TEST(what_is_below_a_folder_is_covered_and_case_can_be_folded)
{
    unsigned flags = GLOB_PATH | GLOB_FOLD;

    ck_assert(glob_covers(str_of(".github/workflows"), str_of(".github/workflows/a/b.yml"), flags));
    ck_assert(glob_covers(str_of(".github/*"), str_of(".github/workflows/a.yml"), flags));
    ck_assert(glob_covers(str_of(".gitmodules"), str_of(".GitModules"), flags));
    ck_assert(glob_covers(str_of(".GITHUB/[a-x]orkflows/**"), str_of(".github/WORKFLOWS/a"), flags));
    ck_assert(glob_covers(str_of("[[:upper:]]"), str_of("a"), flags));
    ck_assert(!glob_covers(str_of("[[:upper:]]"), str_of("a"), GLOB_PATH));
    ck_assert(!glob_covers(str_of(".gitmodules"), str_of(".GitModules"), GLOB_PATH));
    ck_assert(!glob_covers(str_of(".github/workflows"), str_of(".github/workflows2/a"), flags));
    ck_assert(!glob_covers(str_of(".gitmodules"), str_of("sub/.gitmodules"), flags));
    ck_assert(glob_covers(str_of("**/.gitmodules"), str_of("sub/.gitmodules"), flags));
}
END_TEST

/* A pattern that would take for ever by trying all ways. */
START_TEST(the_time_is_bounded)
{
    char pattern[512], text[4096];

    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = "*a"[i % 2];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    ck_assert(!glob_match((struct str){pattern, sizeof pattern}, (struct str){text, sizeof text}, 0));
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = "**/*a*/"[i % 7];
    for (size_t i = 1; i < sizeof text; i += 2)
        text[i] = '/';
    text[sizeof text - 1] = 'b';
    ck_assert(!glob_match((struct str){pattern, 70 * 7}, (struct str){text, sizeof text}, GLOB_PATH));
}
END_TEST

/* git's own answer to which of these paths are meant. */
static const char *const paths[] = {
    "a",
    "b",
    "ab",
    "a.c",
    "x/a",
    "x/a.c",
    "x/y/a",
    "x/y/z/a",
    "x/y/a.c",
    ".github/workflows/ci.yml",
    ".github/workflows/sub/ci.yml",
    ".github/actions/a",
    "workflows/ci.yml",
    "d/a*b",
    "d/axb",
    "d/a-b",
    "d/[x]",
    "e/1",
    "e/12",
    "e/f/1",
    "x/ya/a",
};
static const char *const patterns[] = {
    "*",
    "?",
    "*.c",
    "**/a",
    "**/*.c",
    "x/**",
    "x/**/a",
    "x/*/a",
    "x/*a*/a",
    ".github/workflows/**",
    ".github/*",
    "**/ci.yml",
    "**/workflows/*",
    "d/a\\*b",
    "d/a?b",
    "d/a[*-]b",
    "d/a[!*]b",
    "e/[0-9]",
    "e/[[:digit:]]*",
    "**",
    "x/**a",
    "**a",
    "**/y/**",
    "**/**/a",
    "x/***/a",
    "[a-b]",
    "x/y/**/a",
    "*/[!a]/*",
    "x/?/a",
};
#define PATHS    (sizeof paths / sizeof paths[0])
#define PATTERNS (sizeof patterns / sizeof patterns[0])

START_TEST(paths_are_matched_as_git_does)
{
    char dir[] = "/tmp/stopper-glob.XXXXXX", command[512], line[256];

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(command, sizeof command, "cd %s && git init -q . && git update-index --add --index-info", dir);
    FILE *index = popen(command, "w");
    ck_assert_ptr_nonnull(index);
    for (size_t i = 0; i < PATHS; i++)
        fprintf(index, "100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t%s\n", paths[i]);
    ck_assert_int_eq(pclose(index), 0);
    for (size_t p = 0; p < PATTERNS; p++) {
        bool said[PATHS] = {false};
        snprintf(command, sizeof command, "cd %s && git -c core.quotePath=false ls-files -- ':(glob)%s'", dir,
                 patterns[p]);
        FILE *list = popen(command, "r");
        ck_assert_ptr_nonnull(list);
        while (fgets(line, sizeof line, list) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            for (size_t i = 0; i < PATHS; i++)
                said[i] = said[i] || strcmp(paths[i], line) == 0;
        }
        ck_assert_int_eq(pclose(list), 0);
        for (size_t i = 0; i < PATHS; i++)
            ck_assert_msg(glob_match(str_of(patterns[p]), str_of(paths[i]), GLOB_PATH) == said[i],
                          "%s %s: git says %d", patterns[p], paths[i], said[i]);
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

SUITE_MAIN("glob", refs_are_matched_as_refspecs_are, what_is_below_a_folder_is_covered_and_case_can_be_folded,
           the_time_is_bounded, paths_are_matched_as_git_does)
