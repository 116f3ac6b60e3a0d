/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/key_parts: of every kind of key and form of file the private parts, which the library confirms, and nothing else. */
#include "init/key_parts.h"

#include <stdlib.h>
#include <string.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "core/keys.h"
#include "tests/dlp/keys.h"
#include "tests/unit/suite.h"

static struct str text_of(const struct test_key *key)
{
    return (struct str){key->text, key->len};
}

static void read_key(const struct test_key *key, struct key_parts *parts)
{
    ck_assert_ptr_null(keys_problem(text_of(key)));
    const char *problem = key_parts_read(text_of(key), parts);
    ck_assert_msg(problem == NULL, "%s", problem);
}

/* The blob of a line of authorized_keys (RFC 4253 section 6.6). */
static size_t public_blob(const struct test_key *key, uint8_t blob[2048])
{
    const char *from = strchr(key->public, ' ') + 1, *to = strchr(from, ' ');
    word32 len = 2048;

    ck_assert_int_eq(Base64_Decode((const byte *)from, (word32)(to - from), blob, &len), 0);
    return len;
}

static bool within(const uint8_t *bytes, size_t len, const struct key_part *part)
{
    return memmem(bytes, len, part->bytes, part->len) != NULL;
}

/* Nothing of a part is in the public file. */
static void is_private(const struct test_key *key, const struct key_parts *parts)
{
    uint8_t blob[2048];
    size_t len = public_blob(key, blob);

    for (size_t i = 0; i < parts->count; i++)
        for (size_t at = 0; at + 8 <= parts->list[i].len; at++)
            ck_assert(memmem(blob, len, parts->list[i].bytes + at, 8) == NULL);
}

START_TEST(of_ed25519_the_seed_alone)
{
    struct test_key key, other;
    struct key_parts parts, again;
    uint8_t blob[2048], public[32];
    ed25519_key made;

    test_key_make(&key, "-t ed25519");
    read_key(&key, &parts);
    ck_assert_uint_eq(parts.count, 1);
    ck_assert_uint_le(parts.list[0].len, 32);
    ck_assert_uint_ge(parts.list[0].len, 30); /* zeros in front go */
    uint8_t seed[32] = {0};
    memcpy(seed + 32 - parts.list[0].len, parts.list[0].bytes, parts.list[0].len);
    ck_assert_int_eq(wc_ed25519_init(&made), 0);
    ck_assert_int_eq(wc_ed25519_import_private_only(seed, 32, &made), 0);
    ck_assert_int_eq(wc_ed25519_make_public(&made, public, 32), 0);
    size_t len = public_blob(&key, blob);
    ck_assert_mem_eq(blob + len - 32, public, 32);
    wc_ed25519_free(&made);
    is_private(&key, &parts);

    test_key_ed25519(seed, &other);
    read_key(&other, &again);
    ck_assert_uint_eq(again.count, 1);
    ck_assert_uint_eq(again.list[0].len, parts.list[0].len);
    ck_assert_mem_eq(again.list[0].bytes, parts.list[0].bytes, parts.list[0].len);
    key_parts_free(&parts);
    key_parts_free(&again);
}
END_TEST

/* The number of an RSA key that the library read is the part. */
static void is_number(mp_int *number, const struct key_part *part)
{
    uint8_t bytes[1024];

    ck_assert_int_eq(mp_unsigned_bin_size(number), (int)part->len);
    ck_assert_int_eq(mp_to_unsigned_bin(number, bytes), 0);
    ck_assert_mem_eq(bytes, part->bytes, part->len);
}

