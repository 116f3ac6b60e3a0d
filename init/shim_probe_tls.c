/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_probe_tls: begins a TLS 1.2 handshake (RFC 5246), in which the certificate comes in clear, for a name that no
 * manifest can mean, and looks whose certificate it is: its issuer has to be the subject of the bottle's own authority,
 * byte for byte. No signature is checked: what is to be found out is who answers, not whether he is to be trusted.
 */
#include "init/shim_probe.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "init/trust_jks.h"

#define HELLO_MAX   512
#define DER_MAX     4096
#define ANSWER_MAX  16384
#define RECORD_HEAD 5
#define HANDSHAKE   22 /* a record's type */
#define CERTIFICATE 11 /* a handshake message's */
#define SEQUENCE    0x30
#define VERSION_TAG 0xa0

/* Cipher suites, compression and the extensions behind server_name: ECDSA with P-256 and AES-GCM is all that it takes. */
static const uint8_t suites[] = {0, 6, 0xc0, 0x2b, 0xc0, 0x2c, 0x00, 0xff, 1, 0};
static const uint8_t extensions[] = {
    0, 10, 0, 4, 0, 2, 0, 23,       /* supported_groups: secp256r1 */
    0, 11, 0, 2, 1, 0,              /* ec_point_formats: uncompressed */
    0, 13, 0, 6, 0, 4, 4, 3,  5, 3, /* signature_algorithms: ecdsa with SHA-256, SHA-384 */
    0, 23, 0, 0,                    /* extended_master_secret */
};

static void number_add(struct buf *out, unsigned width, size_t value)
{
    for (unsigned i = width; i-- > 0;)
        buf_append(out, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
}

static void hello_make(const struct shim_probe *probe, struct buf *out)
{
    size_t name = strlen(probe->host), server_name = 9 + name, all = server_name + sizeof extensions;
    size_t body = 2 + 32 + 1 + sizeof suites + 2 + all;

    buf_init(out, HELLO_MAX);
    buf_append(out, "\x16\x03\x01", 3);
    number_add(out, 2, body + 4);
    number_add(out, 1, 1); /* ClientHello */
    number_add(out, 3, body);
    number_add(out, 2, 0x0303);
    buf_append(out, probe->nonce, PROBE_NONCE); /* the random, of which nothing depends */
    buf_append(out, probe->nonce, PROBE_NONCE);
    number_add(out, 1, 0); /* no session */
    buf_append(out, suites, sizeof suites);
    number_add(out, 2, all);
    number_add(out, 2, 0); /* server_name, RFC 6066 section 3 */
    number_add(out, 2, server_name - 4);
    number_add(out, 2, server_name - 6);
    number_add(out, 1, 0);
    number_add(out, 2, name);
    buf_append(out, probe->host, name);
    buf_append(out, extensions, sizeof extensions);
}

/* ---- what came ---- */

static size_t number_at(struct str s, size_t at, unsigned width)
{
    size_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value = value << 8 | (uint8_t)s.ptr[at + i];
    return value;
}

/* The first certificate, DER, out of the handshake messages of the records, which are joined in `joined`. Empty when it
 * is not there (yet). */
static struct str leaf_find(struct str got, struct buf *joined)
{
    const struct str none = {NULL, 0};

    buf_init(joined, ANSWER_MAX);
    while (got.len >= RECORD_HEAD && got.ptr[0] == HANDSHAKE) {
        size_t len = number_at(got, 3, 2);
        if (got.len < RECORD_HEAD + len || buf_append(joined, got.ptr + RECORD_HEAD, len) != 0)
            break;
        got.ptr += RECORD_HEAD + len;
        got.len -= RECORD_HEAD + len;
    }
    for (struct str rest = buf_str(joined); rest.len >= 4;) {
        size_t len = number_at(rest, 1, 3);
        if (rest.len < 4 + len)
            return none;
        if (rest.ptr[0] == CERTIFICATE && len >= 6) {
            size_t size = number_at(rest, 7, 3);
            return size <= len - 6 ? (struct str){rest.ptr + 10, size} : none;
        }
        rest.ptr += 4 + len;
        rest.len -= 4 + len;
    }
    return none;
}

static bool is_whole(struct str got)
{
    struct buf joined;
    bool whole = leaf_find(got, &joined).len > 0;

    buf_fini(&joined);
    return whole;
}

/* Cuts one DER element off; `content` is what it holds, `whole` all of it. Returns its tag, or -1. */
static int der_next(struct str *rest, struct str *content, struct str *whole)
{
    size_t head = 2, len;

    if (rest->len < 2)
        return -1;
    int tag = (uint8_t)rest->ptr[0];
    len = (uint8_t)rest->ptr[1];
    if (len > 0x80 && len <= 0x84) {
        unsigned width = (unsigned)len - 0x80;
        if (rest->len < 2 + width)
            return -1;
        len = number_at(*rest, 2, width);
        head += width;
    } else if (len >= 0x80) {
        return -1;
    }
    if (rest->len - head < len)
        return -1;
    *content = (struct str){rest->ptr + head, len};
    *whole = (struct str){rest->ptr, head + len};
    rest->ptr += head + len;
    rest->len -= head + len;
    return tag;
}

/* issuer of a Certificate, RFC 5280 section 4.1: behind version, serial number and signature algorithm. */
static struct str issuer_of(struct str certificate)
{
    struct str content = certificate, whole = {NULL, 0};

    for (int depth = 0; depth < 2; depth++) { /* Certificate, TBSCertificate */
        struct str rest = content;
        if (der_next(&rest, &content, &whole) != SEQUENCE)
            return (struct str){NULL, 0};
    }
    struct str rest = content;
    int tag = der_next(&rest, &content, &whole);
    for (int skip = tag == VERSION_TAG ? 3 : 2; skip > 0 && tag >= 0; skip--)
        tag = der_next(&rest, &content, &whole);
    return tag == SEQUENCE ? whole : (struct str){NULL, 0};
}

bool probe_tls_judge(const struct shim_probe *probe, struct str records)
{
    struct str pem = str_of(probe->ca), block = {NULL, 0};
    struct buf joined, der;

    struct str leaf = leaf_find(records, &joined);
    buf_init(&der, DER_MAX);
    bool known = pem_next(&pem, &block) && pem_decode(block, &der) == 0;
    struct str own = issuer_of(buf_str(&der)), its = issuer_of(leaf);
    bool same = known && own.len > 0 && own.len == its.len && memcmp(own.ptr, its.ptr, own.len) == 0;
    buf_fini(&joined);
    buf_fini(&der);
    return same;
}

int probe_tls(const struct shim_probe *probe, struct err *said)
{
    static char answer[ANSWER_MAX];
    struct buf hello;

    hello_make(probe, &hello);
    long got = probe_tcp(&probe->nowhere, 443, buf_str(&hello), is_whole, answer, sizeof answer);
    if (got < 0)
        err_set_errno(said, "TLS for %s: no answer of Stopper's", probe->host);
    else if (!probe_tls_judge(probe, (struct str){answer, (size_t)got}))
        got = err_set(said, "TLS for %s: no certificate of the bottle's authority", probe->host);
    else
        err_set(said, "it is opened by the bottle's own authority");
    int error = errno;
    buf_fini(&hello);
    errno = error;
    return got < 0 ? -1 : 0;
}
