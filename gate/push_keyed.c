/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_keyed: see push_keyed.h. */
#include "gate/push_keyed.h"

#include <wolfssl/wolfcrypt/hmac.h>

int push_keyed(const uint8_t *key, struct str text, struct str more, char out[HOLD_VALUE + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[WC_SHA256_DIGEST_SIZE] = {0};
    Hmac hmac;

    out[0] = '\0';
    if (wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0)
        return -1;
    int status = wc_HmacSetKey(&hmac, WC_SHA256, key, APPROVAL_KEY);
    if (status == 0 && text.len > 0)
        status = wc_HmacUpdate(&hmac, (const unsigned char *)text.ptr, (word32)text.len);
    if (status == 0 && more.len > 0)
        status = wc_HmacUpdate(&hmac, (const unsigned char *)"", 1);
    if (status == 0 && more.len > 0)
        status = wc_HmacUpdate(&hmac, (const unsigned char *)more.ptr, (word32)more.len);
    if (status == 0)
        status = wc_HmacFinal(&hmac, digest);
    wc_HmacFree(&hmac);
    if (status != 0)
        return -1;
    for (size_t i = 0; i < HOLD_VALUE; i++)
        out[i] = hex[i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2] & 15];
    out[HOLD_VALUE] = '\0';
    return 0;
}
