/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls: TLS on a stream, on both legs, behind the stream's own interface: the codecs above do not know which
 * they have. Verification of upstreams has no off switch. RFC 8446, RFC 5246 (TLS 1.2), RFC 9325.
 */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/str.h"
#include "proxy/leaf.h"

struct stream;
struct tls;
struct tls_kit;

/* What the worker's connections share: the contexts of both legs and the system's roots. */

/* Reads the roots (PEM; a file that is absent or holds none leaves every upstream untrusted) and makes both
 * contexts. `leaves` gives the server's key; it has a CA already, if only that of the warm-up. Returns NULL
 * when that fails. */
struct tls_kit *tls_kit_new(struct leaves *leaves, const char *roots_path);
void tls_kit_free(struct tls_kit *kit); /* NULL is fine */

/* The roots from now on: the system's, and these (PEM; empty = none more). Live connections keep what they
 * were verified with. Returns 0, or -1: then those that could not be read are not trusted, the system's are.
 */
int tls_kit_roots(struct tls_kit *kit, struct str extra);

/* A whole handshake in memory: it fills wolfSSL's lazy caches before the jail. ca: the certificate (DER) of
 * the CA that `leaves` has. Returns 0 when it succeeded. */
int tls_warm_up(struct leaves *leaves, const void *ca, size_t ca_len);

/* On one stream. */

/* Makes the agent's stream the server side of TLS with this certificate. `first`: what was read already, the
 * ClientHello; it is taken. alpn: the client offers protocols; http/1.1 is chosen. Returns 0, or -1 when
 * memory is out. */
int tls_serve(struct tls_kit *kit, struct stream *stream, const struct leaf *leaf, bool alpn,
              struct buf *first);

/* Makes the upstream's stream the client side, to be verified as this host name, which has to stay until the
 * handshake is over. Returns 0, or -1: a name that cannot be verified, or memory is out. */
int tls_connect(struct tls_kit *kit, struct stream *stream, const char *host);

/* Goes on with the handshake. Returns 0 when it is done, -EAGAIN when the stream has to be waited for
 * (*events: for what), or another negative errno: it has failed, tls_failure says why. */
int tls_handshake(struct stream *stream, int *events);

struct tls_failure {
    bool refused;       /* a client did not trust our certificate: it said so by an alert */
    bool gone;          /* the peer ended the connection without a word */
    bool answered;      /* a server's first flight is out: the peer has seen our certificate */
    const char *reason; /* in words for the agent: "the certificate has expired"; never NULL */
};

struct tls_failure tls_failure(const struct stream *stream);

/* "1.3"; NULL before the handshake is done. */
const char *tls_version(const struct stream *stream);

/* For stream.c: the parts of its interface; `stream` has TLS. */
ssize_t tls_read(struct stream *stream, struct buf *buf, size_t max);
ssize_t tls_flush(struct stream *stream, struct buf *buf);
void tls_shutdown(struct stream *stream);      /* close_notify */
bool tls_pending(const struct stream *stream); /* bytes wait here: the socket need not become readable */
bool tls_wants_write(
    const struct stream *stream); /* bytes of its own wait for room: an event to read sends them */
void tls_free(struct stream *stream);

#endif
