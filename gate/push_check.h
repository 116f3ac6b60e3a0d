/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_check: whether a push may go on to the upstream: its refs by the repository's rules, and every object that it brings by
 * the search of dlp. Called from pre-receive, when the objects lie in git's quarantine (git-receive-pack(1), QUARANTINE
 * ENVIRONMENT) and no ref has moved; blocking, in a process that serves this one push. It asks the real git about objects, in
 * children that have no descriptor but their pipes, and decides nothing by what they do not say: a child that fails, a time
 * that has passed and memory that is out are PUSH_FAILED.
 *
 * What is found is told by rule, place and keyed hash. No value, and no bytes of an object, are in what this returns: texts
 * that the push chose (refs, paths) are covered with '*' where something was found in them, and escaped.
 */
#ifndef GATE_PUSH_CHECK_H
#define GATE_PUSH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/approval.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/hold.h"
#include "dlp/scan.h"

#define PUSH_ID           65    /* hexadecimal digits of an object's id, and NUL: SHA-1 or SHA-256 */
#define PUSH_REF_MAX      1024  /* bytes of a ref's name */
#define PUSH_UPDATES_MAX  65536 /* refs in one push */
#define PUSH_FINDINGS_MAX 64    /* that are listed; more end the search, and the push is refused */
#define PUSH_SHOWN        512   /* bytes of a ref or path as it is shown, and NUL */

/* One ref that the push wants to move, as pre-receive was told (githooks(5)). */
struct push_update {
    const char *ref;    /* full name */
    const char *old_id; /* all zeros: it is made */
    const char *new_id; /* all zeros: it is deleted */
};

struct push_check_input {
    const char *git;     /* the program: "/usr/bin/git" */
    const char *git_dir; /* the mirror: "/gate/NAME.git"; its objects are in objects/ below it */
    const char
        *quarantine; /* GIT_QUARANTINE_PATH; NULL or "": nothing came (deletions, or what is there already) */
    const struct gate *gate;      /* all repositories: which ones a submodule may name */
    const struct gate_repo *repo; /* the one that is pushed to, and its rules */
    bool asks;                    /* somebody may be asked: the policy has "hold" */
    const struct push_update *updates;
    size_t update_count;
    const char *const *options; /* push options */
    size_t option_count;
    struct dlp_engine *engine;
    const uint8_t
        *key;    /* APPROVAL_KEY bytes, for the hashes; NULL: none are made, and nothing can be asked */
    unsigned ms; /* that all of it may take; 0 = PUSH_MS */
    /* Whether the operator has approved this already (its hash is set); it is listed as PUSH_APPROVED then. NULL: nothing is. */
    bool (*approved)(void *user, const char *hash);
    void *user;
};

#define PUSH_MS 900000

enum push_answer {
    PUSH_CLEAN,   /* go on */
    PUSH_REFUSED, /* something is not allowed, whoever is asked */
    PUSH_ASK,     /* go on when the operator approves of all findings with PUSH_TO_ASK */
    PUSH_FAILED,  /* it could not be looked at: refuse. `error` says why, for the operator */
};

/* What a finding is about. */
enum push_kind {
    PUSH_REF_RULE,  /* allow, deny, force, delete, or a ref's name */
    PUSH_SIZE,      /* max_pack_mb, or more than is looked at */
    PUSH_PROTECTED, /* protect_paths */
    PUSH_SECRET,    /* a detector */
    PUSH_ARCHIVE,   /* bombs, and archives that cannot be looked into */
    PUSH_SUBMODULE, /* an undeclared one */
    PUSH_LFS,
    PUSH_FILTER,  /* .gitattributes names a filter: what is stored is not what is worked on */
    PUSH_SCANNER, /* the outside scanner's word */
};

/* Lower-case words for audit lines: "ref-rule", … */
const char *push_kind_name(enum push_kind kind);

enum push_verdict { PUSH_TO_REFUSE, PUSH_TO_ASK, PUSH_APPROVED };

struct push_finding {
    enum push_kind kind;
    enum push_verdict verdict;
    char rule[64];         /* the token's, the secret's name; "allow", "protect_paths", … */
    char detector[32];     /* of PUSH_SECRET; else "" */
    char surface[32];      /* "blob", "commit", "tag", "path", "ref name", "push option", "archive" */
    char ref[PUSH_SHOWN];  /* one that leads there; "" when none does, or when it is not about one */
    char commit[PUSH_ID];  /* that brings it; "" when none does (a hidden object, an option) */
    char object[PUSH_ID];  /* that it is in; "" */
    char path[PUSH_SHOWN]; /* "" */
    uint64_t line;         /* from 1; 0 = none */
    char hash[HOLD_VALUE +
              1];       /* keyed, of what was found (or of path and content): what an approval is for; "" */
    bool allow_comment; /* the line says gitleaks:allow */
    bool canary;        /* the bottle's: nobody's secret, so whoever sends it has searched for it */
    char text[768];     /* one line for the agent, which names all of this */
};

struct push_check {
    enum push_answer answer;
    struct err error; /* of PUSH_FAILED */
    struct push_finding *findings;
    size_t count;
    bool more;                        /* the search ended before it had seen all */
    uint64_t objects, bytes, commits; /* that were looked at: new objects, their bytes unpacked */
    uint64_t pack_bytes;
    char (*refs)[PUSH_SHOWN]; /* of each update, how its name is shown: in audit lines too */
};

/* Looks. Never returns NULL but when memory is out, which is a refusal; push_check_free frees it. */
struct push_check *push_check(const struct push_check_input *input);
void push_check_free(struct push_check *check); /* NULL is fine */

#endif
