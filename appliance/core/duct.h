/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * duct: one TCP connection carried by the stdin and stdout of a program that runs elsewhere ("hostctl
 * forward" on the host, "stopper-shim connect" in the bottle): both ends have a socket on one side and the
 * framed pair on the other, and both run this code. It makes no descriptor and closes none.
 *
 *   hostctl -> shim   the port (2 bytes), then frames
 *   shim -> hostctl   one enum duct_answer (1 byte), then frames
 *   a frame           its length (2 bytes, 0..65535), then as many bytes of the stream; 0 is the stream's end
 *
 * Numbers are big-endian. The frames are there for the ends: a half-close has a mark of its own, since an
 * engine's `exec` carries that of a program's stdout only when the program ends; and a pipe that ends without
 * the mark was broken off, and so is then the connection, instead of looking like a whole one.
 */
#ifndef CORE_DUCT_H
#define CORE_DUCT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define DUCT_PIECE 32768 /* bytes of the stream that wait on their way, in each direction */

enum duct_answer {
    DUCT_CONNECTED,
    DUCT_REFUSED, /* nothing listens there */
    DUCT_TIMEOUT, /* something listens and does not accept */
    DUCT_FAILED   /* no socket could be had */
};

enum duct_state {
    DUCT_MORE,
    DUCT_DONE,  /* both streams have ended and were delivered to the socket and the pair */
    DUCT_BROKEN /* either side was: the connection has to be reset, not closed (duct_reset) */
};

struct duct {
    int sock;
    int in, out;      /* the framed pair: read and written */
    bool hangup_ends; /* the other end keeps its own side of `in` open until this one is done, so that its
                         loss is told by POLLHUP even while nothing can be read on */
    /* from the socket to the pair: one frame, header included */
    unsigned char up[2 + DUCT_PIECE];
    size_t up_at, up_len;
    bool up_ended; /* its end is in `up` or was sent */
    bool up_dead;  /* nobody takes it any more */
    /* from the pair to the socket: frames as they came */
    unsigned char down[DUCT_PIECE];
    size_t down_at, down_len;
    size_t piece;         /* bytes of the present frame that are still to come */
    unsigned header;      /* what of a frame's length there is */
    unsigned header_have; /* bytes of it */
    bool down_ended;
    bool down_dead; /* the socket takes nothing more */
    bool reset;     /* nor has an end of its own to give */
};

/* Borrows the descriptors and makes them non-blocking. Returns 0, or -1 with errno. */
int duct_init(struct duct *duct, int sock, int in, int out, bool hangup_ends);

#define DUCT_POLLS 3

/* What to wait for, for poll(2): fills DUCT_POLLS entries. */
void duct_polls(const struct duct *duct, struct pollfd polls[DUCT_POLLS]);

/* Moves what can be moved without waiting, as the entries tell after poll(2). */
enum duct_state duct_turn(struct duct *duct, const struct pollfd polls[DUCT_POLLS]);

/* Closes a TCP socket in a way that its peer sees as a reset (RFC 9293, 3.10.5). Fine with -1. */
void duct_reset(int sock);

#endif
