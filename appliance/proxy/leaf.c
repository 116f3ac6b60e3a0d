/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leaf: see leaf.h. What does not depend on the name is in a template; a leaf costs one signature. RFC 5280:
 * the subject always has an O, since with an empty subject the SAN would have to be critical (4.2.1.6); a CN
 * only where it fits into 64 characters (appendix A.1). It must never write the CA's key anywhere.
 */
#include "proxy/leaf.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/memory.h>
#include <wolfssl/wolfcrypt/random.h>

#include "core/host.h"

#define ORGANISATION "Stopper"
#define BUCKETS      2048
#define CERT_MAX     2048 /* bytes of the CA's */
#define KEY_SIZE     32

struct entry {
    struct leaf leaf; /* first: what callers see */
    struct entry *chain;
    struct entry *newer, *older;
    time_t renew;
    uint32_t hash;
    char name[HOST_MAX + 1];
    uint8_t der[]; /* of leaf.len bytes */
};

struct leaves {
    WC_RNG rng;
    ecc_key leaf;
    ecc_key *ca;         /* NULL = none yet */
    Cert template, cert; /* some 20 KB each: never on the stack */
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    size_t count;
    uint64_t made;
};

/* DER. */

static int put_time(unsigned char *out, time_t when)
{
    struct tm tm;
    char text[32];

    if (gmtime_r(&when, &tm) == NULL || strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm) != 15)
        return 0;
    out[0] = 0x17; /* UTCTime, RFC 5280 section 4.1.2.5.1: up to 2049 */
    out[1] = 13;
    memcpy(out + 2, text + 2, 13); /* without the century */
    return 15;
}

static int set_validity(Cert *cert, time_t from, time_t to)
{
    cert->beforeDateSz = put_time(cert->beforeDate, from);
    cert->afterDateSz = put_time(cert->afterDate, to);
    return cert->beforeDateSz > 0 && cert->afterDateSz > 0 ? 0 : -1;
}

static size_t put_length(unsigned char *out, size_t len)
{
    if (len < 128) {
        out[0] = (unsigned char)len;
        return 1;
    }
    if (len < 256) {
        out[0] = 0x81;
        out[1] = (unsigned char)len;
        return 2;
    }
    out[0] = 0x82;
    out[1] = (unsigned char)(len >> 8);
    out[2] = (unsigned char)len;
    return 3;
}

/* GeneralNames with one entry: dNSName [2] or iPAddress [7], RFC 5280 section 4.2.1.6. */
static int set_san(Cert *cert, const char *name, bool address)
{
    unsigned char ip[4], inner[HOST_MAX + 4];
    size_t len = strlen(name), at = 0;
    const void *value = name;

    if (address) {
        if (inet_pton(AF_INET, name, ip) != 1)
            return -1;
        value = ip;
        len = sizeof ip;
    }
    if (len == 0 || len > HOST_MAX)
        return -1;
    inner[at++] = address ? 0x87 : 0x82;
    at += put_length(inner + at, len);
    memcpy(inner + at, value, len);
    at += len;
    unsigned char *out = cert->altNames;
    size_t head = 0;
    out[head++] = 0x30;
    head += put_length(out + head, at);
    memcpy(out + head, inner, at);
    cert->altNamesSz = (int)(head + at);
    return 0;
}

/* Keys and the CA. */

static void key_free(ecc_key *key)
{
    if (key == NULL)
        return;
    wc_ecc_free(key); /* wipes the private part */
    free(key);
}

struct leaves *leaves_new(void)
{
    struct leaves *leaves = calloc(1, sizeof *leaves);

    if (leaves == NULL)
        return NULL;
    if (wc_InitRng(&leaves->rng) != 0 || wc_ecc_init(&leaves->leaf) != 0 ||
        wc_ecc_make_key_ex(&leaves->rng, KEY_SIZE, &leaves->leaf, ECC_SECP256R1) != 0) {
        leaves_free(leaves);
        return NULL;
    }
    return leaves;
}

static void drop_all(struct leaves *leaves)
{
    for (struct entry *entry = leaves->newest, *older; entry != NULL; entry = older) {
        older = entry->older;
        free(entry);
    }
    memset(leaves->buckets, 0, sizeof leaves->buckets);
    leaves->newest = leaves->oldest = NULL;
    leaves->count = 0;
}

void leaves_free(struct leaves *leaves)
{
    if (leaves == NULL)
        return;
    drop_all(leaves);
    wc_ecc_free(&leaves->leaf); /* wipes the private parts */
    key_free(leaves->ca);
    wc_FreeRng(&leaves->rng);
    free(leaves);
}

