/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sha256: see sha256.h. libmd, as for the audit's chain. */
#include "hostctl/sha256.h"

#include <sys/types.h>

#include <sha2.h>

void sha256_hex(struct str bytes, char out[SHA256_HEX])
{
    SHA2_CTX context;

    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)bytes.ptr, bytes.len);
    SHA256End(&context, out);
}

void sha256_bytes(struct str bytes, unsigned char out[SHA256_BYTES])
{
    SHA2_CTX context;

    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)bytes.ptr, bytes.len);
    SHA256Final(out, &context);
}
