/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compiler: makes the database of what is searched for in traffic (dlp/rules.h). The expressions' compiler is large, so it
 * runs in a program of its own, stopper-dlpc, that lives for this one task: in a jail, as a user of its own, with four
 * descriptors: what to compile (0), an empty memfd for the database (1), a pipe for words (2), and what the build has compiled
 * already, stopper-dlp.db beside the program (3; it does without when that is missing, and says so). It gets nothing else, and leaves nothing but the memfd, which counts when it is sealed.
 */
#ifndef INIT_COMPILER_H
#define INIT_COMPILER_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "core/err.h"

#define COMPILER_MAX      (64 << 20) /* bytes of a database */
#define COMPILER_SOURCE   (20 << 20) /* and of what it is made of */
#define COMPILER_BASE_FD  3
#define COMPILER_LIMIT_MS 15000u /* from exec to its end */

struct compiler {
    uv_loop_t *loop;
    char path[4096], base[4096]; /* the program's, and its base's */
    /* called from the loop, once for each start: the sealed database, now the callee's; or -1 with err */
    void (*done)(void *ctx, int database, const struct err *err);
    void *ctx;
    bool running;
    /* private */
    uv_poll_t words;
    uv_timer_t timer;
    int words_fd, database, pidfd, closing;
    char last[200]; /* its last line */
    size_t last_len;
    bool late;
};

/* executable: this program's absolute path, beside which the other lies. */
void compiler_init(struct compiler *compiler, uv_loop_t *loop, const char *executable,
                   void (*done)(void *ctx, int database, const struct err *err), void *ctx);

/* Starts it on a source (init/policy_store.h), which stays the caller's; one at a time. Returns 0, done will be called; or -1 with
 * err. */
int compiler_start(struct compiler *compiler, int source, struct err *err);

#endif
