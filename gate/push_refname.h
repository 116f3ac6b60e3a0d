/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_refname: which names of refs a push may have: those of git-check-ref-format(1) below refs/. git receive-pack checks it only
 * of refs that it moves itself, and here none is. A name that is none would be something else to the git that forwards it: ':'
 * ends it there, and the rest is another ref, of which no rule has been asked.
 */
#ifndef GATE_PUSH_REFNAME_H
#define GATE_PUSH_REFNAME_H

#include <stdbool.h>

bool push_refname_good(const char *name);

#endif
