/* SPDX-License-Identifier: GPL-3.0-or-later */
/* digest: wolfCrypt's SHA-256, which is linked into init for the certificate authority already. */
#include "init/digest.h"

#include <wolfssl/wolfcrypt/hash.h>

int digest_hex(struct str bytes, size_t digits, char *text)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[WC_SHA256_DIGEST_SIZE];

    if (digits > 2 * sizeof hash ||
        wc_Sha256Hash((const unsigned char *)bytes.ptr, (word32)bytes.len, hash) != 0)
        return -1;
    for (size_t i = 0; i < digits; i++)
        text[i] = hex[i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15];
    text[digits] = '\0';
    return 0;
}
