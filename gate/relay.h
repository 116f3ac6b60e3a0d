/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relay: what git starts instead of ssh and as its hooks (stopper-gate-relay), and the session's end of it. The relay says who
 * called it, hands over the three descriptors that git gave it, and waits for its exit status: it decides nothing. It finds
 * the session by a SOCK_SEQPACKET socket that it inherits, whose number is in RELAY_VARIABLE; the answer comes by a socket
 * of its own, the fourth descriptor of its packet, so that several may wait at once and each sees its session's end.
 */
#ifndef GATE_RELAY_H
#define GATE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#define RELAY_VARIABLE "STOPPER_RELAY"
#define RELAY_FDS      4  /* stdin, stdout, stderr, answer */
#define RELAY_OPTIONS  64 /* push options of one push */
#define RELAY_OVER                                                                                           \
    (RELAY_OPTIONS + 1) /* options, of which none are told: there are more, or they are too long */
#define RELAY_TEXT                                                                                           \
    32768 /* bytes: the quarantine's path, the certificate's id and the push options, each with its NUL */
#define RELAY_SSH    "ssh" /* what the relay is called as: the last part of its argv[0] */
#define RELAY_PRE    "pre-receive"
#define RELAY_PROC   "proc-receive"
#define RELAY_FAILED 255 /* its exit status when there is no session, or none any more */

enum relay_kind { RELAY_IS_SSH = 1, RELAY_IS_PRE, RELAY_IS_PROC };

/* The packet: this, then GIT_QUARANTINE_PATH, GIT_PUSH_CERT ("" without one) and the push options, each ended by a NUL. */
struct relay_head {
    uint32_t kind;    /* enum relay_kind */
    uint32_t options; /* how many; or RELAY_OVER */
};

/* One call, received. */
struct relay_call {
    enum relay_kind kind;
    int fds[RELAY_FDS]; /* -1 = closed; the receiver's */
    const char *quarantine;
    const char
        *certificate; /* the id of the object that git made of a signed push's; "" = it is not signed */
    const char *options[RELAY_OPTIONS]; /* of a push; borrow `text` */
    size_t option_count;
    bool over; /* there are more, and none is here */
    char text[RELAY_TEXT];
};

/* Takes a call. Returns 1; 0 when nobody can call any more; -1 for what is no call: nothing is held then. */
int relay_receive(int sock, struct relay_call *call);

/* Ends the relay with this exit status, and closes what is still open. */
void relay_answer(struct relay_call *call, uint8_t status);

#endif
