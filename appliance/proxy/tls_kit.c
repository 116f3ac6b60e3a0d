/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_kit: the contexts of both legs. TLS 1.2 and 1.3 with AEAD suites for the agent, in our own order;
 * upstreams may choose from wolfSSL's list. An upstream's certificate is always required and verified: there
 * is no setting that changes that. Revocation is not checked (no CRL, no OCSP).
 */
#include "proxy/tls_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/memory.h>

#define ROOTS_MAX   (8u << 20) /* bytes of PEM */
#define RSA_KEY_MIN 2048       /* bits */
#define ECC_KEY_MIN 256
/* AES-128 first: cheaper on every CPU with AES instructions, and nobody gains from more. ECDSA only, as the
 * leaf. */
#define SERVER_SUITES                                                                                        \
    "TLS13-AES128-GCM-SHA256:TLS13-CHACHA20-POLY1305-SHA256:TLS13-AES256-GCM-SHA384:"                        \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"

static WOLFSSL_CTX *new_server(struct leaves *leaves)
{
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfSSLv23_server_method());
    const struct leaf *leaf = leaf_get(leaves, "placeholder.invalid", false, time(NULL));
    uint8_t key[LEAF_KEY_MAX];
    size_t key_len = leaves_key(leaves, key);

    /* The certificate is each connection's own; without one here no connection could be made. */
    bool made =
        ctx != NULL && leaf != NULL && key_len > 0 &&
        wolfSSL_CTX_SetMinVersion(ctx, WOLFSSL_TLSV1_2) == WOLFSSL_SUCCESS &&
        wolfSSL_CTX_set_cipher_list(ctx, SERVER_SUITES) == WOLFSSL_SUCCESS &&
        wolfSSL_CTX_use_certificate_buffer(ctx, leaf->der, (long)leaf->len, WOLFSSL_FILETYPE_ASN1) ==
            WOLFSSL_SUCCESS &&
        wolfSSL_CTX_use_PrivateKey_buffer(ctx, key, (long)key_len, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
    explicit_bzero(key, sizeof key);
    if (made) {
        wolfSSL_CTX_SetIORecv(ctx, tls_take);
        wolfSSL_CTX_SetIOSend(ctx, tls_give);
        return ctx;
    }
    wolfSSL_CTX_free(ctx);
    return NULL;
}

/* Signatures that only say who made them by a broken hash, RFC 9155. A self-signed certificate is not
 * believed for its signature, so servers may send an old root along. */
static bool is_weak(const WOLFSSL_BUFFER_INFO *der)
{
    DecodedCert cert;
    bool weak = true;

    wc_InitDecodedCert(&cert, der->buffer, der->length, NULL);
    if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0) {
        bool self = memcmp(cert.issuerHash, cert.subjectHash, sizeof cert.issuerHash) == 0;
        weak = !self && (cert.signatureOID == CTC_SHAwRSA || cert.signatureOID == CTC_SHAwECDSA ||
                         cert.signatureOID == CTC_SHAwDSA || cert.signatureOID == CTC_MD5wRSA ||
                         cert.signatureOID == CTC_MD2wRSA);
    }
    wc_FreeDecodedCert(&cert);
    return weak;
}

/* One dNSName against a host: the same letters, or "*." for exactly the first label (RFC 9525 section 6.3).
 */
static bool name_fits(struct str name, struct str host)
{
    const char *dot = memchr(host.ptr, '.', host.len);

    if (name.len > 2 && name.ptr[0] == '*' && dot != NULL) {
        name = (struct str){name.ptr + 1, name.len - 1};
        host = (struct str){dot, host.len - (size_t)(dot - host.ptr)};
    }
    return memchr(name.ptr, '*', name.len) == NULL && str_equal_nocase(name, host);
}

/* wolfSSL also takes a wildcard for a part of a label and for a label behind the first, and other kinds of
 * names for a host's. */
