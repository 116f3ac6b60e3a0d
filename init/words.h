/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * words: what a worker says on its stderr. Passed on to init's stderr, up to a limit a life, and the last
 * line kept, so that "it does not start" can say why.
 */
#ifndef INIT_WORDS_H
#define INIT_WORDS_H

#include <uv.h>

struct words;

/* Takes the reading end of a non-blocking pipe. Returns NULL when memory is out (the descriptor is closed).
 */
struct words *words_new(uv_loop_t *loop, int fd);

/* Reads what has come, now. */
void words_read(struct words *words);

/* The last line, printable ASCII, never NULL; valid until the next call. */
const char *words_last(const struct words *words);

void words_close(struct words *words);

#endif
