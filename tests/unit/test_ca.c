/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bottle's CA: what it hands out is read back by the library, and by openssl(1) at its strictest. */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include "core/str.h"
#include "init/ca.h"
#include "sys/channel.h"
#include "tests/unit/suite.h"

static void make(struct ca *ca)
{
    struct err err;
    ck_assert_msg(ca_make(ca, &err) == 0, "%s", err.text);
}

/* Runs a shell's line with the PEM in the file $CA; its output goes to out. Returns the status. */
static int command(const struct ca *ca, const char *line, char out[4096])
{
    char name[] = "/tmp/test_ca.XXXXXX";
    int fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, ca->pem, strlen(ca->pem)), (ssize_t)strlen(ca->pem));
    close(fd);
    setenv("CA", name, 1);
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t len = fread(out, 1, 4095, pipe);
    out[len] = '\0';
    int status = pclose(pipe);
    unlink(name);
    return status;
}

START_TEST(openssl_accepts_it_strictly)
{
    struct ca ca;
    char out[4096];
    make(&ca);
    ck_assert_msg(command(&ca, "openssl verify -x509_strict -check_ss_sig -CAfile $CA $CA 2>&1", out) == 0,
                  "%s", out);
    ca_fini(&ca);
}
END_TEST

START_TEST(the_certificate_says_what_it_may)
{
    static const char *const wanted[] = {
#ifdef STOPPER_WOLFSSL_FALLBACK /* that one cannot say that they are critical */
        "X509v3 Basic Constraints: \n                CA:TRUE, pathlen:0\n",
#else
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0\n",
#endif
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
        "X509v3 Subject Key Identifier:",
        "Signature Algorithm: ecdsa-with-SHA256",
        "ASN1 OID: prime256v1",
        "Subject: O = Stopper, CN = Stopper CA of bottle ",
        "Issuer: O = Stopper, CN = Stopper CA of bottle ",
    };
    struct ca ca;
    char out[4096];
    make(&ca);
    ck_assert_int_eq(command(&ca, "openssl x509 -noout -text -in $CA 2>&1", out), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        ck_assert_msg(strstr(out, wanted[i]) != NULL, "%s\nis not in\n%s", wanted[i], out);
    /* valid since a day, and for a bounded time */
    ck_assert_int_eq(command(&ca, "openssl x509 -noout -checkend 0 -in $CA >/dev/null", out), 0);
    ck_assert_int_eq(command(&ca, "openssl x509 -noout -checkend 31400000 -in $CA >/dev/null", out), 0);
    ck_assert_int_ne(command(&ca, "openssl x509 -noout -checkend 31600000 -in $CA >/dev/null", out), 0);
    ck_assert_int_eq(
        command(&ca, "openssl verify -attime $(($(date +%s) - 86000)) -CAfile $CA $CA 2>&1", out), 0);
    ca_fini(&ca);
}
END_TEST

START_TEST(the_subject_hash_is_openssls)
{
    struct ca ca;
    char out[4096];
    make(&ca);
    ck_assert_int_eq(command(&ca, "openssl x509 -noout -subject_hash -in $CA", out), 0);
    out[strcspn(out, "\n")] = '\0';
    ck_assert_str_eq(out, ca.subject_hash);
    ca_fini(&ca);
}
END_TEST

static uint32_t take(struct str *rest, const char **part)
{
    uint32_t len;
    ck_assert_uint_ge(rest->len, sizeof len);
    memcpy(&len, rest->ptr, sizeof len);
    ck_assert_uint_ge(rest->len - sizeof len, len);
    *part = rest->ptr + sizeof len;
    *rest = (struct str){*part + len, rest->len - sizeof len - len};
    return len;
}

START_TEST(the_memfd_holds_the_certificate_and_its_key)
{
    const char *cert, *key;
    struct str all;
    struct ca ca;
    ecc_key parsed;
    word32 at = 0;
    make(&ca);
    int fd = ca_memfd(&ca);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(channel_map(fd, CHANNEL_CA_MAX, &all), 0);
    struct str rest = all;
    uint32_t cert_len = take(&rest, &cert), key_len = take(&rest, &key);
    ck_assert_uint_eq(rest.len, 0);
    ck_assert_uint_eq(cert_len, ca.cert_len);
    ck_assert_int_eq(memcmp(cert, ca.cert, cert_len), 0);
    ck_assert_int_eq(wc_ecc_init(&parsed), 0);
    ck_assert_int_eq(wc_EccPrivateKeyDecode((const byte *)key, &at, &parsed, key_len), 0);
    ck_assert_uint_eq(at, key_len);
    ck_assert_int_eq(wc_ecc_check_key(&parsed), 0);
    wc_ecc_free(&parsed);
    munmap((void *)(uintptr_t)all.ptr, all.len);
    close(fd);
    ca_fini(&ca);
}
END_TEST

START_TEST(no_two_are_alike)
{
    struct ca one, two;
    make(&one);
    make(&two);
    ck_assert_str_ne(one.pem, two.pem);
    ck_assert_str_ne(one.subject_hash, two.subject_hash);
    ck_assert(one.key_len != two.key_len || memcmp(one.key, two.key, one.key_len) != 0);
    ca_fini(&one);
    ca_fini(&two);
    ck_assert_ptr_null(one.key);
    ck_assert_uint_eq(one.key_len, 0);
}
END_TEST

SUITE_MAIN("ca", openssl_accepts_it_strictly, the_certificate_says_what_it_may, the_subject_hash_is_openssls,
           the_memfd_holds_the_certificate_and_its_key, no_two_are_alike)