static bool is_for(const WOLFSSL_BUFFER_INFO *der, const char *host)
{
    DecodedCert cert;
    bool found = false;

    wc_InitDecodedCert(&cert, der->buffer, der->length, NULL);
    if (host != NULL && wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0)
        for (const DNS_entry *name = cert.altNames; name != NULL && !found; name = name->next)
            found = name->type == ASN_DNS_TYPE && name->len > 0 &&
                    name_fits((struct str){name->name, (size_t)name->len}, str_of(host));
    wc_FreeDecodedCert(&cert);
    return found;
}

/* What wolfSSL has refused stays refused. */
static int verify_more(int accepted, WOLFSSL_X509_STORE_CTX *store)
{
    struct tls_peer *peer = store->userCtx;

    if (accepted != 1 || peer == NULL || store->totalCerts < 1)
        return 0;
    if (!is_for(&store->certs[0], peer->host)) {
        peer->flaw = DOMAIN_NAME_MISMATCH;
        return 0;
    }
    for (int i = 0; i < store->totalCerts; i++)
        if (is_weak(&store->certs[i]))
            return 0;
    return 1;
}

static WOLFSSL_CTX *new_client(void)
{
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfSSLv23_client_method());

    if (ctx == NULL || wolfSSL_CTX_SetMinVersion(ctx, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_SetMinRsaKey_Sz(ctx, RSA_KEY_MIN) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_SetMinEccKey_Sz(ctx, ECC_KEY_MIN) != WOLFSSL_SUCCESS) {
        wolfSSL_CTX_free(ctx);
        return NULL;
    }
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, verify_more);
    wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF); /* resumption would skip verification */
    wolfSSL_CTX_SetIORecv(ctx, tls_take);
    wolfSSL_CTX_SetIOSend(ctx, tls_give);
    return ctx;
}

/* The whole file, or NULL. */
static char *read_roots(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rbe");
    char *text = file != NULL ? malloc(ROOTS_MAX) : NULL;

    *len = text != NULL ? fread(text, 1, ROOTS_MAX, file) : 0;
    if (file != NULL)
        fclose(file);
    if (*len == 0 || *len == ROOTS_MAX) {
        free(text);
        return NULL;
    }
    char *fit = realloc(text, *len);
    return fit != NULL ? fit : text;
}

