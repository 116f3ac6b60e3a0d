/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run: runs the real git to its end, with a fixed environment and configuration, and meanwhile serves what it asks of the
 * relay (gate/relay.h): an ssh to the upstream is led over the leg (gate/leg.h), a hook is answered by the caller. Nothing of
 * the agent's decides which program runs or how it is configured; what it wrote is data on a descriptor.
 */
#ifndef GATE_RUN_H
#define GATE_RUN_H

#include <stdbool.h>

#include "core/str.h"
#include "gate/leg.h"
#include "gate/relay.h"
#include "gate/session.h"

#define RUN_LINE_MAX 8192 /* bytes of a line of output */
#define RUN_NOTHING  (-1) /* a descriptor: /dev/null */

struct run {
    const char *const *argv; /* behind "git"; NULL-terminated */
    int in, out; /* its stdin and stdout, the caller's; RUN_NOTHING. `out` is not looked at with on_line */
    unsigned protocol; /* GIT_PROTOCOL, when it serves the agent */
    bool keeps;        /* what it writes has to have room */
    bool serves;       /* the agent's connection is its stdin and stdout: it has to move */
    uint32_t limit_ms; /* that it may take; 0: as long as the session has. Then it is killed, with a word */
    enum leg_service service; /* what an ssh may ask of the upstream; 0: none is led there */
    /* A line of its stdout, without LF. Not 0: it is killed. May be NULL. */
    int (*on_line)(void *ctx, struct str line);
    /* A line of its stderr. NULL: session_word keeps it. */
    void (*on_word)(void *ctx, struct str line);
    /* A hook has called: answer it (relay_answer). NULL: a hook fails. */
    void (*on_hook)(void *ctx, struct relay_call *call);
    void *ctx;
};

/* Returns its exit status, 128 and more for a signal; -1 when it could not be started (session_word says why), or when on_line
 * would not take what it said. */
int run_git(struct session *session, const struct run *run);

#endif
