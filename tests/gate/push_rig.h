/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_rig: a repository that somebody works in, the gate's mirror of it, and pushes from the one to the other as git
 * receive-pack takes them in: a thin pack that is completed in a quarantine of its own.
 */
#ifndef TESTS_GATE_PUSH_RIG_H
#define TESTS_GATE_PUSH_RIG_H

#include "gate/push_check.h"

#define RIG_GITLAB                                                                                           \
    "glp"                                                                                                    \
    "at-8Fk2QzX-1LmW9_tRbYcN" /* has the shape of a credential */
#define RIG_UPDATES_MAX 16

struct push_rig {
    char dir[32], work[64], mirror[64], quarantine[96];
    struct gate gate;
    struct gate_repo repos[2];
    struct push_update updates[RIG_UPDATES_MAX];
    size_t update_count;
    const char *options[4];
    size_t option_count;
    bool asks;
    unsigned ms;
    bool (*approved)(void *user, const char *hash);
    struct dlp_engine *engine;
};

/* Makes both, with a first commit as main in both. Ends the test when it cannot. */
void rig_begin(struct push_rig *rig, struct dlp_engine *engine);
void rig_end(struct push_rig *rig); /* removes all of it */

/* Runs a script of /bin/sh in the work folder, which has to succeed. Its variable S is `secret`. */
void rig_sh(const struct push_rig *rig, const char *secret, const char *script, ...)
    __attribute__((format(printf, 3, 4)));

/* The first line that a script writes; a static buffer, of the last four calls. */
const char *rig_line(const struct push_rig *rig, const char *script);

/* One more ref that the next push moves: to what `revision` is in the work folder; "" deletes it. */
void rig_update(struct push_rig *rig, const char *ref, const char *revision);

/* The push: packs what the mirror has not, and these objects too (a list of words, of `revisions` of git rev-parse), and looks
 * through it. The updates are gone then. The answer is to be freed with push_check_free. */
struct push_check *rig_push(struct push_rig *rig, const char *hidden);

/* The same after the pack was made otherwise: the quarantine is the caller's to fill, with rig_quarantine. */
void rig_quarantine(struct push_rig *rig);
struct push_check *rig_check(struct push_rig *rig);

/* The refs of the updates move in the mirror, as after a push that went through. */
void rig_accept(struct push_rig *rig, const char *ref, const char *revision);

/* The finding of this kind and rule; NULL: there is none. */
const struct push_finding *rig_finding(const struct push_check *check, enum push_kind kind, const char *rule);

/* All that was said, for messages of tests. */
const char *rig_said(const struct push_check *check);

#endif
