/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The wolfSSL that deps.sh built: the right version, known answers, and a TLS 1.3 handshake in memory with a
 * certificate made on the spot, which a client must refuse under another name or under another root.
 */
#include <stdlib.h>
#include <string.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "tests/unit/suite.h"

/* One direction of a connection. */
struct pipe {
    char bytes[65536];
    size_t head, len;
};

struct end {
    struct pipe *in, *out;
};

struct identity {
    unsigned char cert[2048], key[256];
    int cert_len, key_len;
};

static int take(WOLFSSL *ssl, char *buf, int size, void *ctx)
{
    struct pipe *pipe = ((struct end *)ctx)->in;
    size_t n = pipe->len - pipe->head < (size_t)size ? pipe->len - pipe->head : (size_t)size;
    if (n == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    memcpy(buf, pipe->bytes + pipe->head, n);
    pipe->head += n;
    return (int)n;
}

static int give(WOLFSSL *ssl, char *buf, int size, void *ctx)
{
    struct pipe *pipe = ((struct end *)ctx)->out;
    ck_assert_uint_le(pipe->len + (size_t)size, sizeof pipe->bytes);
    memcpy(pipe->bytes + pipe->len, buf, (size_t)size);
    pipe->len += (size_t)size;
    return size;
}

/* A self-signed P-256 certificate for the name. */
static void identity_make(struct identity *id, const char *name)
{
    WC_RNG rng;
    ecc_key key;
    Cert cert;
    ck_assert_int_eq(wc_InitRng(&rng), 0);
    ck_assert_int_eq(wc_ecc_init(&key), 0);
    ck_assert_int_eq(wc_ecc_make_key_ex(&rng, 32, &key, ECC_SECP256R1), 0);
    id->key_len = wc_EccKeyToDer(&key, id->key, sizeof id->key);
    ck_assert_int_gt(id->key_len, 0);
    ck_assert_int_eq(wc_InitCert(&cert), 0);
    strncpy(cert.subject.commonName, name, CTC_NAME_SIZE - 1);
    cert.isCA = 1;
    cert.sigType = CTC_SHA256wECDSA;
    size_t n = strlen(name);
    const unsigned char san[] = {0x30, (unsigned char)(n + 2), 0x82,
                                 (unsigned char)n}; /* SEQUENCE of one dNSName */
    memcpy(cert.altNames, san, sizeof san);
    memcpy(cert.altNames + sizeof san, name, n);
    cert.altNamesSz = (int)(sizeof san + n);
    ck_assert_int_gt(wc_MakeCert(&cert, id->cert, sizeof id->cert, NULL, &key, &rng), 0);
    id->cert_len = wc_SignCert(cert.bodySz, cert.sigType, id->cert, sizeof id->cert, NULL, &key, &rng);
    ck_assert_int_gt(id->cert_len, 0);
    wc_ecc_free(&key);
    wc_FreeRng(&rng);
}

static WOLFSSL *open_end(WOLFSSL_CTX *ctx, struct end *end)
{
    wolfSSL_CTX_SetIORecv(ctx, take);
    wolfSSL_CTX_SetIOSend(ctx, give);
    WOLFSSL *ssl = wolfSSL_new(ctx);
    ck_assert_ptr_nonnull(ssl);
    wolfSSL_SetIOReadCtx(ssl, end);
    wolfSSL_SetIOWriteCtx(ssl, end);
    return ssl;
}

/* Shakes hands as a server with id, and as a client that wants name and trusts root. Returns 0, else the
 * client's error. On success a message goes each way, and group receives the name of the key exchange. */
static int handshake(const struct identity *id, const struct identity *root, const char *name, char group[32])
{
    static struct pipe up, down;
    up = down = (struct pipe){.len = 0};
    struct end client_end = {.in = &down, .out = &up}, server_end = {.in = &up, .out = &down};
    WOLFSSL_CTX *server_ctx = wolfSSL_CTX_new(wolfTLSv1_3_server_method());
    WOLFSSL_CTX *client_ctx = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    ck_assert_int_eq(
        wolfSSL_CTX_use_certificate_buffer(server_ctx, id->cert, id->cert_len, WOLFSSL_FILETYPE_ASN1),
        WOLFSSL_SUCCESS);
    ck_assert_int_eq(
        wolfSSL_CTX_use_PrivateKey_buffer(server_ctx, id->key, id->key_len, WOLFSSL_FILETYPE_ASN1),
        WOLFSSL_SUCCESS);
    ck_assert_int_eq(
        wolfSSL_CTX_load_verify_buffer(client_ctx, root->cert, root->cert_len, WOLFSSL_FILETYPE_ASN1),
        WOLFSSL_SUCCESS);
    WOLFSSL *server = open_end(server_ctx, &server_end), *client = open_end(client_ctx, &client_end);
    ck_assert_int_eq(wolfSSL_check_domain_name(client, name), WOLFSSL_SUCCESS);
#ifdef WOLFSSL_HAVE_MLKEM
    ck_assert_int_eq(wolfSSL_UseKeyShare(client, WOLFSSL_X25519MLKEM768), WOLFSSL_SUCCESS);
#endif

    int error = 0, done = 0;
    for (int turn = 0; turn < 10 && done != 3 && !error; turn++) {
        if (wolfSSL_connect(client) == WOLFSSL_SUCCESS)
            done |= 1;
        else if (!wolfSSL_want_read(client))
            error = wolfSSL_get_error(client, -1);
        if (wolfSSL_accept(server) == WOLFSSL_SUCCESS)
            done |= 2;
    }
    if (!error) {
        char text[8] = "";
        ck_assert_int_eq(done, 3);
        ck_assert_int_eq(wolfSSL_write(client, "ping", 5), 5);
        ck_assert_int_eq(wolfSSL_read(server, text, sizeof text), 5);
        ck_assert_str_eq(text, "ping");
        ck_assert_int_eq(wolfSSL_write(server, "pong", 5), 5);
        ck_assert_int_eq(wolfSSL_read(client, text, sizeof text), 5);
        ck_assert_str_eq(text, "pong");
        ck_assert_str_eq(wolfSSL_get_version(client), "TLSv1.3");
        strncpy(group, wolfSSL_get_curve_name(client), 31);
    }
    wolfSSL_free(client);
    wolfSSL_free(server);
    wolfSSL_CTX_free(client_ctx);
    wolfSSL_CTX_free(server_ctx);
    return error;
}

START_TEST(version_is_the_pinned_one)
{
    ck_assert_str_eq(wolfSSL_lib_version(), LIBWOLFSSL_VERSION_STRING);
#ifdef STOPPER_WOLFSSL_FALLBACK
    ck_assert_str_eq(wolfSSL_lib_version(), "5.7.2");
#else
    ck_assert_str_eq(wolfSSL_lib_version(), "5.9.2");
#endif
}
END_TEST

START_TEST(sha256_gives_the_known_answer)
{
    static const unsigned char want[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                         0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                         0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    unsigned char got[WC_SHA256_DIGEST_SIZE];
    ck_assert_int_eq(wc_Sha256Hash((const unsigned char *)"abc", 3, got), 0);
    ck_assert_mem_eq(got, want, sizeof want);
}
END_TEST

START_TEST(handshake_succeeds_and_is_post_quantum)
{
    struct identity id;
    char group[32] = "";
    identity_make(&id, "allowed.test");
    ck_assert_int_eq(handshake(&id, &id, "allowed.test", group), 0);
#ifdef WOLFSSL_HAVE_MLKEM
    ck_assert_ptr_nonnull(strstr(group, "MLKEM768"));
#endif
}
END_TEST

START_TEST(another_name_is_refused)
{
    struct identity id;
    char group[32];
    identity_make(&id, "allowed.test");
    ck_assert_int_eq(handshake(&id, &id, "other.test", group), DOMAIN_NAME_MISMATCH);
}
END_TEST

START_TEST(another_root_is_refused)
{
    struct identity id, other;
    char group[32];
    identity_make(&id, "allowed.test");
    identity_make(&other, "other.test");
    ck_assert_int_eq(handshake(&id, &other, "allowed.test", group), ASN_NO_SIGNER_E);
}
END_TEST

int main(void)
{
    wolfSSL_Init();
    TCase *tcase = tcase_create("as built");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, version_is_the_pinned_one);
    tcase_add_test(tcase, sha256_gives_the_known_answer);
    tcase_add_test(tcase, handshake_succeeds_and_is_post_quantum);
    tcase_add_test(tcase, another_name_is_refused);
    tcase_add_test(tcase, another_root_is_refused);
    int status = suite_run_case("wolfssl", tcase);
    wolfSSL_Cleanup();
    return status;
}
