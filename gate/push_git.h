/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_git: the real git, asked about objects, in a child. It has its input, its output and /dev/null, an environment that
 * names the repository and the folders of objects, and no configuration but the repository's own. Replacements
 * (git-replace(1)) are not followed: what is looked at is what is pushed.
 */
#ifndef GATE_PUSH_GIT_H
#define GATE_PUSH_GIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

enum push_objects_in {
    PUSH_IN_BOTH,       /* the quarantine, and behind it what the mirror has */
    PUSH_IN_QUARANTINE, /* the quarantine alone */
    PUSH_IN_MIRROR,     /* what the mirror had before */
};

struct push_git {
    const char *program, *git_dir;
    const char *quarantine; /* NULL: there is none */
    char *objects;          /* of the mirror */
};

/* Returns 0, or -1: memory is out. */
int push_git_init(struct push_git *git, const char *program, const char *git_dir, const char *quarantine);
void push_git_fini(struct push_git *git);

struct push_child {
    pid_t pid; /* 0: none */
    int out;   /* what it writes; -1 when there is nothing to read */
};

#define PUSH_NO_CHILD ((struct push_child){.pid = 0, .out = -1})

/* Starts git with these arguments (NULL-terminated, without "git"). `in`: its input, which stays the caller's; -1: /dev/null.
 * `out`: where it writes; -1: a pipe, of which child->out is the end to read. Returns 0, or -1 with err. */
int push_git_start(const struct push_git *git, enum push_objects_in where, const char *const *arguments,
                   int in, int out, struct push_child *child, struct err *err);

/* Kills it if it still runs. */
void push_child_stop(struct push_child *child);

/* Waits for its end, `ms` at most: then it is killed. Returns its exit status, or -1 when it was killed or ended by a signal. */
int push_child_end(struct push_child *child, int ms);

/* Reads what has come, waiting `ms` at most. Returns the number of bytes, 0 at the end, or -1: an error, or the time is over. */
ssize_t push_child_read(const struct push_child *child, char *bytes, size_t size, int ms);

/* A file in memory with these bytes, at its beginning, for a child's input. -1: memory is out. */
int push_input(const void *bytes, size_t len);

#endif
