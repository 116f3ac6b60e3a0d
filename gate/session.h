/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: one connection, from its request line on. The only order of things: refresh, then the real git on the agent's
 * connection, with the gate's own answers to git's hooks. Blocking code, a process of its own; whatever goes wrong ends it
 * and all that it started.
 */
#ifndef GATE_SESSION_H
#define GATE_SESSION_H

#include <stdint.h>

#include "core/denial.h"
#include "core/policy.h"
#include "gate/talk.h"

#define SESSION_SECONDS      7200                 /* in all */
#define SESSION_IDLE_SECONDS 600                  /* in which nothing moves between the agent and git */
#define SESSION_FILE_MAX     (UINT64_C(16) << 30) /* bytes of a file of the mirror: a pack */
#define SESSION_WORDS_MAX    2048                 /* bytes of what git and ssh said last that are kept */

/* A ref that the agent wants to move. */
struct update {
    enum denial denial; /* of one that the gate refuses */
    char ref[TALK_REF_MAX + 1];
    char old_id[TALK_ID], new_id[TALK_ID];
    enum talk_outcome outcome; /* 0: not known yet */
    char reason[TALK_TEXT_MAX];
    char told[TALK_REF_MAX + 1]; /* the upstream's name for what it made of it; "" = the same ref */
};

struct push_check;

struct session {
    struct talk_task task;
    struct policy policy; /* its gate alone */
    const struct gate_repo *repo;
    char git_dir[sizeof GATE_ROOT + GATE_NAME_MAX + sizeof "/.git"];
    char relay[256], hooks[256]; /* paths of ours */
    uint64_t deadline_ms;
    uint32_t idle_ms;              /* SESSION_IDLE_SECONDS; a test's are fewer */
    char words[SESSION_WORDS_MAX]; /* NUL-terminated lines */
    size_t words_len;
    struct update *updates; /* of a push, once its hook was called */
    size_t update_count;
    struct push_check *check; /* what was found in it; NULL before it was looked at */
    uint64_t room; /* bytes that were left for mirrors when it was looked at last (gate/storage.h) */
    char refused[TALK_TEXT_MAX]; /* why a push was refused whole; "" = it was not */
};

/* The program's main with the argument "session". `self`: its own path. Returns the exit status. */
int session_main(const char *self);

/* Sends, or ends the process group: nobody is there any more. */
void session_tell(enum talk type, uint64_t number, struct str text);

/* Waits at most so long for the parent's next words; TALK_NOTHING when none came. Ends the process group when the parent is gone,
 * or the session's time over. `text` borrows a room that the next call fills anew. */
enum talk session_hear(struct session *session, int wait_ms, uint64_t *number, struct str *text);

/* The same, until they come. */
enum talk session_answer(struct session *session, uint64_t *number, struct str *text);

/* Ends all: says TALK_END with these words first. Never returns. */
_Noreturn void session_die(struct session *session, const char *why);

/* Keeps a line of git's or ssh's, printable, for a later error. */
void session_word(struct session *session, struct str line);

uint64_t session_now_ms(void);

#endif
