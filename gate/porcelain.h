/* SPDX-License-Identifier: GPL-3.0-or-later */
/* porcelain: the lines of git push --porcelain (git-push(1), OUTPUT), and what it says on stderr. */
#ifndef GATE_PORCELAIN_H
#define GATE_PORCELAIN_H

#include <stdbool.h>

#include "core/str.h"

enum porcelain { PORCELAIN_TAKEN, PORCELAIN_DECLINED, PORCELAIN_BROKEN };

/* What became of a ref. Borrows the line. */
struct porcelain_ref {
    enum porcelain outcome; /* BROKEN: the upstream did not say */
    struct str from;        /* what was sent; empty: it was deleted */
    struct str to;          /* the ref */
    struct str reason;      /* unless it was taken: the upstream's words, or git's */
};

/* Returns 0, or -1 when the line is about no ref. */
int porcelain_read(struct str line, struct porcelain_ref *ref);

/* A line of stderr as the one who has to see it should: without the mark and the blanks that git puts around a line of the
 * upstream's, which whoever shows it will put there again. false: it is git's own word about what the reader's git will say. */
bool porcelain_word(struct str line, struct str *word);

#endif
