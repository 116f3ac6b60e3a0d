/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * talk: what stopper-gate and its sessions say to each other, by the packets of sys/channel.h (type, number, text), and the
 * descriptors that a session starts with. A session is stopper-gate itself with the argument "session"; it serves one
 * connection that has asked for a declared repository, and lives as long as that; or it is the gate's
 * own (gate/chores.h), and its 0 is /dev/null.
 *
 *   0  the client's connection, blocking      3  this channel          5  the search's database (dlp/rules.h), for a push
 *   1, 2  /dev/null                           4  the policy's member "gate", a sealed memfd of JSON
 *   6  the write end of a pipe: whoever of this session lives has it, and nobody else
 *   7  the lock on GATE_LOCK, for the same reason: the next life of the gate waits for it
 *   8  /dev/null: the place of the relay's socket, in what a session starts
 */
#ifndef GATE_TALK_H
#define GATE_TALK_H

#include <stdint.h>

#include "core/approval.h"
#include "core/gate_url.h"

#define SESSION_FD_CLIENT   0
#define SESSION_FD_PARENT   3
#define SESSION_FD_GATE     4
#define SESSION_FD_DATABASE 5
#define SESSION_FD_LIFE     6
#define SESSION_FD_LOCK     7
#define SESSION_FD_RELAY    8
#define SESSION_FDS         9

#define GATE_GIT  "/usr/bin/git"
#define GATE_ROOT "/gate"           /* the mirrors: NAME.git; USER_GATE's, 0700 */
#define GATE_LOCK GATE_ROOT "/lock" /* held by one life of the gate: by it and all that it started */

#define TALK_REF_MAX   1024 /* bytes of a ref's name that is pushed, without NUL */
#define TALK_REFS_MAX  2048 /* refs of one push */
#define TALK_TEXT_MAX  1024 /* bytes of an answer in words */
#define TALK_RULES_MAX 16   /* rules whose finds are counted by themselves */
#define TALK_ID        65   /* hexadecimal digits of an object's id, and NUL: SHA-1 or SHA-256 */

enum talk {
    TALK_NOTHING,
    /* parent -> session */
    TALK_TASK = 100, /* first: a struct talk_task */
    TALK_LEAD,       /* refresh the mirror now, then say TALK_REFRESHED */
    TALK_FRESH, /* it was refreshed by another, after this one had asked. number: 0, or it failed and the text says why */
    TALK_GO,      /* every planned ref has its line's room: forward */
    TALK_STOP,    /* do not: the text says why, to the agent */
    TALK_VERDICT, /* text: a struct hold_verdict, number: the hold's own */
    /* session -> parent */
    TALK_REFRESH, /* asks for TALK_LEAD or TALK_FRESH */
    TALK_REFRESHED, /* the one that leads has done it. number: an enum talk_mirror; the text says why it failed */
    TALK_PLAN,     /* number: the ref's, from 0 in order; a struct talk_plan, its ref not longer than it is */
    TALK_PLANNED,  /* no more refs: asks for TALK_GO or TALK_STOP */
    TALK_REF,      /* number: the ref's; a struct talk_ref */
    TALK_HOLD,     /* asks the operator: number, a struct hold_request */
    TALK_HOLD_END, /* nobody waits for it any more */
    TALK_END,      /* the last: a struct talk_end */
};

enum talk_mirror {
    TALK_MIRROR_SAME = 0, /* as the upstream is */
    TALK_MIRROR_FAILED,
    TALK_MIRROR_GROWN, /* as the upstream is, and it wants upkeep (gate/upkeep.h) */
};

struct talk_task {
    uint32_t service;  /* enum request_service */
    uint32_t protocol; /* of a fetch */
    uint32_t asks;     /* whether there is somebody to be asked */
    uint32_t seconds;  /* that a question waits */
    uint32_t has_key;  /* whether there is a key, of which hashes of what is found are made */
    uint8_t key[APPROVAL_KEY];
    char name[GATE_NAME_MAX + 1];
};

struct talk_plan {
    char old_id[TALK_ID], new_id[TALK_ID];
    char ref[TALK_REF_MAX + 1]; /* as it is shown; sent up to its NUL */
};

/* What became of a ref. */
enum talk_outcome {
    TALK_TAKEN = 1, /* the upstream has it */
    TALK_DECLINED,  /* the upstream would not; text: its words */
    TALK_REFUSED,   /* the gate would not; text: why */
    TALK_UNKNOWN,   /* the connection to the upstream broke when it may have had it */
};

struct talk_count {
    char rule[64];
    uint64_t count;
};

struct talk_ref {
    uint32_t outcome;          /* enum talk_outcome */
    uint32_t reason;           /* enum denial, of TALK_REFUSED */
    uint32_t canary;           /* 1: it was in there */
    uint32_t counted;          /* how many of counts there are */
    uint64_t commits, objects; /* of the whole push, that were looked at */
    struct talk_count counts[TALK_RULES_MAX];
    /* the first finding's, as in core/audit.h */
    uint64_t line;
    char detector[32], pattern[64], surface[32], commit[TALK_ID], path[512];
    char text[TALK_TEXT_MAX]; /* sent up to its NUL */
};

struct talk_end {
    uint32_t reason;          /* enum denial; DENIAL_NONE: served; else the text says why not */
    uint64_t bytes_in;        /* to the agent */
    uint64_t bytes_out;       /* from it */
    uint64_t objects;         /* of a push: that were looked at */
    char text[TALK_TEXT_MAX]; /* sent up to its NUL */
};

#endif
