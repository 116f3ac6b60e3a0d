/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acks: a git client writes what it has to say in many small pieces and leaves its socket as it is, so the kernel holds the
 * second piece until the first is acknowledged (RFC 896), which the other side puts off for 40 ms when it has nothing to say itself.
 * Here it is acknowledged as soon as it was read: whoever holds the connection beside the git that reads from it is told by the kernel
 * when something has come (epoll(7), edge-triggered) and reads nothing of it.
 */
#ifndef GATE_ACKS_H
#define GATE_ACKS_H

/* Returns a descriptor that is readable when something has come on `sock` since acks_now, even if it was read already; -1: what
 * `sock` is has no acknowledgements. It also has what is written to `sock` sent at once. */
int acks_watch(int sock);

/* Acknowledges what has come: what was read now, the rest when it is read. `watch` is not readable any more until more comes. */
void acks_now(int watch, int sock);

#endif
