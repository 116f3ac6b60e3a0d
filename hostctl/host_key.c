/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_key: see host_key.h. A key's bytes begin with its type, as a string of RFC 4251 section 5 (RFC 4253 section 6.6). */
#include "hostctl/host_key.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/gate_url.h"
#include "hostctl/sha256.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

long base64_decode(struct str text, unsigned char *out)
{
    uint32_t bits = 0;
    long len = 0;
    size_t padding = 0;

    if (text.len % 4 != 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] != '\0' ? memchr(alphabet, text.ptr[i], sizeof alphabet - 1) : NULL;
        padding += text.ptr[i] == '=';
        if (padding > 2 || (digit == NULL) != (padding > 0) || (digit == NULL && text.ptr[i] != '='))
            return -1;
        bits = bits << 6 | (digit != NULL ? (uint32_t)(digit - alphabet) : 0);
        for (int shift = 16; i % 4 == 3 && shift >= 0; shift -= 8)
            out[len++] = (unsigned char)(bits >> shift);
    }
    return len - (long)padding;
}

struct str host_key_type(struct str text)
{
    const char *space = memchr(text.ptr, ' ', text.len);

    return (struct str){text.ptr, space != NULL ? (size_t)(space - text.ptr) : text.len};
}

/* The key's own bytes. Returns how many, or -1. */
static long bytes_of(struct str text, unsigned char out[HOST_KEY_MAX])
{
    struct str type = host_key_type(text);

    if (text.len > HOST_KEY_MAX || type.len == text.len)
        return -1;
    return base64_decode((struct str){type.ptr + type.len + 1, text.len - type.len - 1}, out);
}

bool host_key_is(struct str text)
{
    unsigned char bytes[HOST_KEY_MAX];
    struct str type = host_key_type(text);

    if (!gate_is_host_key(text))
        return false;
    long len = bytes_of(text, bytes);
    return len > (long)type.len + 4 && bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0 &&
           bytes[3] == type.len && memcmp(bytes + 4, type.ptr, type.len) == 0;
}

void host_key_fingerprint(struct str text, char out[HOST_KEY_FINGERPRINT])
{
    unsigned char bytes[HOST_KEY_MAX], digest[SHA256_BYTES + 1] = {0};
    long len = bytes_of(text, bytes);
    int at = snprintf(out, HOST_KEY_FINGERPRINT, "SHA256:");

    sha256_bytes((struct str){(const char *)bytes, len > 0 ? (size_t)len : 0}, digest);
    for (size_t i = 0; i < SHA256_BYTES; i += 3) {
        uint32_t three = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 |
                         (i + 2 < SHA256_BYTES ? digest[i + 2] : 0u);
        for (int shift = 18; shift >= 0; shift -= 6)
            out[at++] = alphabet[three >> shift & 63];
    }
    out[at - 1] = '\0'; /* the last digit stands for padding, which OpenSSH leaves out */
}
