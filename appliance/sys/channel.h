/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * channel: what init and a worker say to each other, over a SOCK_SEQPACKET socketpair that the worker
 * inherits. One message a packet: a fixed head, a short text, at most one descriptor. Blobs (the policy)
 * travel as a sealed memfd.
 */
#ifndef SYS_CHANNEL_H
#define SYS_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum channel_type {
    CHANNEL_POLICY = 1, /* init -> worker: generation, fd = sealed memfd with the worker's section (JSON) */
    CHANNEL_READY,      /* worker -> init: jailed and serving; text, if any, is for the audit */
    CHANNEL_APPLIED,    /* worker -> init: generation is in force */
    CHANNEL_REFUSED,    /* worker -> init: generation was not taken, text says why */
    CHANNEL_COUNTERS,   /* meter -> init: text is the JSON of init/meter.h */
    /* init -> proxy, once, right after the spawn and before the first CHANNEL_POLICY: the bottle's CA, fd =
     * sealed memfd: u32 length, certificate (DER), u32 length, private key (DER, SEC1 ECPrivateKey); native
     * byte order, nothing behind it. Never sent to any other worker. */
    CHANNEL_CA,
    /* init -> proxy, immediately before that generation's CHANNEL_POLICY: generation, fd = sealed memfd with
     * the JSON object {"NAME": "value"}. Never sent to any other worker. */
    CHANNEL_SECRETS,
    /* A request waits for the operator (core/hold.h): `generation` is the worker's own number for it, never used twice by
     * one process. Proxy -> init: text is a struct hold_request. */
    CHANNEL_HOLD,
    CHANNEL_HOLD_END, /* proxy -> init: what had this number is over: nobody waits, or it was approved and has ended */
    CHANNEL_VERDICT, /* init -> proxy: text is a struct hold_verdict */
    /* init -> proxy, before that generation's CHANNEL_POLICY, when the policy has something searched for: generation, fd =
     * sealed memfd with the database (dlp/rules.h). It holds the secrets' values. Never sent to any other worker. */
    CHANNEL_DATABASE,
    /* Proxy -> init, under a policy with on_canary: stop: the canary was found on its way out. generation: of the worker's
     * policy; text: the id of the audit line that tells of it. */
    CHANNEL_CANARY,
    /* init -> stopper-push, immediately before that generation's CHANNEL_POLICY: generation, fd = sealed memfd with the JSON
     * object that core/keys.h reads. Never sent to any other worker. */
    CHANNEL_KEYS,
};

#define CHANNEL_CA_MAX      8192      /* bytes, of CHANNEL_CA's memfd */
#define CHANNEL_SECRETS_MAX (1 << 20) /* bytes, of CHANNEL_SECRETS's memfd */

#define CHANNEL_TEXT_MAX 65000 /* bytes */

struct channel_msg {
    uint32_t type;
    uint64_t generation;
    int fd; /* -1 = none; the receiver owns it */
    uint32_t text_len;
    char text[CHANNEL_TEXT_MAX];
};

/* Sends one message. fd -1 = none; it stays the caller's. Returns 0; -1 with errno (EAGAIN on a full
 * non-blocking one). */
int channel_send(int sock, enum channel_type type, uint64_t generation, int fd, struct str text);

/* Receives one. Returns 1, 0 at the end (the peer is gone), -1 with errno; EBADMSG for a malformed or cut
 * message. */
int channel_recv(int sock, struct channel_msg *msg);

/* A sealed, read-only memfd with these bytes. Returns the descriptor, or -1 with errno. */
int channel_memfd(const char *name, struct str bytes);

/* Maps all of a memfd for reading after checking that it is sealed against writing and shrinking and not
 * larger than max. The mapping is given back with munmap(ptr, len). Returns 0, or -1. */
int channel_map(int fd, size_t max, struct str *bytes);

#endif