static int make_template(struct leaves *leaves, struct str cert)
{
    Cert *t = &leaves->cert;

    if (wc_InitCert(t) != 0)
        return -1;
    t->sigType = CTC_SHA256wECDSA;
    strcpy(t->subject.org, ORGANISATION);
    if (wc_SetIssuerBuffer(t, (const byte *)cert.ptr, (int)cert.len) != 0 ||
        wc_SetAuthKeyIdFromCert(t, (const byte *)cert.ptr, (int)cert.len) != 0 ||
        wc_SetSubjectKeyIdFromPublicKey(t, NULL, &leaves->leaf) != 0 ||
        wc_SetKeyUsage(t, "digitalSignature") != 0 || wc_SetExtKeyUsage(t, "serverAuth") != 0)
        return -1;
    leaves->template = *t;
    return 0;
}

/* One length-prefixed part off the front. Returns false when it is not whole. */
static bool cut(struct str *bytes, struct str *part)
{
    uint32_t len;

    if (bytes->len < sizeof len)
        return false;
    memcpy(&len, bytes->ptr, sizeof len);
    if (len == 0 || len > bytes->len - sizeof len)
        return false;
    *part = (struct str){bytes->ptr + sizeof len, len};
    *bytes = (struct str){part->ptr + len, bytes->len - sizeof len - len};
    return true;
}

/* Whether the certificate's public key belongs to this private one. */
static bool is_pair(struct str cert, struct str key)
{
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfSSLv23_server_method());
    bool pair = ctx != NULL &&
                wolfSSL_CTX_use_certificate_buffer(ctx, (const byte *)cert.ptr, (long)cert.len,
                                                   WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS &&
                wolfSSL_CTX_use_PrivateKey_buffer(ctx, (const byte *)key.ptr, (long)key.len,
                                                  WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS &&
                wolfSSL_CTX_check_private_key(ctx) == WOLFSSL_SUCCESS;

    wolfSSL_CTX_free(ctx);
    return pair;
}

int leaves_authority(struct leaves *leaves, struct str bytes)
{
    ecc_key *key = calloc(1, sizeof *key);
    struct str cert, der;
    word32 index = 0;

    if (key == NULL || wc_ecc_init(key) != 0) {
        free(key);
        return -1;
    }
    if (!cut(&bytes, &cert) || !cut(&bytes, &der) || bytes.len != 0 || cert.len > CERT_MAX ||
        !is_pair(cert, der) ||
        wc_EccPrivateKeyDecode((const byte *)der.ptr, &index, key, (word32)der.len) != 0 ||
        wc_ecc_size(key) != KEY_SIZE || make_template(leaves, cert) != 0) {
        key_free(key);
        return -1;
    }
    key_free(leaves->ca);
    leaves->ca = key;
    drop_all(leaves);
    return 0;
}

void leaves_forget(struct leaves *leaves)
{
    key_free(leaves->ca);
    leaves->ca = NULL;
    drop_all(leaves);
}

/* A CA as stopper-init makes it, but for nobody. */
static int make_ca(WC_RNG *rng, ecc_key *key, Cert *cert, byte *der, word32 size, time_t now)
{
    if (wc_ecc_make_key_ex(rng, KEY_SIZE, key, ECC_SECP256R1) != 0 || wc_InitCert(cert) != 0)
        return -1;
    strcpy(cert->subject.org, ORGANISATION);
    strcpy(cert->subject.commonName, "for the warm-up");
    cert->selfSigned = 1;
    cert->isCA = 1;
#ifndef STOPPER_WOLFSSL_FALLBACK /* that one cannot say it */
    cert->basicConstCrit = 1;
#endif
    cert->pathLenSet = 1;
    cert->sigType = CTC_SHA256wECDSA;
    if (set_validity(cert, now - LEAF_BACKDATE, now + 30 * LEAF_VALID) != 0 ||
        wc_SetKeyUsage(cert, "keyCertSign,cRLSign") != 0 ||
        wc_SetSubjectKeyIdFromPublicKey(cert, NULL, key) != 0 ||
        wc_MakeCert(cert, der, size, NULL, key, rng) <= 0)
        return -1;
    return wc_SignCert(cert->bodySz, cert->sigType, der, size, NULL, key, rng);
}

size_t leaves_make_authority(uint8_t *bytes, size_t size)
{
    Cert *cert = malloc(sizeof *cert);
    byte der[CERT_MAX], key_der[LEAF_KEY_MAX];
    uint32_t cert_len, key_len;
    size_t total = 0;
    ecc_key key;
    WC_RNG rng;
    int made = -1, key_made = -1;

    if (cert == NULL || wc_InitRng(&rng) != 0 || wc_ecc_init(&key) != 0) {
        free(cert);
        return 0;
    }
    made = make_ca(&rng, &key, cert, der, sizeof der, time(NULL));
    if (made > 0)
        key_made = wc_EccKeyToDer(&key, key_der, sizeof key_der);
    if (key_made > 0 && (size_t)made + (size_t)key_made + 2 * sizeof cert_len <= size) {
        cert_len = (uint32_t)made;
        key_len = (uint32_t)key_made;
        memcpy(bytes, &cert_len, sizeof cert_len);
        memcpy(bytes + sizeof cert_len, der, cert_len);
        memcpy(bytes + sizeof cert_len + cert_len, &key_len, sizeof key_len);
        memcpy(bytes + 2 * sizeof cert_len + cert_len, key_der, key_len);
        total = 2 * sizeof cert_len + cert_len + key_len;
    }
    explicit_bzero(key_der, sizeof key_der);
    wc_ecc_free(&key);
    wc_FreeRng(&rng);
    free(cert);
    return total;
}

bool leaves_ready(const struct leaves *leaves)
{
    return leaves->ca != NULL;
}

/* The cache: a hash table, and a list in the order of use. */

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a: the table is bounded, so collisions cost little */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

static struct entry **bucket_of(struct leaves *leaves, uint32_t hash)
{
    return &leaves->buckets[hash % BUCKETS];
}

static struct entry *find(struct leaves *leaves, const char *name, uint32_t hash)
{
    struct entry *entry = *bucket_of(leaves, hash);

    while (entry != NULL && (entry->hash != hash || strcmp(entry->name, name) != 0))
        entry = entry->chain;
    return entry;
}

static void unlink_use(struct leaves *leaves, struct entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &leaves->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &leaves->oldest) = entry->newer;
}

