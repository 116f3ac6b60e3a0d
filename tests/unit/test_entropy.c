/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_entropy: what a generator made is suspected, what people and tools write is not. */
#include "dlp/entropy.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static bool suspects(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    bool suspected = dlp_entropy_suspects((struct str){copy, len});
    free(copy);
    return suspected;
}

/* Of random runs in two alphabets at least so many in a hundred. */
START_TEST(random_runs_are_suspected)
{
    static const struct {
        const char *alphabet;
        int of_100;
    } table[] = {
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 97},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 95},
        {"abcdefghijklmnopqrstuvwxyz0123456789", 70},
    };
    srand(7);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int found = 0, tried = 4000;
        for (int round = 0; round < tried; round++) {
            char run[DLP_ENTROPY_MAX];
            size_t len = 24 + (size_t)rand() % (64 - 24);
            for (size_t k = 0; k < len; k++)
                run[k] = table[i].alphabet[(size_t)rand() % strlen(table[i].alphabet)];
            found += suspects(run, len);
        }
        ck_assert_msg(found * 100 >= table[i].of_100 * tried, "%d of %d with %s", found, tried,
                      table[i].alphabet);
    }
}
END_TEST

START_TEST(names_and_digests_are_not)
{
    static const char *const runs[] = {
        "",
        "short",
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "sha512-6LrlyKU0dQqgYz7YKmVVVjDzXsBFxXMbKpBqZ3wNyGXHM9fvR5pRkKhYzhV9ZQ7F0wqvJxFl5rM0cY5c2zN0Cw==",
        "h1:K+dQyqXkGFO1tOxjpSNNfVcMQbUmZgjAWzfNpuZ2YcM=",
        "getElementsByClassNameAndTagName2",
        "org.springframework.context.support.AbstractApplicationContext",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30",
        "2026-11-28T06:22:07.123456Z",
        "linux-image-6.1.0-28-amd64-unsigned",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "https://docs.example.com/en/latest/user-guide/index.html",
        "TestInterceptorDoesNotForwardHeaders1",
        "MAX_SIMULTANEOUS_CONNECTIONS_PER_HOST_2",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        ck_assert_msg(!suspects(runs[i], strlen(runs[i])), "%s", runs[i]);
}
END_TEST

START_TEST(a_run_is_suspected_within_its_bounds)
{
    char run[DLP_ENTROPY_MAX + 1];
    static const char digits[] = "aB3xQ9mZt7Lk2Pw8Rf5Yc1Gh6Vn4";
    for (size_t i = 0; i < sizeof run; i++)
        run[i] = digits[i % (sizeof digits - 1)];
    ck_assert(suspects(run, DLP_ENTROPY_MIN));
    ck_assert(suspects(run, DLP_ENTROPY_MAX));
    ck_assert(!suspects(run, DLP_ENTROPY_MIN - 1));
    ck_assert(!suspects(run, DLP_ENTROPY_MAX + 1));
}
END_TEST

SUITE_MAIN("entropy", random_runs_are_suspected, names_and_digests_are_not,
           a_run_is_suspected_within_its_bounds)
