/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leaf: what is forged is checked by another implementation, the openssl program, in its strict mode. */
#include "proxy/leaf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wolfssl/wolfcrypt/settings.h>

#include "tests/unit/suite.h"

#ifdef STOPPER_WOLFSSL_FALLBACK
#define STRICT                                                                                               \
    "" /* its authorities' basic constraints are not critical, as RFC 5280 section 4.2.1.9 wants them */
#else
#define STRICT "-x509_strict "
#endif

static char folder[] = "/tmp/stopper-leaf-XXXXXX";

static struct leaves *leaves_with_authority(uint8_t bytes[8192], size_t *len)
{
    struct leaves *leaves = leaves_new();

    ck_assert_ptr_nonnull(leaves);
    *len = leaves_make_authority(bytes, 8192);
    ck_assert_uint_gt(*len, 0);
    ck_assert(!leaves_ready(leaves));
    ck_assert_ptr_null(leaf_get(leaves, "early.test", false, time(NULL)));
    ck_assert_int_eq(leaves_authority(leaves, (struct str){(const char *)bytes, *len}), 0);
    ck_assert(leaves_ready(leaves));
    return leaves;
}

static void store(const char *name, const void *der, size_t len)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(der, 1, len, file), len);
    fclose(file);
}

/* Runs a command line in the folder; what it prints goes to `out`. Returns its status. */
static int run(const char *command, char *out, size_t size)
{
    char line[1024];

    snprintf(line, sizeof line, "cd %s && { %s; } 2>&1", folder, command);
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t len = fread(out, 1, size - 1, pipe);
    out[len] = '\0';
    return pclose(pipe);
}

START_TEST(strict_openssl_accepts_every_kind_of_name)
{
    static const struct {
        const char *name;
        size_t repeat; /* times 10 bytes in front */
        bool address;
    } cases[] = {
        {"a.test", 0, false},   {"api.example.com", 0, false}, {"name-of-63-bytes.test", 4, false},
        {"x.te", 6, false},     {"long.test", 19, false},      {"long.test", 24, false},
        {"192.0.2.1", 0, true},
    };
    static uint8_t bytes[8192];
    size_t len;
    struct leaves *leaves = leaves_with_authority(bytes, &len);
    uint32_t ca_len;

    memcpy(&ca_len, bytes, sizeof ca_len);
    store("ca.der", bytes + sizeof ca_len, ca_len);
    char made[256];
    ck_assert_int_eq(run("openssl x509 -inform DER -in ca.der -out ca.pem", made, sizeof made), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[300] = "", command[600], out[8192];
        for (size_t j = 0; j < cases[i].repeat; j++)
            strcat(name, "bcdefghij.");
        strcat(name, cases[i].name);
        const struct leaf *leaf = leaf_get(leaves, name, cases[i].address, time(NULL));
        ck_assert_ptr_nonnull(leaf);
        store("leaf.der", leaf->der, leaf->len);
        snprintf(
            command, sizeof command,
            "openssl verify " STRICT "-purpose sslserver -%s %s -CAfile ca.pem leaf.der && "
            "openssl x509 -noout -text -checkend %ld -in leaf.der", /* still valid an hour before its end */
            cases[i].address ? "verify_ip" : "verify_hostname", name, LEAF_VALID - 3600);
        ck_assert_msg(run(command, out, sizeof out) == 0, "%s: %s", name, out);
        ck_assert_ptr_nonnull(strstr(out, "O = Stopper"));
        ck_assert_ptr_nonnull(strstr(out, "TLS Web Server Authentication"));
        ck_assert_ptr_nonnull(strstr(out, "Digital Signature"));
        ck_assert_ptr_nonnull(strstr(out, "X509v3 Authority Key Identifier"));
        ck_assert_ptr_nonnull(strstr(out, "X509v3 Subject Key Identifier"));
        snprintf(command, sizeof command, "Subject: O = Stopper, CN = %s\n", name);
        ck_assert_int_eq(strstr(out, command) != NULL, strlen(name) < 64);
    }
    leaves_free(leaves);
}
END_TEST

START_TEST(an_hour_off_in_either_direction_is_fine)
{
    static uint8_t bytes[8192];
    size_t len;
    struct leaves *leaves = leaves_with_authority(bytes, &len);
    uint32_t ca_len;
    char command[400], out[4096];
    const struct leaf *leaf = leaf_get(leaves, "a.test", false, time(NULL));

    memcpy(&ca_len, bytes, sizeof ca_len);
    store("ca.der", bytes + sizeof ca_len, ca_len);
    store("leaf.der", leaf->der, leaf->len);
    for (long off = -3600; off <= 3600; off += 7200) {
        snprintf(command, sizeof command,
                 "openssl x509 -inform DER -in ca.der -out ca.pem && openssl x509 -inform DER -in leaf.der "
                 "-out leaf.pem && "
                 "openssl verify " STRICT "-attime %lld -CAfile ca.pem leaf.pem",
                 (long long)time(NULL) + off);
        ck_assert_msg(run(command, out, sizeof out) == 0, "%s", out);
    }
    leaves_free(leaves);
}
END_TEST

