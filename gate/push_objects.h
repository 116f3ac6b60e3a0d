/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_objects: the objects of a push, listed and read. The quarantine is listed as a whole, so that what no ref leads to is in it
 * too. What git needed to have there to make sense of a push (the bases of deltas, which the mirror has already) is in it as
 * well, and cannot be told apart cheaply: it is looked at, and what was found there is left out (push_known).
 * Private to gate/push_*.c.
 */
#ifndef GATE_PUSH_OBJECTS_H
#define GATE_PUSH_OBJECTS_H

#include "gate/push_run.h"

#define PUSH_WHOLE                                                                                           \
    8388608 /* bytes of an object that comes with others; a larger one comes alone, through a file */

/* Reads a child's lines. Returns 0 when it has ended well, or -1: the run has failed, or `on_line` said so. */
typedef int push_on_line(struct push_run *run, struct str line, void *user);
int push_each_line(struct push_run *run, struct push_child *child, const char *what, push_on_line *on_line,
                   void *user);

/* Fills run->ids. More than there may be is a finding, and the run is over. Returns 0, or -1: the run has failed. */
int push_objects_list(struct push_run *run);

/* Of run->elsewhere, keeps what no ref of the mirror leads to, with type and size: what an earlier push has left there, which nobody
 * else has. Returns 0, or -1: the run has failed. */
int push_objects_left(struct push_run *run);

/* Tells what each ref is to name, tags followed to their end; nothing when all are commits that came with the push. The same. */
typedef int push_on_tip(void *user, const struct push_id *tip, const char *digits);
int push_objects_tips(struct push_run *run, push_on_tip *on_tip, void *user);

/* Leaves out the findings in objects that are not new: the mirror has them, and no new commit brings them. Returns 0, or -1. */
int push_objects_known(struct push_run *run);

/* An object, whole. Returns 0, or -1: the run has failed. */
typedef int push_on_object(void *user, uint32_t index, struct str bytes);

struct push_reader {
    struct push_run *run;
    const struct push_ids *ids;
    struct push_child child;
    char *bytes;
    size_t head, len;
    uint32_t next; /* of ids, in their order */
    bool (*wanted)(void *user, uint32_t index);
    push_on_object *on_object;
    void *user;
};

/* Reads those objects of a set that are wanted. As push_walk_begin, _read and _end. */
int push_reader_begin(struct push_reader *reader);
int push_reader_read(struct push_reader *reader);
void push_reader_end(struct push_reader *reader);

#endif
