/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tls: both legs against each other over socket pairs, and the agent's against a client of wolfSSL's own. */
#include "proxy/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/ssl.h>

#include "proxy/limits.h"
#include "proxy/stream.h"
#include "tests/unit/suite.h"

#define NOWHERE "/nonexistent"

struct pair {
    uv_loop_t loop;
    struct leaves *leaves;
    struct tls_kit *kit;
    uint8_t authority[8192];
    struct stream *server, *client;
    int woken; /* events that the server's owner heard of */
    int fds[2];
};

static void on_server(void *ctx, int events)
{
    ((struct pair *)ctx)->woken |= events;
}

static void on_client(void *ctx, int events)
{
    (void)ctx;
    (void)events;
}

/* The CA of the pair as PEM, as a policy's extra_ca brings it. */
static char *pem_of(const uint8_t *authority)
{
    static char pem[8192];
    uint32_t len;

    memcpy(&len, authority, sizeof len);
    ck_assert_int_gt(wc_DerToPem(authority + sizeof len, len, (byte *)pem, sizeof pem, CERT_TYPE), 0);
    return pem;
}

static void pair_open(struct pair *pair)
{
    memset(pair, 0, sizeof *pair);
    uv_loop_init(&pair->loop);
    pair->leaves = leaves_new();
    size_t len = leaves_make_authority(pair->authority, sizeof pair->authority);
    ck_assert_int_eq(leaves_authority(pair->leaves, (struct str){(const char *)pair->authority, len}), 0);
    pair->kit = tls_kit_new(pair->leaves, NOWHERE);
    ck_assert_ptr_nonnull(pair->kit);
    ck_assert_int_eq(tls_kit_roots(pair->kit, str_of(pem_of(pair->authority))), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds), 0);
    const int small = 4096; /* so that writing has to wait */
    for (int i = 0; i < 2; i++)
        setsockopt(pair->fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    pair->server = stream_new(&pair->loop, pair->fds[0], on_server, pair);
    pair->client = stream_new(&pair->loop, pair->fds[1], on_client, pair);
}

static void pair_serve(struct pair *pair, const char *name)
{
    struct buf first;

    buf_init(&first, IN_MAX);
    const struct leaf *leaf = leaf_get(pair->leaves, name, false, time(NULL));
    ck_assert_int_eq(tls_serve(pair->kit, pair->server, leaf, true, &first), 0);
}

/* Returns the client's result. */
static int pair_shake(struct pair *pair)
{
    int server = -EAGAIN, client = -EAGAIN, events;

    for (int turn = 0; turn < 200 && (server == -EAGAIN || client == -EAGAIN); turn++) {
        if (client == -EAGAIN)
            client = tls_handshake(pair->client, &events);
        if (server == -EAGAIN)
            server = tls_handshake(pair->server, &events);
        if (client != 0 && client != -EAGAIN)
            break;
    }
    return client;
}

static void pair_close(struct pair *pair)
{
    stream_close(pair->server, false);
    stream_close(pair->client, false);
    uv_run(&pair->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&pair->loop), 0);
    tls_kit_free(pair->kit);
    leaves_free(pair->leaves);
}

static struct pair *pair_ready(void)
{
    static struct pair pair;

    pair_open(&pair);
    pair_serve(&pair, "a.test");
    ck_assert_int_eq(tls_connect(pair.kit, pair.client, "a.test"), 0);
    ck_assert_int_eq(pair_shake(&pair), 0);
    ck_assert_str_eq(tls_version(pair.client), "1.3");
    return &pair;
}

START_TEST(bytes_arrive_whole_however_little_room_there_is)
{
    enum { total = 300000 };
    struct pair *pair = pair_ready();
    struct buf out, in;
    size_t got = 0;

    buf_init(&out, total);
    buf_init(&in, IN_MAX);
    for (int i = 0; i < total; i++) {
        char byte = (char)(i % 251);
        buf_append(&out, &byte, 1);
    }
    for (int turn = 0; got < total && turn < 10000; turn++) {
        ck_assert_int_ge(stream_flush(pair->client, &out), 0);
        ssize_t read = stream_read(pair->server, &in, READ_SIZE);
        ck_assert(read > 0 || read == -EAGAIN);
        struct str bytes = buf_str(&in);
        for (size_t i = 0; i < bytes.len; i++)
            ck_assert_int_eq((unsigned char)bytes.ptr[i], (int)((got + i) % 251));
        got += bytes.len;
        buf_consume(&in, bytes.len);
    }
    ck_assert_uint_eq(got, total);
    ck_assert_uint_eq(out.len, 0);
    ck_assert(out.data == NULL && in.data == NULL);
    pair_close(pair);
}
END_TEST