static void rsa(const char *options)
{
    static struct test_key key, pem, pkcs8;
    struct key_parts parts, in_pem, in_pkcs8;
    uint8_t bytes[8192];
    RsaKey made;
    word32 at = 0;

    test_key_make(&key, options);
    test_key_convert(&key, "PEM", "", &pem);
    test_key_convert(&key, "PKCS8", "", &pkcs8);
    ck_assert_ptr_nonnull(strstr(pem.text, "BEGIN RSA PRIVATE KEY"));
    ck_assert_ptr_nonnull(strstr(pkcs8.text, "BEGIN PRIVATE KEY"));
    read_key(&key, &parts);
    read_key(&pem, &in_pem);
    read_key(&pkcs8, &in_pkcs8);
    ck_assert_int_eq(wc_InitRsaKey(&made, NULL), 0);
    ck_assert_int_eq(wc_RsaPrivateKeyDecode(bytes, &at, &made, (word32)test_key_bytes(text_of(&pem), bytes)),
                     0);
    mp_int *numbers[] = {&made.d, &made.p, &made.q, &made.dP, &made.dQ, &made.u};
    ck_assert_uint_eq(in_pem.count, 6);
    ck_assert_uint_eq(in_pkcs8.count, 6);
    for (size_t i = 0; i < 6; i++) {
        is_number(numbers[i], &in_pem.list[i]);
        is_number(numbers[i], &in_pkcs8.list[i]);
    }
    mp_int *own[] = {&made.d, &made.u, &made.p, &made.q};
    ck_assert_uint_eq(parts.count, 4);
    for (size_t i = 0; i < 4; i++)
        is_number(own[i], &parts.list[i]);
    wc_FreeRsaKey(&made);
    is_private(&key, &parts);
    is_private(&key, &in_pem);
    key_parts_free(&parts);
    key_parts_free(&in_pem);
    key_parts_free(&in_pkcs8);
}

START_TEST(of_rsa_what_the_library_reads)
{
    rsa("-t rsa -b 2048");
    rsa("-t rsa -b 4096");
}
END_TEST

static void ecdsa(const char *options, int curve)
{
    static struct test_key key, pem, pkcs8;
    struct test_key *const all[] = {&key, &pem, &pkcs8};
    uint8_t blob[2048], point[256];
    word32 len = sizeof point;
    ecc_key made;
    WC_RNG rng;

    test_key_make(&key, options);
    test_key_convert(&key, "PEM", "", &pem);
    test_key_convert(&key, "PKCS8", "", &pkcs8);
    ck_assert_ptr_nonnull(strstr(pem.text, "BEGIN EC PRIVATE KEY"));
    ck_assert_ptr_nonnull(strstr(pkcs8.text, "BEGIN PRIVATE KEY"));
    ck_assert_int_eq(wc_InitRng(&rng), 0);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct key_parts parts;
        read_key(all[i], &parts);
        ck_assert_uint_eq(parts.count, 1);
        ck_assert_int_eq(wc_ecc_init(&made), 0);
        ck_assert_int_eq(wc_ecc_import_private_key_ex(parts.list[0].bytes, (word32)parts.list[0].len, NULL, 0,
                                                      &made, curve),
                         0);
        ck_assert_int_eq(wc_ecc_make_pub_ex(&made, NULL, &rng), 0);
        len = sizeof point;
        ck_assert_int_eq(wc_ecc_export_x963(&made, point, &len), 0);
        ck_assert(within(blob, public_blob(&key, blob), &(struct key_part){point, len}));
        wc_ecc_free(&made);
        is_private(&key, &parts);
        key_parts_free(&parts);
    }
    wc_FreeRng(&rng);
}

START_TEST(of_ecdsa_the_number_whose_point_is_the_public_key)
{
    ecdsa("-t ecdsa -b 256", ECC_SECP256R1);
    ecdsa("-t ecdsa -b 384", ECC_SECP384R1);
    ecdsa("-t ecdsa -b 521", ECC_SECP521R1);
}
END_TEST

static void wrong(const char *text, const char *words)
{
    struct key_parts parts;
    const char *problem = key_parts_read(str_of(text), &parts);

    ck_assert_msg(problem != NULL, "%s", text);
    ck_assert_str_eq(problem, words);
    key_parts_free(&parts);
}

