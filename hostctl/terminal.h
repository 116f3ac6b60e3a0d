/* SPDX-License-Identifier: GPL-3.0-or-later */
/* terminal: the user's terminal: its size, and raw mode while a command has a terminal of its own. */
#ifndef HOSTCTL_TERMINAL_H
#define HOSTCTL_TERMINAL_H

#include <stdbool.h>

#include "core/err.h"

/* Whether a command should get a terminal: stdin and stdout are one. */
bool terminal_wanted(void);

/* Whether a question can be asked: stdin and stderr are one. */
bool terminal_asks(void);

/* One line from the terminal, behind a question; true for "y" or "yes". */
bool terminal_yes(void);

/* Rows and columns of the user's terminal; 0 and 0 when there is none. */
void terminal_size(unsigned *rows, unsigned *columns);

/* Sets the size of a pty by its master. */
int terminal_set_size(int master, unsigned rows, unsigned columns);

/* Raw mode for stdin: every byte goes to the command, ^C and ^Z too. Returns 0, or -1 with err. */
int terminal_raw(struct err *err);

/* Back to what it was before terminal_raw; fine when it was never called. */
void terminal_restore(void);

#endif