START_TEST(bytes_that_wait_inside_wake_their_owner)
{
    struct pair *pair = pair_ready();
    struct buf out, in;

    buf_init(&out, IN_MAX);
    buf_init(&in, IN_MAX);
    for (int i = 0; i < 5; i++) { /* five records, read ahead together */
        ck_assert_int_eq(buf_append(&out, "0123456789", 10), 0);
        ck_assert_int_eq(stream_flush(pair->client, &out), 10);
    }
    ck_assert_int_eq(stream_read(pair->server, &in, 4), 4);
    stream_want(pair->server, UV_READABLE);
    for (size_t left = 46; left > 0;) {
        pair->woken = 0;
        uv_run(&pair->loop, UV_RUN_NOWAIT);
        ck_assert_int_eq(pair->woken, UV_READABLE);
        ssize_t got = stream_read(pair->server, &in, 4);
        ck_assert_int_gt(got, 0);
        left -= (size_t)got;
        stream_want(pair->server, UV_READABLE);
    }
    pair->woken = 0;
    ck_assert_int_eq(stream_read(pair->server, &in, 4), -EAGAIN);
    stream_want(pair->server, UV_READABLE);
    uv_run(&pair->loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(pair->woken, 0); /* and no more than that */
    buf_fini(&in);
    pair_close(pair);
}
END_TEST

START_TEST(an_end_with_close_notify_is_an_end)
{
    struct pair *pair = pair_ready();
    struct buf in;

    buf_init(&in, IN_MAX);
    stream_shutdown(pair->server);
    ck_assert_int_eq(stream_read(pair->client, &in, 100), 0);
    ck_assert_int_eq(stream_read(pair->client, &in, 100), 0);
    stream_shutdown(pair->client);
    ck_assert_int_eq(stream_read(pair->server, &in, 100), 0);
    pair_close(pair);
}
END_TEST

START_TEST(an_end_without_it_is_an_error_to_who_asked_and_an_end_to_who_answers)
{
    struct pair *pair = pair_ready();
    struct buf in;

    buf_init(&in, IN_MAX);
    shutdown(pair->fds[0], SHUT_WR);
    ssize_t end = -EAGAIN; /* tickets come first */
    for (int turn = 0; turn < 5 && end == -EAGAIN; turn++)
        end = stream_read(pair->client, &in, 100);
    ck_assert_int_eq(end, -ECONNABORTED);
    shutdown(pair->fds[1], SHUT_WR);
    ck_assert_int_eq(stream_read(pair->server, &in, 100), 0);
    pair_close(pair);
}
END_TEST

START_TEST(nothing_is_written_after_our_own_end)
{
    struct pair *pair = pair_ready();
    struct buf out;

    buf_init(&out, IN_MAX);
    stream_shutdown(pair->server);
    buf_append(&out, "late", 4);
    ck_assert_int_eq(stream_flush(pair->server, &out), -EPIPE);
    buf_fini(&out);
    pair_close(pair);
}
END_TEST

START_TEST(another_name_and_another_root_are_refused_with_words)
{
    static struct pair pair;

    pair_open(&pair);
    pair_serve(&pair, "other.test");
    ck_assert_int_eq(tls_connect(pair.kit, pair.client, "a.test"), 0);
    ck_assert_int_eq(pair_shake(&pair), -EPROTO);
    ck_assert_str_eq(tls_failure(pair.client).reason, "The certificate is for another host.");
    ck_assert_ptr_null(tls_version(pair.client));
    pair_close(&pair);

    int events;
    pair_open(&pair);
    ck_assert_int_eq(tls_kit_roots(pair.kit, str_of(NULL)), 0);
    pair_serve(&pair, "a.test");
    ck_assert_int_eq(tls_connect(pair.kit, pair.client, "a.test"), 0);
    ck_assert_int_eq(pair_shake(&pair), -EPROTO);
    ck_assert_ptr_nonnull(strstr(tls_failure(pair.client).reason, "issuer is unknown"));
    int result = -EAGAIN;
    for (int turn = 0; turn < 10 && result == -EAGAIN; turn++)
        result = tls_handshake(pair.server, &events);
    ck_assert_int_eq(result, -EPROTO);
    ck_assert(tls_failure(pair.server).refused); /* by the alert unknown_ca */
    pair_close(&pair);
}
END_TEST

START_TEST(a_wildcard_stands_for_the_whole_first_label_only)
{
    static const struct {
        const char *certificate, *host;
        bool good;
    } cases[] = {
        {"*.b.test", "a.b.test", true},
        {"*.B.Test", "a.b.test", true},
        {"*.b.test", "b.test", false},
        {"*.test", "a.b.test", false},
        {"a*.b.test", "ab.b.test", false},
        {"*a.b.test", "ba.b.test", false},
        {"a.*.test", "a.b.test", false},
        {"*.*.test", "a.b.test", false},
        {"*", "b.test", false},
        {"**.b.test", "a.b.test", false},
        {"a.b.test.", "a.b.test", false},
        {"a.b.test", "a.b.test", true},
    };
    static struct pair pair;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pair_open(&pair);
        pair_serve(&pair, cases[i].certificate);
        ck_assert_int_eq(tls_connect(pair.kit, pair.client, cases[i].host), 0);
        int result = pair_shake(&pair);
        ck_assert_msg(result == (cases[i].good ? 0 : -EPROTO), "%s for %s", cases[i].certificate,
                      cases[i].host);
        if (!cases[i].good)
            ck_assert_str_eq(tls_failure(pair.client).reason, "The certificate is for another host.");
        pair_close(&pair);
    }
}
END_TEST

