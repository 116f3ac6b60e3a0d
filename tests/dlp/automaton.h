/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * automaton: an expression of the tables as states, so that tests can ask what is true of every match of it, and make some. Reads
 * the subset that the tables keep to; \b and ^ are taken for nothing, so it may have more matches than the expression.
 */
#ifndef TESTS_DLP_AUTOMATON_H
#define TESTS_DLP_AUTOMATON_H

#include <stdbool.h>
#include <stddef.h>

/* Plain text is ASCII. */
#define AUTOMATON_BYTES 128

struct automaton {
    size_t count, room;
    struct automaton_state {
        bool
            takes; /* one byte of `set`, on the way to `next`; else it is left for `next` or `other` at once */
        bool set[AUTOMATON_BYTES];
        int next, other; /* -1: nowhere */
        int odds;        /* between alternatives: one in so many takes `other` */
        /* At a copy that need not be there: where the first such one is, and how many there are from this one on. */
        int first, left;
        int without; /* at the first one: how many are left out of the match that is being made */
    } * states;
    int start, end;
};

/* Exits when the expression is not understood. */
void automaton_init(struct automaton *automaton, const char *expression);
void automaton_fini(struct automaton *automaton);

/* Writes a match by chance (rand) to `out`, and a NUL; at most `size` bytes. */
size_t automaton_match(const struct automaton *automaton, char *out, size_t size);

/* A match that has none of the anchors in it, written to `out` as above; false: there is none. Where a backslash may stand in front of
 * bytes of the match, these need not be there for an anchor: an escape of JSON may have taken them. */
bool automaton_without(const struct automaton *automaton, const struct automaton *anchors, bool at_word,
                       char *out, size_t size);

#endif
