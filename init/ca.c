/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ca: see the header. The private key lies in three places for the time of its making, all of them wiped: the
 * library's key object, the locked memory that stays, and the memfd of each worker. It must never be written
 * to a file or a text.
 */
#include "init/ca.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "core/secret.h"
#include "core/str.h"
#include "sys/channel.h"

#define ORGANIZATION "Stopper"
#define DAY_S        86400
#define BACKDATED_S  DAY_S /* an agent's clock may be behind ours */
/* The key lives in this process only, and no bottle for a year: the end bounds what a certificate is good for
 * that stays behind in some store, and is far enough never to end a bottle that works. */
#define VALID_S      (365 * DAY_S)
#define SERIAL_LEN   16 /* bytes; RFC 5280 section 4.1.2.2 allows 20 */

struct making { /* all that wolfSSL needs meanwhile: the heap's, 25 KiB */
    WC_RNG rng;
    ecc_key key;
    Cert cert;
    bool has_rng, has_key;
};

static int wolf(int code, const char *what, struct err *err)
{
    return code >= 0 ? code : err_set(err, "%s: %s", what, wc_GetErrorString(code));
}

/* GeneralizedTime with its head. Before 2050 RFC 5280 section 4.1.2.5 wants UTCTime, the same less the
 * century. Returns its length. */
static int asn_time(time_t when, unsigned char out[CTC_DATE_SIZE])
{
    char text[20];
    struct tm utc;

    gmtime_r(&when, &utc);
    size_t len = strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &utc), skip = utc.tm_year < 150 ? 2 : 0;
    out[0] = skip > 0 ? 0x17 : 0x18;
    out[1] = (unsigned char)(len - skip);
    memcpy(out + 2, text + skip, len - skip);
    return (int)(len - skip) + 2;
}

/* The serial, which nobody can foretell, is also in the name: two bottles' authorities are never taken for
 * one another by a store that looks for an issuer by its name. */
static int identity_make(struct making *making, struct err *err)
{
    Cert *cert = &making->cert;
    time_t now = time(NULL);

    if (wolf(wc_InitCert(cert), "certificate", err) < 0 ||
        wolf(wc_RNG_GenerateBlock(&making->rng, cert->serial, SERIAL_LEN), "random numbers", err) < 0)
        return -1;
    cert->serial[0] = (unsigned char)((cert->serial[0] & 0x7f) | 0x40); /* positive, and of its full length */
    cert->serialSz = SERIAL_LEN;
    snprintf(cert->subject.org, sizeof cert->subject.org, ORGANIZATION);
    snprintf(cert->subject.commonName, sizeof cert->subject.commonName,
             "Stopper CA of bottle %02x%02x%02x%02x", cert->serial[0], cert->serial[1], cert->serial[2],
             cert->serial[3]);
    cert->beforeDateSz = asn_time(now - BACKDATED_S, cert->beforeDate);
    cert->afterDateSz = asn_time(now + VALID_S, cert->afterDate);
    return 0;
}

static int certificate_make(struct ca *ca, struct making *making, struct err *err)
{
    Cert *cert = &making->cert;

    cert->sigType = CTC_SHA256wECDSA;
    cert->selfSigned = 1;
    cert->isCA = 1;
    cert->pathLenSet = 1; /* it issues leaves only */
    cert->pathLen = 0;
#ifndef STOPPER_WOLFSSL_FALLBACK /* that one cannot say it */
    cert->basicConstCrit = 1;
#endif
    if (wolf(wc_SetKeyUsage(cert, "keyCertSign,cRLSign"), "key usage", err) < 0 ||
        wolf(wc_SetSubjectKeyIdFromPublicKey(cert, NULL, &making->key), "key identifier", err) < 0 ||
        wolf(wc_MakeCert(cert, ca->cert, sizeof ca->cert, NULL, &making->key, &making->rng), "certificate",
             err) < 0)
        return -1;
    int len = wolf(
        wc_SignCert(cert->bodySz, cert->sigType, ca->cert, sizeof ca->cert, NULL, &making->key, &making->rng),
        "signature", err);
    ca->cert_len = len > 0 ? (size_t)len : 0;
    return len > 0 ? 0 : -1;
}