START_TEST(names_that_cannot_be_verified_are_not_dialled)
{
    static const char *const names[] = {"gitea", "", "a.b_c", "192.0.2.1", "1.2.3", ".wild.test"};
    static struct pair pair;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pair_open(&pair);
#ifdef STOPPER_WOLFSSL_FALLBACK /* installs a check of any name, which then fails */
        pair_serve(&pair, "a.test");
        if (tls_connect(pair.kit, pair.client, names[i]) == 0)
            ck_assert_msg(pair_shake(&pair) == -EPROTO, "%s", names[i]);
#else
        ck_assert_msg(tls_connect(pair.kit, pair.client, names[i]) == -1, "%s", names[i]);
#endif
        pair_close(&pair);
    }
}
END_TEST

START_TEST(roots_that_cannot_be_read_are_not_trusted)
{
    static struct pair pair;

    pair_open(&pair);
    ck_assert_int_eq(
        tls_kit_roots(pair.kit, str_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
        -1);
    pair_serve(&pair, "a.test");
    ck_assert_int_eq(tls_connect(pair.kit, pair.client, "a.test"), 0);
    ck_assert_int_eq(pair_shake(&pair), -EPROTO);
    pair_close(&pair);
}
END_TEST

START_TEST(the_warm_up_is_a_whole_handshake)
{
    static struct pair pair;
    uint32_t len;

    pair_open(&pair);
    memcpy(&len, pair.authority, sizeof len);
    ck_assert_int_eq(tls_warm_up(pair.leaves, pair.authority + sizeof len, len), 0);
    leaves_forget(pair.leaves);
    ck_assert_int_eq(tls_warm_up(pair.leaves, pair.authority + sizeof len, len), -1);
    pair_close(&pair);
}
END_TEST

/* Shakes hands with a client of the test's own, which offers only this group and version. */
static const char *with_client(struct pair *pair, int group, int version)
{
    static char used[64];
    int done = 0, events;

    pair_open(pair);
    pair_serve(pair, "a.test");
    stream_want(pair->client, 0);
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(version == WOLFSSL_TLSV1_3 ? wolfTLSv1_3_client_method()
                                                                  : wolfTLSv1_2_client_method());
    uint32_t len;
    memcpy(&len, pair->authority, sizeof len);
    ck_assert_int_eq(
        wolfSSL_CTX_load_verify_buffer(ctx, pair->authority + sizeof len, len, WOLFSSL_FILETYPE_ASN1),
        WOLFSSL_SUCCESS);
    WOLFSSL *client = wolfSSL_new(ctx);
    wolfSSL_set_fd(client, pair->fds[1]);
    ck_assert_int_eq(wolfSSL_check_domain_name(client, "a.test"), WOLFSSL_SUCCESS);
    if (group != 0)
        ck_assert_int_eq(wolfSSL_UseKeyShare(client, (word16)group), WOLFSSL_SUCCESS);
    for (int turn = 0; turn < 100 && done != 3; turn++) {
        if (!(done & 1) && wolfSSL_connect(client) == WOLFSSL_SUCCESS)
            done |= 1;
        if (!(done & 2) && tls_handshake(pair->server, &events) == 0)
            done |= 2;
    }
    ck_assert_int_eq(done, 3);
    strncpy(used, wolfSSL_get_curve_name(client), sizeof used - 1);
    ck_assert_str_eq(tls_version(pair->server), version == WOLFSSL_TLSV1_3 ? "1.3" : "1.2");
    wolfSSL_free(client);
    wolfSSL_CTX_free(ctx);
    pair_close(pair);
    return used;
}

START_TEST(clients_of_every_kind_are_served)
{
    static struct pair pair;

#ifdef WOLFSSL_HAVE_MLKEM
    ck_assert_ptr_nonnull(strstr(with_client(&pair, WOLFSSL_X25519MLKEM768, WOLFSSL_TLSV1_3), "MLKEM768"));
#endif
    ck_assert_ptr_nonnull(strstr(with_client(&pair, WOLFSSL_ECC_X25519, WOLFSSL_TLSV1_3), "25519"));
    ck_assert_ptr_nonnull(strstr(with_client(&pair, WOLFSSL_ECC_SECP384R1, WOLFSSL_TLSV1_3), "384"));
    ck_assert_ptr_nonnull(with_client(&pair, 0, WOLFSSL_TLSV1_2));
}
END_TEST

SUITE_MAIN("tls", bytes_arrive_whole_however_little_room_there_is, bytes_that_wait_inside_wake_their_owner,
           an_end_with_close_notify_is_an_end,
           an_end_without_it_is_an_error_to_who_asked_and_an_end_to_who_answers,
           nothing_is_written_after_our_own_end, another_name_and_another_root_are_refused_with_words,
           a_wildcard_stands_for_the_whole_first_label_only, names_that_cannot_be_verified_are_not_dialled,
           roots_that_cannot_be_read_are_not_trusted, the_warm_up_is_a_whole_handshake,
           clients_of_every_kind_are_served)
