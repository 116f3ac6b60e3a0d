/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust_jks: see the header. It looks into no certificate: what is in a bundle is trusted as a whole. */
#include "init/trust_jks.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

#define JKS_MAGIC       0xfeedfeedu
#define JKS_VERSION     2
#define JKS_TRUSTED     2 /* kind of an entry: a certificate without a key */
#define JKS_DIGEST_LEN  20
#define JKS_COUNT_AT    8
#define CERTIFICATE_MAX 65536 /* bytes */

bool pem_next(struct str *text, struct str *block)
{
    const char *begin = memmem(text->ptr, text->len, BEGIN, sizeof BEGIN - 1);
    if (!begin)
        return false;
    size_t len = text->len - (size_t)(begin - text->ptr);
    const char *end = memmem(begin, len, END, sizeof END - 1);
    if (!end)
        return false;
    end += sizeof END - 1;
    *block = (struct str){begin, (size_t)(end - begin)};
    *text = (struct str){end, len - block->len};
    return true;
}

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int pem_decode(struct str block, struct buf *der)
{
    const char *at = block.ptr + sizeof BEGIN - 1, *end = block.ptr + block.len - (sizeof END - 1);
    uint32_t bits = 0;
    unsigned count = 0, padding = 0;

    for (; at < end; at++) {
        if (*at == '\n' || *at == '\r' || *at == ' ' || *at == '\t')
            continue;
        int value = digit(*at);
        if (*at == '=' ? ++padding > 2 : value < 0 || padding > 0)
            return -1;
        if (*at == '=')
            continue;
        bits = bits << 6 | (uint32_t)value;
        if (count++ % 4 == 0)
            continue;
        unsigned spare = (3 - (count - 1) % 4) * 2; /* bits behind this byte */
        if (buf_append(der, &(char){(char)(bits >> spare)}, 1) != 0)
            return -1;
    }
    return count > 0 && (count + padding) % 4 == 0 ? 0 : -1;
}

static int put(struct buf *store, uint64_t value, unsigned bytes)
{
    char big[8];
    for (unsigned i = 0; i < bytes; i++)
        big[i] = (char)(value >> 8 * (bytes - 1 - i));
    return buf_append(store, big, bytes);
}

/* A string of Java's DataOutput, of ASCII. */
static int put_text(struct buf *store, const char *text)
{
    return put(store, strlen(text), 2) == 0 ? buf_append(store, text, strlen(text)) : -1;
}

static int put_entry(struct buf *store, unsigned number, struct str der)
{
    char alias[32];
    snprintf(alias, sizeof alias, "root%u", number);
    if (put(store, JKS_TRUSTED, 4) != 0 || put_text(store, alias) != 0 ||
        put(store, (uint64_t)time(NULL) * 1000, 8) != 0 || put_text(store, "X.509") != 0 ||
        put(store, der.len, 4) != 0)
        return -1;
    return buf_append(store, der.ptr, der.len);
}

int jks_make(struct str pem, struct buf *store)
{
    static const char digest[JKS_DIGEST_LEN];
    struct str block;
    struct buf der;
    int count = 0, result = 0;

    if (put(store, JKS_MAGIC, 4) != 0 || put(store, JKS_VERSION, 4) != 0 || put(store, 0, 4) != 0)
        return -1;
    while (result == 0 && pem_next(&pem, &block)) {
        buf_init(&der, CERTIFICATE_MAX);
        if (pem_decode(block, &der) == 0)
            result = put_entry(store, (unsigned)++count, buf_str(&der));
        buf_fini(&der);
    }
    if (result != 0 || buf_append(store, digest, sizeof digest) != 0)
        return -1;
    char *at = store->data + store->head + JKS_COUNT_AT;
    for (unsigned i = 0; i < 4; i++)
        at[i] = (char)((unsigned)count >> 8 * (3 - i));
    return count;
}
