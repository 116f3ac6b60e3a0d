/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check_push: looks through a push as the gate does, and says how long that took and what it found. Its objects are in a folder of their
 * own, as in git's quarantine. Usage: check_push MIRROR QUARANTINE OLD NEW REF [SCANNER]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "gate/push_check.h"
#include "tests/dlp/rig.h"

static double now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    static const char *const answers[] = {"clean", "refused", "ask", "failed"};

    struct rusage children;

    if (argc < 6) {
        fprintf(stderr, "usage: check_push MIRROR QUARANTINE OLD NEW REF [SCANNER]\n");
        return 2;
    }
    static char url[] = "ssh://git@host.example/bench.git";
    struct gate_repo repo = {.name = "bench", .url = url};
    struct gate gate = {.repos = &repo, .repo_count = 1, .scanner = argc > 6 ? argv[6] : NULL};
    struct push_update update = {.old_id = argv[3], .new_id = argv[4], .ref = argv[5]};
    struct push_check_input input = {.git = "/usr/bin/git",
                                     .git_dir = argv[1],
                                     .quarantine = argv[2],
                                     .gate = &gate,
                                     .repo = &repo,
                                     .updates = &update,
                                     .update_count = 1,
                                     .engine = rig_engine()};
    double wall = now(CLOCK_MONOTONIC), own = now(CLOCK_PROCESS_CPUTIME_ID);
    struct push_check *check = push_check(&input);
    if (check == NULL)
        return 2;
    wall = now(CLOCK_MONOTONIC) - wall;
    own = now(CLOCK_PROCESS_CPUTIME_ID) - own;
    getrusage(RUSAGE_CHILDREN, &children);
    printf("%s %.3f s, CPU %.3f s and git's %.3f s, %llu objects %llu bytes %llu commits\n",
           answers[check->answer], wall, own, seconds(children.ru_utime) + seconds(children.ru_stime),
           (unsigned long long)check->objects, (unsigned long long)check->bytes,
           (unsigned long long)check->commits);
    for (size_t i = 0; i < check->count; i++)
        printf("%s\n", check->findings[i].text);
    if (check->answer == PUSH_FAILED)
        printf("%s\n", check->error.text);
    int status = check->answer == PUSH_CLEAN ? 0 : 1;
    push_check_free(check);
    dlp_engine_unref(input.engine);
    return status;
}
