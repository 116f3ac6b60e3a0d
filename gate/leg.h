/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg: what a session of stopper-gate and stopper-push say to each other: one ssh to one upstream. The session connects to
 * LEG_SOCKET (SOCK_SEQPACKET), sends one request with three descriptors (SCM_RIGHTS: ssh's stdin, stdout and stderr), and
 * gets one reply when ssh has ended, or at once when none was started. When the session closes the connection ssh is killed.
 * One connection, one request. stopper-push must never read or write the first two descriptors itself. To the third go the
 * upstream's own words, in whole lines, without control characters, 64 KiB at most; what stopper-push has to say is in the
 * reply's text, which the session shows to the agent.
 */
#ifndef GATE_LEG_H
#define GATE_LEG_H

#include <stdint.h>

#define LEG_SOCKET                                                                                           \
    "/run/stopper-gate/leg.sock" /* bound by init: root:USER_GATE 0660, in a directory of the same, 0750 */
#define LEG_VERSION   1
#define LEG_FDS       3  /* stdin, stdout, stderr of ssh, in this order */
#define LEG_NAME_SIZE 65 /* a repository's name of the policy, NUL included; the bytes behind the NUL are 0 */
#define LEG_TEXT_SIZE 256

enum leg_service { LEG_UPLOAD_PACK = 1, LEG_RECEIVE_PACK = 2 };

/* One packet of exactly this size. What is not so, or names a service, version or protocol that is not listed, is refused
 * with LEG_BAD. */
struct leg_request {
    uint32_t version;         /* LEG_VERSION */
    uint32_t service;         /* enum leg_service */
    uint32_t protocol;        /* 0, 1 or 2: sent as GIT_PROTOCOL=version=N where it is not 0 */
    char repo[LEG_NAME_SIZE]; /* the path on the upstream is the policy's, never the agent's */
    char pad[3];              /* 0 */
};

enum leg_outcome {
    LEG_ENDED = 1,    /* ssh ran, or could not log in, and `status` is how it ended */
    LEG_UNKNOWN,      /* no such repository in the policy in force */
    LEG_NOT_RESOLVED, /* the host's name has no address, or only such as must not be dialled */
    LEG_NO_KEY,       /* the repository has no key */
    LEG_BUSY,         /* too many at once */
    LEG_BAD,          /* not a request of this version */
    LEG_FAILED,       /* here: ssh could not be started */
    LEG_OUTCOMES,
};

/* One packet of exactly this size. */
struct leg_reply {
    uint32_t outcome;         /* enum leg_outcome */
    int32_t status;           /* with LEG_ENDED: the exit status, or 128 + the signal's number */
    char text[LEG_TEXT_SIZE]; /* printable ASCII, NUL-terminated: why not, in a sentence; with LEG_ENDED
                               when ssh itself has failed (status 255), else "" */
};

_Static_assert(sizeof(struct leg_request) == 80 && sizeof(struct leg_reply) == 264,
               "the two programs are one build");

#endif
