/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state: what hostctl remembers about its bottles: one folder each, the caller's own, mode 0700, under
 * $XDG_STATE_HOME/stopper/bottles (default ~/.local/state/stopper/bottles).
 *
 *   NAME/lock         locked by the process that is responsible for the bottle: `up` from the first step to
 *                     the last clean-up, `down` and `gc` while they clean. A POSIX record lock: the kernel
 *                     lets it go when that process dies, forked children do not hold it, and it tells who
 *                     does. Only state.c opens it (closing any descriptor of it would let the lock go).
 *   NAME/record.json  what was made and has to go away again. Replaced by rename: whole at every moment.
 *   NAME/guard        locked in the same way by a program that makes or removes something for that process, while
 *                     it runs: it may outlive a hostctl that was killed, and who locks the folder next waits
 *                     for its end, or things would be made behind a clean-up's back.
 *   ../label          16 hexadecimal digits, made once and at random: what is called by a bottle's name elsewhere, where other
 *                     machines and users have bottles too, is told from theirs by it
 *   NAME/audit.jsonl  the sidecar's audit stream, where the runtime has no log of its own
 *   NAME/...          files of the runtime; they go with the folder
 *
 * A lock that nobody holds beside a record means that hostctl was killed: the runtime's clean() takes it
 * from there. Every thing is recorded before or at once after it is made, so that there is no moment at
 * which a `kill -9` loses it.
 */
#ifndef HOSTCTL_STATE_H
#define HOSTCTL_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "core/err.h"

#define BOTTLE_NAME_MAX 31 /* bytes: [a-z0-9][a-z0-9-]{0,30} */
#define STATE_AUDIT     "audit.jsonl"
#define STATE_GUARD     "guard"
#define STATE_GUARD_MS  20000
#define STATE_LABEL     17 /* bytes of a label, NUL included */

struct state {
    char name[BOTTLE_NAME_MAX + 1];
    char path[PATH_MAX]; /* the bottle's folder, absolute */
    int lock;            /* -1: not locked by us; CLOEXEC */
    json_t *record;      /* private; use the calls below */
};

/* Whether the text is a bottle's name. */
bool state_name_valid(const char *name);

/* The folder of all bottles' folders, absolute. It is made by the first state_open with STATE_MAKE. Returns
 * 0, or -1 with err. */
int state_root(char path[PATH_MAX], struct err *err);

/* mkdir -p, private (0700). The path is as before afterwards. Returns 0, or -1 with err. */
int state_make_folders(char *path, struct err *err);

enum state_open {
    STATE_READ, /* no lock; what is there is read */
    STATE_LOCK, /* locked for changing and removing */
    STATE_MAKE, /* as STATE_LOCK, and made when it is missing */
};
enum state_result { STATE_OK, STATE_MISSING, STATE_BUSY, STATE_ERROR };

/* Opens a bottle's folder. STATE_BUSY: another process holds its lock still after timeout_ms, or a program
 * that a killed hostctl had started has not ended within STATE_GUARD_MS. err is set for
 * all but STATE_OK. After STATE_OK the caller ends with state_close or state_remove. */
enum state_result state_open(struct state *state, const char *name, enum state_open how, unsigned timeout_ms,
                             struct err *err);

/* Frees the memory and lets the lock go; the folder stays. Fine after a failed state_open. */
void state_close(struct state *state);

/* Deletes the folder with all that it holds (folders inside too; never across a mount point: clean() has
 * unmounted before) and closes. Needs the lock. Returns 0, or -1 with err (closed anyway). */
int state_remove(struct state *state, struct err *err);

/* The process that holds the bottle's lock, or 0. */
pid_t state_owner(const struct state *state);

/* Whether there is a record, that is: something may have been made. */
bool state_recorded(const struct state *state);

/* Values, written to disk before the call returns. Need the lock. Keys are the runtime's, or those of
 * cmd_up.c ("runtime", "manifest", "created"). Return 0, or -1 with err. */
int state_set(struct state *state, const char *key, const char *value, struct err *err);
const char *state_get(const struct state *state, const char *key); /* NULL when absent */

/* Processes, by role ("sidecar", "agent", "uplink"…; one each). `start` is the runtime's own mark that tells
 * this process from a later one with the same number (netns: field 22 of /proc/PID/stat, clock ticks since
 * boot). */
int state_set_process(struct state *state, const char *role, pid_t pid, uint64_t start, struct err *err);
bool state_get_process(const struct state *state, const char *role, pid_t *pid, uint64_t *start);

/* What was registered for the bottle at forges, by the repository's name: objects of deploy_key.c's. Returns one object of
 * all, NULL when there is none. */
const json_t *state_deploy_keys(const struct state *state);

/* Takes `key`, or with NULL forgets it. Needs the lock; on disk before the call returns. Returns 0, or -1 with err. */
int state_set_deploy_key(struct state *state, const char *repo, json_t *key, struct err *err);

/* This state's label, which is made when it is missing. Returns 0, or -1 with err. */
int state_label(char label[STATE_LABEL], struct err *err);

/* Calls `each` with the name of every bottle that has a folder, sorted. Returns the first value that is not
 * 0, 0 at the end, -1 with err when the folder cannot be read. */
int state_each(int (*each)(void *ctx, const char *name), void *ctx, struct err *err);

#endif
