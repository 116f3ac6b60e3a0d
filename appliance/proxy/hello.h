/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hello: what a TLS ClientHello says in clear: server name, protocols, highest version, Encrypted
 * ClientHello. The bytes stay with the caller, who replays them.
 */
#ifndef PROXY_HELLO_H
#define PROXY_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

#define HELLO_NAME_MAX 255 /* bytes of a server name on the wire */
#define HELLO_ALPN_MAX 96  /* bytes of the protocol list as text */

enum hello_result {
    HELLO_MORE, /* not whole yet */
    HELLO_OK,
    HELLO_BAD, /* malformed, ambiguous or larger than HELLO_MAX */
};

struct hello {
    /* Results of HELLO_OK. */
    char name[HELLO_NAME_MAX +
              1];    /* server_name as sent, RFC 6066 section 3; not yet checked to be a host name */
    size_t name_len; /* 0 = there is none */
    char alpn[HELLO_ALPN_MAX]; /* "h2,http/1.1", RFC 7301; cut when longer; bytes outside of printable ASCII
                                  are '?' */
    const char *version;       /* "1.3": the highest offered that we know */
    bool ech; /* Encrypted ClientHello, GREASE included: they cannot be told apart (or ESNI) */
    /* private */
    size_t at;       /* offset of the next record that was not taken in */
    size_t have;     /* bytes of the handshake message in the records taken in */
    size_t records;  /* number of them */
    uint8_t head[4]; /* handshake type and length */
};

void hello_init(struct hello *hello);

/* Looks at everything received so far, from the connection's first byte; call it again with more bytes behind
 * the same ones. Whole records are looked at once, whatever the number of calls. The message may lie in any
 * number of records (RFC 8446 section 5.1); it must end where a record ends; later records (early data) are
 * not looked at. */
enum hello_result hello_parse(struct hello *hello, const char *bytes, size_t len);

/* After HELLO_OK: puts the message at the front of `in`, whose bytes were looked at, into as few records as it
 * needs; what is behind it stays. For the library, which wants the head of a message in one record. Both ends
 * still hash the same: transcripts are of messages (RFC 8446 section 4.4.1). */
void hello_reframe(struct hello *hello, struct buf *in);

#endif