START_TEST(what_is_no_key_or_of_another_kind_is_not_taken)
{
    static const char unknown[] =
        "is of a kind whose private part is not known (RSA, ECDSA, Ed25519 and DSA are)";
    static struct test_key key, locked;
    struct key_parts parts;

    wrong("", unknown);
    wrong("-----BEGIN OPENSSH PRIVATE KEY-----", "is damaged");
    wrong("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "is damaged");
    wrong("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIP7n\n-----END PRIVATE KEY-----\n", "is damaged");
    /* Ed448 */
    wrong("-----BEGIN PRIVATE "
          "KEY-----\nMEcCAQAwBQYDK2VxBDsEOWyCpWLLgI0Q1jK+ichRPr9skp803fqMn2PJlg7240ij\nUoyKP8wvBE45o/"
          "xblEkvjwMudUmiAJj5"
          "Ww==\n-----END PRIVATE KEY-----\n",
          unknown);
    test_key_make(&key, "-t ed25519");
    test_key_convert(&key, "RFC4716", "a passphrase", &locked);
    ck_assert_ptr_nonnull(keys_problem(text_of(&locked))); /* the control: it does not come so far */
    ck_assert_str_eq(key_parts_read(text_of(&locked), &parts), "is damaged");
    key_parts_free(&parts);
}
END_TEST

static const char *read_bytes(const char *label, const uint8_t *bytes, size_t len, struct key_parts *parts)
{
    static char text[16384];
    word32 digits = 12000;
    size_t at = (size_t)snprintf(text, sizeof text, "-----BEGIN %s-----\n", label);

    ck_assert_int_eq(Base64_Encode(bytes, (word32)len, (byte *)text + at, &digits), 0);
    at += digits;
    at += (size_t)snprintf(text + at, sizeof text - at, "-----END %s-----\n", label);
    return key_parts_read((struct str){text, at}, parts);
}

/* Cut at every byte, and with every byte changed to a few others: read to an end, and parts stay within. */
static void hurt(const struct test_key *key, const char *label)
{
    static uint8_t bytes[8192], copy[8192];
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    size_t len = test_key_bytes(text_of(key), bytes);
    struct key_parts parts;

    for (size_t i = 1; i < len; i++) {
        ck_assert_msg(read_bytes(label, bytes, i, &parts) != NULL, "cut to %zu of %zu", i, len);
        key_parts_free(&parts);
    }
    for (size_t i = 0; i < len; i++)
        for (size_t mask = 0; mask < sizeof masks; mask++) {
            memcpy(copy, bytes, len);
            copy[i] ^= masks[mask];
            read_bytes(label, copy, len, &parts);
            for (size_t at = 0; at < parts.count; at++) {
                ck_assert(parts.list[at].bytes >= parts.memory);
                ck_assert(parts.list[at].bytes + parts.list[at].len <= parts.memory + len);
            }
            key_parts_free(&parts);
        }
    ck_assert_ptr_null(read_bytes(label, bytes, len, &parts)); /* the control */
    key_parts_free(&parts);
}

START_TEST(damaged_keys_are_read_within_their_bounds)
{
    static struct test_key key, other;

    test_key_make(&key, "-t ed25519");
    hurt(&key, "OPENSSH PRIVATE KEY");
    test_key_make(&key, "-t ecdsa -b 256");
    test_key_convert(&key, "PEM", "", &other);
    hurt(&other, "EC PRIVATE KEY");
    test_key_convert(&key, "PKCS8", "", &other);
    hurt(&other, "PRIVATE KEY");
    test_key_make(&key, "-t rsa -b 1024");
    hurt(&key, "OPENSSH PRIVATE KEY");
    test_key_convert(&key, "PEM", "", &other);
    hurt(&other, "RSA PRIVATE KEY");
}
END_TEST

SUITE_MAIN("key_parts", of_ed25519_the_seed_alone, of_rsa_what_the_library_reads,
           of_ecdsa_the_number_whose_point_is_the_public_key, what_is_no_key_or_of_another_kind_is_not_taken,
           damaged_keys_are_read_within_their_bounds)