static void link_newest(struct leaves *leaves, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = leaves->newest;
    *(leaves->newest != NULL ? &leaves->newest->newer : &leaves->oldest) = entry;
    leaves->newest = entry;
}

static void drop(struct leaves *leaves, struct entry *entry)
{
    struct entry **at = bucket_of(leaves, entry->hash);

    while (*at != entry)
        at = &(*at)->chain;
    *at = entry->chain;
    unlink_use(leaves, entry);
    leaves->count--;
    free(entry);
}

/* Forging. Returns the certificate's length, or -1. */
static int forge(struct leaves *leaves, const char *name, bool address, time_t now, byte der[LEAF_CERT_MAX])
{
    Cert *cert = &leaves->cert;

    *cert = leaves->template;
    if (strlen(name) < CTC_NAME_SIZE)
        strcpy(cert->subject.commonName, name);
    if (set_san(cert, name, address) != 0 || set_validity(cert, now - LEAF_BACKDATE, now + LEAF_VALID) != 0 ||
        wc_MakeCert(cert, der, LEAF_CERT_MAX, NULL, &leaves->leaf, &leaves->rng) <= 0)
        return -1;
    return wc_SignCert(cert->bodySz, cert->sigType, der, LEAF_CERT_MAX, NULL, leaves->ca, &leaves->rng);
}

const struct leaf *leaf_get(struct leaves *leaves, const char *name, bool address, time_t now)
{
    uint32_t hash = hash_of(name);
    struct entry *entry = find(leaves, name, hash);
    byte der[LEAF_CERT_MAX];
    bool trusted = false;

    if (entry != NULL && now < entry->renew && now > entry->renew - LEAF_VALID) {
        unlink_use(leaves, entry);
        link_newest(leaves, entry);
        return &entry->leaf;
    }
    if (entry != NULL) { /* too old, or the clock was set back */
        trusted = entry->leaf.trusted;
        drop(leaves, entry);
    }
    if (leaves->ca == NULL || strlen(name) > HOST_MAX)
        return NULL;
    int len = forge(leaves, name, address, now, der);
    entry = len > 0 ? malloc(sizeof *entry + (size_t)len) : NULL;
    if (entry == NULL)
        return NULL;
    if (leaves->count >= LEAF_CACHE_MAX)
        drop(leaves, leaves->oldest);
    *entry = (struct entry){.leaf = {entry->der, (size_t)len, trusted},
                            .chain = *bucket_of(leaves, hash),
                            .renew = now + LEAF_VALID - LEAF_RENEW,
                            .hash = hash};
    memcpy(entry->der, der, (size_t)len);
    strcpy(entry->name, name);
    *bucket_of(leaves, hash) = entry;
    link_newest(leaves, entry);
    leaves->count++;
    leaves->made++;
    return &entry->leaf;
}

void leaf_trusted(struct leaves *leaves, const char *name)
{
    struct entry *entry = find(leaves, name, hash_of(name));

    if (entry != NULL)
        entry->leaf.trusted = true;
}

size_t leaves_count(const struct leaves *leaves)
{
    return leaves->count;
}

uint64_t leaves_made(const struct leaves *leaves)
{
    return leaves->made;
}

size_t leaves_key(struct leaves *leaves, uint8_t key[LEAF_KEY_MAX])
{
    int len = wc_EccKeyToDer(&leaves->leaf, key, LEAF_KEY_MAX);

    return len > 0 ? (size_t)len : 0;
}
