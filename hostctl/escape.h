/* SPDX-License-Identifier: GPL-3.0-or-later */
/* escape: texts that an agent or a sidecar chose, as printable ASCII: a terminal obeys none of it. */
#ifndef HOSTCTL_ESCAPE_H
#define HOSTCTL_ESCAPE_H

#include <stdbool.h>
#include <stdio.h>

/* Writes valid UTF-8, escaped as JSON escapes. words: our own, which may hold spaces; in an agent's a space would look
 * like the end of a column. */
void escape_put(FILE *to, const char *text, bool words);

#endif
