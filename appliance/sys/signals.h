/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signals: what a program that is about to be executed finds of them. */
#ifndef SYS_SIGNALS_H
#define SYS_SIGNALS_H

/* Every signal at its default, none blocked: execve(2) keeps what is ignored. The C library's own two (32,
 * 33) are among them, which sigaction(3) does not touch and posix_spawn(3) leaves ignored in what it starts.
 * Async-signal-safe; the calling process must not use threads afterwards. Cannot fail. */
void signals_default(void);

#endif
