/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * turns: who refreshes a mirror, and who may rely on it. One at a time leads. Who asks while one leads waits for the next round,
 * which one of the waiting leads for all of them: what it brings was asked of the upstream after each of them had asked. Only
 * order is kept here; nobody is told anything.
 */
#ifndef GATE_TURNS_H
#define GATE_TURNS_H

#include <stdbool.h>
#include <stddef.h>

enum turn_state { TURN_NONE, TURN_LEADS, TURN_JOINED, TURN_WAITS };

/* One who asks; it is in at most one struct turns, and has to be taken out before it is freed. */
struct turn {
    struct turn *next;
    enum turn_state state;
};

/* Of one repository. All zero: nobody. */
struct turns {
    struct turn *leader;             /* NULL: nobody leads, and then nobody waits */
    struct turn *joined;             /* they rely on what the leader does: they had asked before it began */
    struct turn *waits, **waits_end; /* for the next round, in order */
};

/* Asks. Returns whether it leads now; else it waits. */
bool turns_ask(struct turns *turns, struct turn *turn);

/* The leader is done. Returns those who relied on it, a list, no longer in here; *leader is the next one to lead, or NULL. */
struct turn *turns_done(struct turns *turns, struct turn **leader);

/* Takes one out, wherever it is; fine when it is nowhere. Returns who leads in its place, all others relying on that; or NULL. */
struct turn *turns_leave(struct turns *turns, struct turn *turn);

#endif