static int key_make(struct ca *ca, struct making *making, struct err *err)
{
    if (wolf(wc_InitRng(&making->rng), "random numbers", err) < 0)
        return -1;
    making->has_rng = true;
    if (wolf(wc_ecc_init(&making->key), "key", err) < 0)
        return -1;
    making->has_key = true;
    ca->key = secret_alloc(CA_KEY_MAX);
    if (ca->key == NULL)
        return err_set_errno(err, "locked memory for the key");
    if (wolf(wc_ecc_make_key_ex(&making->rng, 32, &making->key, ECC_SECP256R1), "key", err) < 0)
        return -1;
    int len = wolf(wc_EccKeyToDer(&making->key, ca->key, CA_KEY_MAX), "key", err);
    ca->key_len = len > 0 ? (size_t)len : 0;
    return len > 0 ? 0 : -1;
}

static int pem_make(struct ca *ca, struct err *err)
{
    static const char head[] = "-----BEGIN CERTIFICATE-----\n", foot[] = "-----END CERTIFICATE-----\n";
    word32 len = CA_PEM_MAX - sizeof head - sizeof foot;

    memcpy(ca->pem, head, sizeof head - 1);
    /* In lines of 64, the last one ended too (RFC 7468 section 2). */
    if (wolf(Base64_Encode(ca->cert, (word32)ca->cert_len, (byte *)ca->pem + sizeof head - 1, &len), "PEM",
             err) < 0)
        return -1;
    memcpy(ca->pem + sizeof head - 1 + len, foot, sizeof foot);
    return 0;
}

/* One attribute of the name in OpenSSL's canonical form: SET of SEQUENCE of OID (2.5.4.x) and UTF8String, its
 * letters small. Returns its length. */
static size_t canonical_attribute(unsigned char type, const char *value, unsigned char *out)
{
    size_t len = strlen(value);
    const unsigned char head[] = {
        0x31, (unsigned char)(len + 9), 0x30, (unsigned char)(len + 7), 0x06, 3, 0x55, 0x04, type,
        0x0c, (unsigned char)len};

    memcpy(out, head, sizeof head);
    for (size_t i = 0; i < len; i++)
        out[sizeof head + i] =
            (unsigned char)(value[i] >= 'A' && value[i] <= 'Z' ? value[i] - 'A' + 'a' : value[i]);
    return sizeof head + len;
}

/* X509_NAME_hash(3): SHA-1 of the canonical name without its outermost head, the first four bytes little
 * endian. */
static int subject_hash_make(struct ca *ca, const CertName *subject, struct err *err)
{
    unsigned char name[4 * CTC_NAME_SIZE], digest[WC_SHA_DIGEST_SIZE];
    size_t len = canonical_attribute(10, subject->org, name);

    len += canonical_attribute(3, subject->commonName, name + len);
    if (wolf(wc_ShaHash(name, (word32)len, digest), "subject hash", err) < 0)
        return -1;
    snprintf(ca->subject_hash, sizeof ca->subject_hash, "%02x%02x%02x%02x", digest[3], digest[2], digest[1],
             digest[0]);
    return 0;
}

int ca_make(struct ca *ca, struct err *err)
{
    struct making *making = calloc(1, sizeof *making);
    int result = -1;

    *ca = (struct ca){.key = NULL};
    if (making == NULL)
        return err_set(err, "out of memory");
    if (key_make(ca, making, err) == 0 && identity_make(making, err) == 0 &&
        certificate_make(ca, making, err) == 0 && pem_make(ca, err) == 0 &&
        subject_hash_make(ca, &making->cert.subject, err) == 0)
        result = 0;
    if (making->has_key)
        wc_ecc_free(&making->key);
    if (making->has_rng)
        wc_FreeRng(&making->rng);
    secret_wipe(making, sizeof *making);
    free(making);
    if (result != 0)
        ca_fini(ca);
    return result;
}

int ca_memfd(const struct ca *ca)
{
    size_t size = 2 * sizeof(uint32_t) + ca->cert_len + ca->key_len, at = 0;
    const struct {
        uint32_t len;
        const unsigned char *bytes;
    } parts[] = {{(uint32_t)ca->cert_len, ca->cert}, {(uint32_t)ca->key_len, ca->key}};
    char *bytes = secret_alloc(size);

    if (bytes == NULL)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        memcpy(bytes + at, &parts[i].len, sizeof parts[i].len);
        memcpy(bytes + at + sizeof parts[i].len, parts[i].bytes, parts[i].len);
        at += sizeof parts[i].len + parts[i].len;
    }
    int fd = channel_memfd("ca", (struct str){bytes, size}), reason = errno;
    secret_release(bytes, size);
    errno = reason;
    return fd;
}

void ca_fini(struct ca *ca)
{
    secret_release(ca->key, CA_KEY_MAX);
    *ca = (struct ca){.key = NULL};
}
