/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter_tools: the tools that a starter bottle can be made from. Each is asked by its own program, as the user, and in "/": a
 * folder that is a repository may hold a .npmrc, a package "pip" or a toolchain's name, and no repository says where a bottle may
 * go. git alone is asked in the current folder, for it is about that. */
#ifndef HOSTCTL_STARTER_TOOLS_H
#define HOSTCTL_STARTER_TOOLS_H

#include "core/err.h"
#include "core/str.h"
#include "hostctl/starter.h"

#define STARTER_ANSWER_MAX (1u << 20) /* bytes that a tool may say */

struct starter_question {
    const char *const *argv; /* NULL-terminated */
    /* Takes the program's output, untrusted, into the starter. Returns 0, 1 when the next question has to be asked too, or -1 with
     * err. */
    int (*take)(struct starter *starter, struct str said, struct err *err);
};

struct starter_tool {
    const char *name;
    bool here;                            /* asked in the current folder, not in "/" */
    struct starter_question questions[3]; /* in this order; ended by a NULL argv */
};

/* Ended by a NULL name. A starter is made in this order, whatever the order of the words was. */
extern const struct starter_tool starter_tools[];

/* Asks one tool. Returns 0, or -1 with err, which names it. */
int starter_ask(struct starter *starter, const struct starter_tool *tool, struct err *err);

#endif
