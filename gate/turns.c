/* SPDX-License-Identifier: GPL-3.0-or-later */
/* turns: see the header. */
#include "gate/turns.h"

/* The first of the waiting leads, the others rely on it. */
static struct turn *begin(struct turns *turns)
{
    struct turn *leader = turns->waits;

    turns->leader = leader;
    turns->joined = leader != NULL ? leader->next : NULL;
    turns->waits = NULL;
    turns->waits_end = NULL;
    for (struct turn *each = turns->joined; each != NULL; each = each->next)
        each->state = TURN_JOINED;
    if (leader != NULL) {
        leader->next = NULL;
        leader->state = TURN_LEADS;
    }
    return leader;
}

bool turns_ask(struct turns *turns, struct turn *turn)
{
    turn->next = NULL;
    if (turns->leader == NULL) {
        turn->state = TURN_LEADS;
        turns->leader = turn;
        return true;
    }
    turn->state = TURN_WAITS;
    *(turns->waits != NULL ? turns->waits_end : &turns->waits) = turn;
    turns->waits_end = &turn->next;
    return false;
}

struct turn *turns_done(struct turns *turns, struct turn **leader)
{
    struct turn *joined = turns->joined;

    turns->joined = NULL;
    if (turns->leader != NULL)
        turns->leader->state = TURN_NONE;
    for (struct turn *each = joined; each != NULL; each = each->next)
        each->state = TURN_NONE;
    *leader = begin(turns);
    return joined;
}

static void unlink_from(struct turn **list, struct turn *turn)
{
    while (*list != NULL && *list != turn)
        list = &(*list)->next;
    if (*list != NULL)
        *list = turn->next;
}

struct turn *turns_leave(struct turns *turns, struct turn *turn)
{
    enum turn_state state = turn->state;

    turn->state = TURN_NONE;
    if (state == TURN_JOINED)
        unlink_from(&turns->joined, turn);
    if (state == TURN_WAITS) {
        unlink_from(&turns->waits, turn);
        turns->waits_end = &turns->waits;
        while (*turns->waits_end != NULL)
            turns->waits_end = &(*turns->waits_end)->next;
    }
    if (state != TURN_LEADS)
        return NULL;
    /* Nothing of what it did counts: all who relied on it wait again, in front. */
    struct turn **end = &turns->joined;
    while (*end != NULL)
        end = &(*end)->next;
    *end = turns->waits;
    turns->waits = turns->joined;
    turns->joined = NULL;
    return begin(turns);
}
