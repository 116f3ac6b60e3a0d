/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ca: the bottle's own certificate authority. Made at boot, in memory, by the only process that parses
 * nothing hostile; the key goes to the proxies that sign with it (CHANNEL_CA) and nowhere else, and is gone
 * with the sidecar. The certificate is public: `ctl ca` gives it to hostctl, which gives it to the agent.
 */
#ifndef INIT_CA_H
#define INIT_CA_H

#include <stddef.h>

#include "core/err.h"

#define CA_CERT_MAX 1024 /* bytes, DER */
#define CA_KEY_MAX  256  /* bytes, DER (SEC1 ECPrivateKey, RFC 5915) */
#define CA_PEM_MAX  2048 /* bytes, with the NUL */

struct ca {
    unsigned char cert[CA_CERT_MAX];
    size_t cert_len;
    unsigned char *key; /* from secret_alloc: locked, not dumped */
    size_t key_len;
    char pem[CA_PEM_MAX];
    char subject_hash[9]; /* as OpenSSL names files in a folder of certificates (openssl-rehash(1)): 8 hex */
};

/* A new key (P-256) and its self-signed certificate (RFC 5280), critical CA:TRUE with path length 0. Returns
 * 0, or -1 with err. Not to be called twice for one struct without ca_fini between. */
int ca_make(struct ca *ca, struct err *err);

/* A sealed memfd as CHANNEL_CA carries it; the caller's to close, soon: it holds the key. -1 with errno. */
int ca_memfd(const struct ca *ca);

/* Wipes the key. */
void ca_fini(struct ca *ca);

#endif
