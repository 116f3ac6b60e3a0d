/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl's files for macOS are a whole: this program is linked of all of them but main.c, and of the core alone. */

#include "hostctl/command.h"
#include "hostctl/runtime.h"
#include "tests/unit/suite.h"

/* What main.c has beside its table. */
int command_fail(const struct command *command, const struct err *err)
{
    (void)command, (void)err;
    return EXIT_STOPPER;
}

int command_usage(const struct command *command, const struct err *err)
{
    (void)command, (void)err;
    return EXIT_USAGE;
}

START_TEST(macos_has_the_engines_and_no_namespaces)
{
    static const char *const names[] = {"apple", "docker", "podman"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_ptr_nonnull(runtimes[i]);
        ck_assert_str_eq(runtimes[i]->name, names[i]);
        ck_assert(runtimes[i]->images);
        ck_assert_ptr_eq(runtime_find(names[i]), runtimes[i]);
    }
    ck_assert_ptr_null(runtimes[3]);
    ck_assert_ptr_null(runtime_find("netns"));
}
END_TEST

/* Their functions are in this program, and so is all that they call. */
START_TEST(its_commands_are_there)
{
    ck_assert_ptr_nonnull(commands[0]);
    for (size_t i = 0; commands[i] != NULL; i++)
        ck_assert_ptr_nonnull(commands[i]->run);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, macos_has_the_engines_and_no_namespaces);
    tcase_add_test(tcase, its_commands_are_there);
    return suite_run_case("runtimes_macos", tcase);
}
