/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * key_parts: the private parts of a private SSH key, and nothing else of it, for fingerprints (gate_prints.h): the seed of Ed25519; of RSA
 * the exponents, the primes and the coefficient; of ECDSA and DSA the secret number. What is public in the same file is no part.
 *
 * Read are unencrypted keys as OpenSSH writes them (openssh-key-v1, PROTOCOL.key of OpenSSH), and DER in PEM: RSA's own (RFC 8017), EC's
 * own (RFC 5915) and PKCS#8 (RFC 5958) of RSA, EC and Ed25519 (RFC 8410). The reading is bounded, and strict: what is not as those say is
 * no key. It is done here because wolfSSL reads no openssh-key-v1, and RSA up to 4096 bits alone.
 */
#ifndef INIT_KEY_PARTS_H
#define INIT_KEY_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#define KEY_PARTS_MAX 6

struct key_parts {
    size_t count;
    struct key_part {
        const uint8_t *bytes; /* the highest first, without zeros in front; in the memory below */
        size_t len;
    } list[KEY_PARTS_MAX];
    /* private */
    uint8_t *memory; /* locked */
};

/* Reads a key that keys_problem (core/keys.h) finds nothing wrong with. Returns NULL, or what is wrong in words that hold nothing of
 * it. key_parts_free after either. */
const char *key_parts_read(struct str text, struct key_parts *parts);
void key_parts_free(struct key_parts *parts);

#endif
