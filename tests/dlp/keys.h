/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keys: private keys as ssh-keygen(1) makes them, for tests. */
#ifndef TESTS_DLP_KEYS_H
#define TESTS_DLP_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct test_key {
    char text[8192], public[2048]; /* the files */
    size_t len;
};

/* A new key of these options ("-t rsa -b 2048"). Ends the test when there is no ssh-keygen. */
void test_key_make(struct test_key *key, const char *options);

/* The same key in another format ("PEM", "PKCS8", "RFC4716", which is OpenSSH's own); `passphrase` may be empty. */
void test_key_convert(const struct test_key *from, const char *format, const char *passphrase,
                      struct test_key *to);

/* The bytes between the first and the last line of a PEM text. Returns their number. */
size_t test_key_bytes(struct str text, uint8_t bytes[8192]);

/* A seed as an Ed25519 key in PKCS#8 (RFC 8410), which ssh-keygen does not write. */
void test_key_ed25519(const uint8_t seed[32], struct test_key *key);

#endif