START_TEST(the_cache_serves_is_bounded_and_makes_anew_what_ages)
{
    static uint8_t bytes[8192];
    size_t len;
    struct leaves *leaves = leaves_with_authority(bytes, &len);
    time_t now = time(NULL);
    char name[64];

    const struct leaf *first = leaf_get(leaves, "kept.test", false, now);
    leaf_trusted(leaves, "kept.test");
    leaf_trusted(leaves, "unknown.test");
    ck_assert_ptr_eq(leaf_get(leaves, "kept.test", false, now + 3600), first);
    ck_assert_uint_eq(leaves_made(leaves), 1);
    for (int i = 0; i < 3 * LEAF_CACHE_MAX; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        ck_assert_ptr_nonnull(leaf_get(leaves, name, false, now));
        if (i % 100 == 0)
            ck_assert_ptr_eq(leaf_get(leaves, "kept.test", false, now), first); /* used: it stays */
    }
    ck_assert_uint_eq(leaves_count(leaves), LEAF_CACHE_MAX);
    uint64_t made = leaves_made(leaves);
    ck_assert_ptr_nonnull(leaf_get(leaves, "n0.test", false, now)); /* not used: it went */
    ck_assert_uint_eq(leaves_made(leaves), made + 1);
    const struct leaf *again = leaf_get(leaves, "kept.test", false, now + LEAF_VALID - LEAF_RENEW);
    ck_assert_uint_eq(leaves_made(leaves), made + 2);
    ck_assert(again->trusted);
    ck_assert_ptr_nonnull(
        leaf_get(leaves, "kept.test", false, now - 30 * LEAF_BACKDATE)); /* the clock was set back */
    ck_assert_uint_eq(leaves_made(leaves), made + 3);
    leaves_free(leaves);
}
END_TEST

START_TEST(an_authority_that_is_not_whole_or_no_pair_is_refused)
{
    static uint8_t bytes[8192], other[8192], mixed[8192];
    size_t len, other_len = leaves_make_authority(other, sizeof other);
    struct leaves *leaves = leaves_with_authority(bytes, &len);
    uint32_t cert_len, other_cert_len;

    for (size_t cut = 0; cut < len; cut += 7)
        ck_assert_int_eq(leaves_authority(leaves, (struct str){(const char *)bytes, cut}), -1);
    ck_assert_int_eq(leaves_authority(leaves, (struct str){(const char *)bytes, len + 1}), -1);
    memcpy(&cert_len, bytes, sizeof cert_len);
    memcpy(&other_cert_len, other, sizeof other_cert_len);
    memcpy(mixed, bytes, sizeof cert_len + cert_len);
    size_t rest = other_len - sizeof other_cert_len - other_cert_len;
    memcpy(mixed + sizeof cert_len + cert_len, other + sizeof other_cert_len + other_cert_len, rest);
    size_t mixed_len = sizeof cert_len + cert_len + rest;
    ck_assert_int_eq(leaves_authority(leaves, (struct str){(const char *)mixed, mixed_len}), -1);
    ck_assert(leaves_ready(leaves));
    ck_assert_int_eq(leaves_authority(leaves, (struct str){(const char *)other, other_len}), 0);
    leaves_free(leaves);
    ck_assert_uint_eq(leaves_make_authority(bytes, 100), 0);
}
END_TEST

START_TEST(a_leaf_costs_microseconds)
{
    static uint8_t bytes[8192];
    size_t len;
    struct leaves *leaves = leaves_with_authority(bytes, &len);
    struct timespec from, to;
    char name[64];
    enum { COUNT = 500 };

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        leaf_get(leaves, name, false, 1800000000);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    printf("%.1f us of CPU a forged leaf\n",
           ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e3 / COUNT);
    ck_assert_uint_eq(leaves_made(leaves), COUNT);
    leaves_free(leaves);
}
END_TEST

static pid_t owner; /* not the tests' own processes */

static void remove_folder(void)
{
    static const char *const files[] = {"ca.der", "ca.pem", "leaf.der", "leaf.pem"};

    if (getpid() != owner)
        return;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

__attribute__((constructor)) static void make_folder(void)
{
    if (mkdtemp(folder) == NULL)
        abort();
    owner = getpid();
    atexit(remove_folder);
}

SUITE_MAIN("leaf", strict_openssl_accepts_every_kind_of_name, an_hour_off_in_either_direction_is_fine,
           the_cache_serves_is_bounded_and_makes_anew_what_ages,
           an_authority_that_is_not_whole_or_no_pair_is_refused, a_leaf_costs_microseconds)
