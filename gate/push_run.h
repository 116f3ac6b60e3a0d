/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_run: one look through a push, as its parts share it. Private to gate/push_*.c. */
#ifndef GATE_PUSH_RUN_H
#define GATE_PUSH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate/push_check.h"
#include "gate/push_git.h"
#include "gate/push_ids.h"

#define PUSH_OBJECTS_MAX  2000000       /* new objects of a push */
#define PUSH_OBJECT_BYTES (1ull << 30)  /* bytes of one, unpacked */
#define PUSH_BYTES        (32ull << 30) /* bytes of all, unpacked */
#define PUSH_FOUND_MAX    256           /* before those are left out that the upstream has already */

struct push_outside;

/* Where something was found, before it is told. */
struct push_place {
    const char *surface;
    const uint8_t *object; /* its id, or NULL */
    const char *commit;    /* its id in digits, or NULL */
    struct str path;       /* raw; empty: unknown */
    int update;            /* which ref it is about; -1 */
    size_t head;           /* bytes at the front of the text that are `head_surface` instead, without lines */
    const char *head_surface;
};

struct push_run {
    const struct push_check_input *in;
    struct push_check *check;
    int64_t deadline; /* ms, monotonic */
    uint64_t size;    /* bytes of all objects, unpacked */
    size_t id_bytes;  /* 20 or 32: SHA-1 or SHA-256 */
    bool failed;      /* check->error says why */
    bool over;        /* nothing more is looked for: failed, or enough was found */
    struct push_git git;
    struct push_ids ids;       /* what the quarantine holds */
    struct push_ids elsewhere; /* what new commits have and the quarantine has not */
    struct push_outside *outside;
    struct push_file *files; /* .gitmodules and the like: push_files.h */
    size_t file_count;
};

/* Ends the run: it could not be looked at; why is in check->error, as it is told here first, or already (`format` is NULL). Returns -1. */
int push_fail(struct push_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ms that are left; the run has failed when there are none, and 0 is returned. */
int push_time(struct push_run *run);

#endif
