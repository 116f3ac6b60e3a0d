/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls_kit: what tls.c (streams) and tls_kit.c (contexts) share. Nobody else includes it. */
#ifndef PROXY_TLS_KIT_H
#define PROXY_TLS_KIT_H

#include <wolfssl/ssl.h>

#include "proxy/tls.h"

struct tls_kit {
    WOLFSSL_CTX *server, *client;
    struct leaves *leaves;
    char *roots; /* the system's, PEM; NULL = none */
    size_t roots_len;
};

/* Whom a client expects, for the check of certificates that goes beyond wolfSSL's: wolfSSL_SetCertCbCtx. */
struct tls_peer {
    const char *host; /* borrowed until the handshake is over, then NULL: nobody is accepted */
    int flaw;         /* one of wolfSSL's errors, when that check refused for it; else 0 */
};

/* wolfSSL's callbacks; ctx is a struct stream. */
int tls_take(WOLFSSL *ssl, char *into, int max, void *ctx);
int tls_give(WOLFSSL *ssl, char *bytes, int len, void *ctx);

#endif
