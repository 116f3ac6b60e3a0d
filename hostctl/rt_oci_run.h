/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_oci_run: a container engine's program as a function: an argument vector in, bounded output and an exit
 * status back. Never a shell, and never the engine's API: the program knows by itself where its engine is.
 */
#ifndef HOSTCTL_RT_OCI_RUN_H
#define HOSTCTL_RT_OCI_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

/* An argument vector that grows. It owns its strings. Running out of memory is told by words_argv. */
struct words {
    char **list;
    size_t count;
    bool failed;
};

void words_add(struct words *words, const char *word);
void words_addf(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All of a NULL-terminated list; NULL is an empty one. */
void words_list(struct words *words, const char *const *list);
char *const *words_argv(const struct words *words, struct err *err); /* NULL with err when memory ran out */
void words_free(struct words *words);

/* Runs to its end, with `in` as stdin; stdout is appended to out (NULL: dropped), which bounds it.
 * `interrupt`: see runtime.h; -1 = none. Returns the exit status (128 + signal), or -1 with err when it could
 * not be run, said too much, or was interrupted (then it has two seconds to end by itself, eight after SIGTERM,
 * and is killed). `limit_ms`: how long it may take in all; 0 = as long as it goes on saying something. It is in a process group of its own, so that a terminal's signals do not reach it. `said`: the last line of its stderr, ""
 * when none. */
#define RUN_SAID 640 /* runc names several long paths before it says what is wrong */
struct run {
    struct str in;
    struct buf *out;
    int interrupt;
    unsigned limit_ms;
    char said[RUN_SAID];
};
/* What of a program's stderr says most: what docker's daemon answered, the first line that is an "Error: " or curl's, else
 * the last line. */
void run_last_words(struct str text, char line[RUN_SAID]);

int run_words(const struct words *words, struct run *run, struct err *err);

/* From now on what run_words starts holds a record lock on this file (made if need be) until it ends, also when
 * this process is gone by then. See state_guard. */
void run_guard(const char *path);

/* As above for a command that has to succeed: -1 with err that holds what it said. */
int run_must(const struct words *words, struct run *run, struct err *err);

/* Starts it with these descriptors as 0, 1 and 2 (-1 = /dev/null) and does not wait. Returns its pid, a
 * child, or -1 with err. */
pid_t run_start(const struct words *words, const int fds[3], struct err *err);

/* A child of ours that runs `words` as run_start does, in a session of its own (with `terminal`, a path, on
 * that terminal and without fds), and ends as it does. Signals that the child gets are handed on by running
 * `passer`, whose word RUN_NUMBER is replaced by the number. Returns its pid or -1 with err. */
#define RUN_NUMBER "#"
pid_t run_attended(const struct words *words, const struct words *passer, const int fds[3],
                   const char *terminal, struct err *err);

#endif
