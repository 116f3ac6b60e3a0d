/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sha256: the digest that names the content of a file (FIPS 180-4). */
#ifndef HOSTCTL_SHA256_H
#define HOSTCTL_SHA256_H

#include "core/str.h"

#define SHA256_HEX   65 /* bytes of the text, NUL included */
#define SHA256_BYTES 32

/* The digest of the bytes in lower-case hexadecimal digits. */
void sha256_hex(struct str bytes, char out[SHA256_HEX]);

/* The digest itself. */
void sha256_bytes(struct str bytes, unsigned char out[SHA256_BYTES]);

#endif