int tls_kit_roots(struct tls_kit *kit, struct str extra)
{
    WOLFSSL_CTX *client = new_client();
    int result = 0;

    if (client == NULL) /* the old roots must not stay in force: nobody is trusted then */
        result = -1;
    /* One root of the system's that cannot be read does not take the others with it. */
    if (client != NULL && kit->roots != NULL)
        wolfSSL_CTX_load_verify_buffer_ex(client, (const byte *)kit->roots, (long)kit->roots_len,
                                          WOLFSSL_FILETYPE_PEM, 0, WOLFSSL_LOAD_FLAG_IGNORE_ERR);
    if (client != NULL && extra.len > 0 &&
        wolfSSL_CTX_load_verify_buffer(client, (const byte *)extra.ptr, (long)extra.len,
                                       WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        result = -1;
    wolfSSL_CTX_free(kit->client); /* connections hold their own reference */
    kit->client = client;
    return result;
}

struct tls_kit *tls_kit_new(struct leaves *leaves, const char *roots_path)
{
    struct tls_kit *kit = calloc(1, sizeof *kit);

    if (kit == NULL || wolfSSL_Init() != WOLFSSL_SUCCESS) {
        free(kit);
        return NULL;
    }
    kit->leaves = leaves;
    kit->server = new_server(leaves);
    kit->roots = read_roots(roots_path, &kit->roots_len);
    if (kit->server == NULL || tls_kit_roots(kit, str_of(NULL)) != 0) {
        tls_kit_free(kit);
        return NULL;
    }
    return kit;
}

void tls_kit_free(struct tls_kit *kit)
{
    if (kit == NULL)
        return;
    wolfSSL_CTX_free(kit->server);
    wolfSSL_CTX_free(kit->client);
    free(kit->roots);
    free(kit);
}

/* The warm-up. */

struct wire {
    struct buf to_server, to_client;
};

static int take(struct buf *from, char *into, int max)
{
    struct str bytes = buf_str(from);
    size_t len = bytes.len < (size_t)max ? bytes.len : (size_t)max;

    if (len == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(into, bytes.ptr, len);
    buf_consume(from, len);
    return (int)len;
}

static int server_take(WOLFSSL *ssl, char *into, int max, void *ctx)
{
    return take(&((struct wire *)ctx)->to_server, into, max);
}

static int client_take(WOLFSSL *ssl, char *into, int max, void *ctx)
{
    return take(&((struct wire *)ctx)->to_client, into, max);
}

static int server_give(WOLFSSL *ssl, char *bytes, int len, void *ctx)
{
    return buf_append(&((struct wire *)ctx)->to_client, bytes, (size_t)len) == 0 ? len
                                                                                 : WOLFSSL_CBIO_ERR_GENERAL;
}

static int client_give(WOLFSSL *ssl, char *bytes, int len, void *ctx)
{
    return buf_append(&((struct wire *)ctx)->to_server, bytes, (size_t)len) == 0 ? len
                                                                                 : WOLFSSL_CBIO_ERR_GENERAL;
}

static WOLFSSL *open_end(WOLFSSL_CTX *ctx, struct wire *wire, CallbackIORecv recv, CallbackIOSend send)
{
    WOLFSSL *ssl = ctx != NULL ? wolfSSL_new(ctx) : NULL;

    if (ssl == NULL)
        return NULL;
    wolfSSL_SSLSetIORecv(ssl, recv);
    wolfSSL_SSLSetIOSend(ssl, send);
    wolfSSL_SetIOReadCtx(ssl, wire);
    wolfSSL_SetIOWriteCtx(ssl, wire);
    return ssl;
}

static int shake(WOLFSSL *server, WOLFSSL *client)
{
    bool client_done = false, server_done = false;
    char byte = 0;

    for (int turn = 0; turn < 8 && !(client_done && server_done); turn++) {
        client_done = wolfSSL_connect(client) == WOLFSSL_SUCCESS;
        server_done = wolfSSL_accept(server) == WOLFSSL_SUCCESS;
    }
    return client_done && server_done && wolfSSL_write(client, "x", 1) == 1 &&
                   wolfSSL_read(server, &byte, 1) == 1 && byte == 'x'
               ? 0
               : -1;
}

int tls_warm_up(struct leaves *leaves, const void *ca, size_t ca_len)
{
    struct wire wire;
    int result = -1;

    struct tls_peer peer = {.host = "placeholder.invalid"};

    buf_init(&wire.to_server, 1u << 20);
    buf_init(&wire.to_client, 1u << 20);
    WOLFSSL_CTX *server_ctx = new_server(leaves), *client_ctx = new_client();
    WOLFSSL *server = open_end(server_ctx, &wire, server_take, server_give);
    WOLFSSL *client = open_end(client_ctx, &wire, client_take, client_give);
    if (client != NULL)
        wolfSSL_SetCertCbCtx(client, &peer);
    if (server != NULL && client != NULL &&
        wolfSSL_CTX_load_verify_buffer(client_ctx, ca, (long)ca_len, WOLFSSL_FILETYPE_ASN1) ==
            WOLFSSL_SUCCESS &&
        wolfSSL_check_domain_name(client, peer.host) == WOLFSSL_SUCCESS)
        result = shake(server, client);
    wolfSSL_free(server);
    wolfSSL_free(client);
    wolfSSL_CTX_free(server_ctx);
    wolfSSL_CTX_free(client_ctx);
    buf_fini(&wire.to_server);
    buf_fini(&wire.to_client);
    return result;
}
