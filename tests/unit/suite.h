/* SPDX-License-Identifier: GPL-3.0-or-later */
/* suite: runs a list of Check tests as one program. Its exit status is 0 only when all of them passed. */
#ifndef UNIT_SUITE_H
#define UNIT_SUITE_H

#include <check.h>
#include <stddef.h>

/* For tests with fixtures, loops or a time of their own: takes the case over. Returns main's status. */
static inline int suite_run_case(const char *name, TCase *tcase)
{
    Suite *suite = suite_create(name);

    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

static inline int suite_run(const char *name, const TTest *const *tests, size_t count)
{
    TCase *tcase = tcase_create(name);

    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    return suite_run_case(name, tcase);
}

#define SUITE_MAIN(name, ...)                                                                                \
    int main(void)                                                                                           \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        return suite_run(name, tests, sizeof tests / sizeof tests[0]);                                       \
    }

#endif
