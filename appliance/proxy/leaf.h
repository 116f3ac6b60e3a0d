/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leaf: certificates of the bottle's own CA for the names that agents ask for, one key for all of them, kept
 * in a bounded cache. It holds the bottle's CA key, and nothing of what the agent or an upstream sends comes
 * here but a name that was checked.
 */
#ifndef PROXY_LEAF_H
#define PROXY_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/str.h"

#define LEAF_CACHE_MAX 1024             /* certificates kept; the one that was not used for longest goes */
#define LEAF_BACKDATE  (24L * 3600)     /* s: clocks of agents and sidecars differ */
#define LEAF_VALID     (7L * 24 * 3600) /* s from now */
#define LEAF_RENEW     (24L * 3600)     /* s before its end a certificate is made anew */
#define LEAF_KEY_MAX   160              /* bytes of a P-256 key as SEC1 DER */
#define LEAF_CERT_MAX  1280             /* bytes of a forged certificate; the longest name gives 900 */

struct leaves;

/* A certificate (DER). It is the cache's, and valid until the next leaf_get. */
struct leaf {
    const uint8_t *der;
    size_t len;
    bool trusted; /* some client has sent a request under it */
};

/* Makes the leaf key. Without a CA nothing can be forged. Returns NULL when that fails. */
struct leaves *leaves_new(void);
void leaves_free(struct leaves *leaves); /* wipes the keys; NULL is fine */

/* Takes the bytes of CHANNEL_CA (sys/channel.h): u32 length, certificate DER, u32 length, SEC1 key DER. The
 * key must be the certificate's. Forgets what was forged. Returns 0, or -1 and keeps what was there. */
int leaves_authority(struct leaves *leaves, struct str bytes);

/* Forgets the CA and what was forged. */
void leaves_forget(struct leaves *leaves);

/* Makes a CA that nobody trusts, for the warm-up and for tests, as bytes of that form. Returns its length; 0
 * when it failed. */
size_t leaves_make_authority(uint8_t *bytes, size_t size);

/* Whether there is a CA. */
bool leaves_ready(const struct leaves *leaves);

/* The certificate for a canonical host name (core/host.h) or an IPv4 address in dotted form. now: seconds
 * since 1970. Returns NULL when there is no CA, the name does not fit or memory is out. */
const struct leaf *leaf_get(struct leaves *leaves, const char *name, bool address, time_t now);

/* Notes that some client has sent a request under it. */
void leaf_trusted(struct leaves *leaves, const char *name);

/* Number of certificates kept, and made since the start. */
size_t leaves_count(const struct leaves *leaves);
uint64_t leaves_made(const struct leaves *leaves);

/* The leaf key as SEC1 DER, to be wiped by the caller. Returns its length; 0 when it failed. */
size_t leaves_key(struct leaves *leaves, uint8_t key[LEAF_KEY_MAX]);

#endif
