/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls: see tls.h. wolfSSL between the socket and the owner's buffers. Records are read ahead into one scratch
 * buffer that all connections share: what of it a connection has not used when its turn ends is kept by it,
 * so an idle one holds nothing. Sealed records gather in another one and go out in one send; what the socket
 * does not take is kept too, and the bytes in it stay the owner's until they are sent. It must never pass a
 * connection that was cut off for one that was closed.
 */
#include "proxy/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "proxy/stream.h"
#include "proxy/tls_kit.h"

#define AHEAD_SIZE 40960              /* bytes asked of the socket at once: two whole records and a part */
#define RECORD_MAX 16384              /* bytes of plain text in a record, RFC 8446 section 5.1 */
#define SEALED_MAX (RECORD_MAX + 256) /* and at most of what becomes of it, section 5.2, with its header */
#define BATCH_SIZE (4 * SEALED_MAX)   /* bytes given to the socket at once */
#define UNSENT_MAX 131072             /* of what the socket does not take: a batch, or a handshake's flight */
#define IN_MAX     (2 * 65536)

struct tls {
    WOLFSSL *ssl;
    struct buf in;  /* from the socket, not yet taken by wolfSSL; empty between two turns, mostly */
    struct buf out; /* sealed, not yet taken by the socket; empty between two turns, mostly */
    size_t writing; /* bytes of the owner's buffer that are in there: his until they are sent */
    int error;      /* wolfSSL's, of what failed */
    struct tls_peer peer;
    bool server;
    bool done;     /* the handshake */
    bool answered; /* bytes of ours have gone out */
    bool eof;      /* the socket has ended */
    bool shut;     /* ours is out: wolfSSL_write would still succeed */
    bool ended;    /* nothing more can be read: `end` is what a read returns */
    bool told;     /* and the owner knows */
    ssize_t end;
};

static struct {
    size_t at, len;
    bool drained; /* the socket has given less than was asked for: it need not be asked again in this turn */
    char bytes[AHEAD_SIZE];
} ahead;

/* What wolfSSL has sealed in this turn, for one send. */
static struct {
    size_t len;
    char bytes[BATCH_SIZE];
} batch;

/* wolfSSL's callbacks. */

int tls_take(WOLFSSL *ssl, char *into, int max, void *ctx)
{
    struct stream *stream = ctx;
    struct tls *tls = stream->tls;
    struct str kept = buf_str(&tls->in);
    size_t len = (size_t)max;

    if (kept.len > 0) {
        len = kept.len < len ? kept.len : len;
        memcpy(into, kept.ptr, len);
        buf_consume(&tls->in, len);
        return (int)len;
    }
    if (ahead.at == ahead.len) {
        if (tls->eof)
            return WOLFSSL_CBIO_ERR_CONN_CLOSE;
        if (ahead.drained)
            return WOLFSSL_CBIO_ERR_WANT_READ;
        ssize_t got = recv(stream->fd, ahead.bytes, sizeof ahead.bytes, 0);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? WOLFSSL_CBIO_ERR_WANT_READ
                   : errno == ECONNRESET             ? WOLFSSL_CBIO_ERR_CONN_RST
                                                     : WOLFSSL_CBIO_ERR_GENERAL;
        if (got == 0) {
            tls->eof = true;
            return WOLFSSL_CBIO_ERR_CONN_CLOSE;
        }
        ahead.at = 0;
        ahead.len = (size_t)got;
        ahead.drained = ahead.len < sizeof ahead.bytes;
    }
    len = ahead.len - ahead.at < len ? ahead.len - ahead.at : len;
    memcpy(into, ahead.bytes + ahead.at, len);
    ahead.at += len;
    return (int)len;
}

int tls_give(WOLFSSL *ssl, char *bytes, int len, void *ctx)
{
    struct tls *tls = ((struct stream *)ctx)->tls;
    size_t size = (size_t)len;

    if (tls->out.len == 0 && size <= sizeof batch.bytes - batch.len) {
        memcpy(batch.bytes + batch.len, bytes, size);
        batch.len += size;
        return len;
    }
    /* Behind what waits already: the order of records is their number. */
    if (buf_append(&tls->out, batch.bytes, batch.len) != 0)
        return WOLFSSL_CBIO_ERR_GENERAL;
    batch.len = 0;
    return buf_append(&tls->out, bytes, size) == 0 ? len : WOLFSSL_CBIO_ERR_WANT_WRITE;
}

/* Sends as far as the socket takes it. Returns what it took, or -1. */
static ssize_t put(struct stream *stream, const char *bytes, size_t len)
{
    ssize_t sent = send(stream->fd, bytes, len, MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    stream->tls->answered = true;
    return sent;
}

/* Ends a turn: what was sealed goes out, or waits in `out`. Returns 0, or -1 when the connection is gone. */
static int send_batch(struct stream *stream)
{
    struct tls *tls = stream->tls;
    size_t len = batch.len;
    ssize_t sent = 0;

    batch.len = 0;
    if (tls->out.len > 0) { /* then it is in front, and the batch empty: tls_give */
        struct str waiting = buf_str(&tls->out);
        sent = put(stream, waiting.ptr, waiting.len);
        buf_consume(&tls->out, sent > 0 ? (size_t)sent : 0);
        return sent < 0 ? -1 : 0;
    }
    if (len > 0)
        sent = put(stream, batch.bytes, len);
    if (sent < 0)
        return -1;
    return buf_append(&tls->out, batch.bytes + sent, len - (size_t)sent);
}

/* Ends a turn: what was read ahead and not used stays with the connection. Returns 0, or -1 when it does not
 * fit. */
static int keep_ahead(struct tls *tls)
{
    size_t left = ahead.len - ahead.at;
    int result = left > 0 ? buf_append(&tls->in, ahead.bytes + ahead.at, left) : 0;

    ahead.at = ahead.len = 0;
    ahead.drained = false;
    return result;
}

/* Making one. */

static int attach(WOLFSSL_CTX *ctx, struct stream *stream, struct buf *first, bool server)
{
    struct tls *tls = calloc(1, sizeof *tls);

    if (tls == NULL || ctx == NULL || (tls->ssl = wolfSSL_new(ctx)) == NULL) {
        free(tls);
        return -1;
    }
    if (first != NULL) {
        tls->in = *first;
        buf_init(first, first->cap);
    }
    tls->in.cap = IN_MAX + AHEAD_SIZE;
    buf_init(&tls->out, UNSENT_MAX);
    tls->server = server;
    wolfSSL_SetIOReadCtx(tls->ssl, stream);
    wolfSSL_SetIOWriteCtx(tls->ssl, stream);
    stream->tls = tls;
    return 0;
}

int tls_serve(struct tls_kit *kit, struct stream *stream, const struct leaf *leaf, bool alpn,
              struct buf *first)
{
    char protocols[] = "http/1.1"; /* wolfSSL may cut it up */

    if (attach(kit->server, stream, first, true) != 0)
        return -1;
    WOLFSSL *ssl = stream->tls->ssl;
    if (wolfSSL_use_certificate_buffer(ssl, leaf->der, (long)leaf->len, WOLFSSL_FILETYPE_ASN1) ==
            WOLFSSL_SUCCESS &&
        (!alpn || wolfSSL_UseALPN(ssl, protocols, sizeof protocols - 1, WOLFSSL_ALPN_FAILED_ON_MISMATCH) ==
                      WOLFSSL_SUCCESS))
        return 0;
    tls_free(stream);
    return -1;
}

int tls_connect(struct tls_kit *kit, struct stream *stream, const char *host)
{
    char protocols[] = "http/1.1";

    if (attach(kit->client, stream, NULL, false) != 0)
        return -1;
    WOLFSSL *ssl = stream->tls->ssl;
    stream->tls->peer.host = host;
    wolfSSL_SetCertCbCtx(ssl, &stream->tls->peer);
    /* Anything but 1 means that no check of the name was installed: names without a dot, with '_'. */
    if (wolfSSL_check_domain_name(ssl, host) == WOLFSSL_SUCCESS &&
        wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, host, (unsigned short)strlen(host)) == WOLFSSL_SUCCESS &&
        wolfSSL_UseALPN(ssl, protocols, sizeof protocols - 1, WOLFSSL_ALPN_CONTINUE_ON_MISMATCH) ==
            WOLFSSL_SUCCESS)
        return 0;
    tls_free(stream);
    return -1;
}

void tls_free(struct stream *stream)
{
    if (stream->tls == NULL)
        return;
    wolfSSL_free(stream->tls->ssl);
    buf_fini(&stream->tls->in);
    buf_fini(&stream->tls->out);
    free(stream->tls);
    stream->tls = NULL;
}

/* The handshake. */

int tls_handshake(struct stream *stream, int *events)
{
    struct tls *tls = stream->tls;
    int result = tls->server ? wolfSSL_accept(tls->ssl) : wolfSSL_connect(tls->ssl);
    int error = result == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(tls->ssl, result);
    bool waits = error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE;

    if (send_batch(stream) != 0 && (waits || error == 0)) /* else an alert that nobody hears */
        error = SOCKET_ERROR_E;
    if (keep_ahead(tls) != 0)
        error = BUFFER_ERROR;
    *events = (error == WOLFSSL_ERROR_WANT_READ ? UV_READABLE : 0) | (tls->out.len > 0 ? UV_WRITABLE : 0);
    if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    tls->peer.host = NULL;
    tls->error = error == VERIFY_CERT_ERROR && tls->peer.flaw != 0 ? tls->peer.flaw : error;
    tls->done = error == 0;
    return error == 0 ? 0 : -EPROTO;
}

/* In the words of the agent's problem+json. */
static const struct {
    int error;
    const char *reason;
} reasons[] = {
    {ASN_AFTER_DATE_E, "The certificate has expired."},
    {ASN_BEFORE_DATE_E, "The certificate is not yet valid."},
    {ASN_NO_SIGNER_E,
     "The certificate's issuer is unknown: neither a system root nor egress.extra_ca leads to it."},
    {ASN_SELF_SIGNED_E,
     "The certificate is self-signed, and it is neither a system root nor in egress.extra_ca."},
    {DOMAIN_NAME_MISMATCH, "The certificate is for another host."},
    {IPADDR_MISMATCH, "The certificate is for another host."},
    {EXTKEYUSE_AUTH_E, "The certificate is not for servers."},
    {EXTKEYUSAGE_E, "The certificate is not for servers."},
    {KEYUSE_SIGNATURE_E, "The certificate's key is not for signatures."},
    {KEYUSE_ENCIPHER_E, "The certificate's key is not for this key exchange."},
    {KEYUSAGE_E, "The certificate's key is not for this use."},
    {NOT_CA_ERROR, "A certificate in the chain was issued by one that is no CA."},
    {ASN_PATHLEN_SIZE_E, "The chain is longer than its CA allows."},
    {ASN_PATHLEN_INV_E, "The chain is longer than its CA allows."},
    {MAX_CHAIN_ERROR, "The chain is too long."},
    {ASN_NAME_INVALID_E, "The certificate's name is outside of what its CA may issue (name constraints)."},
    {ASN_SIG_CONFIRM_E, "A signature in the certificate's chain is wrong."},
    {ASN_SIG_HASH_E, "The certificate is signed with an algorithm that is not accepted."},
    {ASN_SIG_OID_E, "The certificate is signed with an algorithm that is not accepted."},
    {ASN_SIG_KEY_E, "The certificate is signed with an algorithm that is not accepted."},
    {HASH_TYPE_E, "The certificate is signed with an algorithm that is not accepted."},
    {VERIFY_CERT_ERROR, "The certificate is signed with an algorithm that is not accepted."},
    {RSA_KEY_SIZE_E, "The certificate's key is too short."},
    {ECC_KEY_SIZE_E, "The certificate's key is too short."},
    {DH_KEY_SIZE_E, "The key exchange is too weak."},
    {ASN_CRIT_EXT_E, "The certificate has a critical extension that is not understood."},
    {ASN_ALT_NAME_E, "The certificate's alternative names cannot be read."},
    {ASN_PARSE_E, "The certificate cannot be read."},
    {VERSION_ERROR, "The host speaks no TLS 1.2 or newer."},
    {MATCH_SUITE_ERROR, "There is no cipher suite that both sides accept."},
    {UNSUPPORTED_SUITE, "There is no cipher suite that both sides accept."},
    {NO_PEER_CERT, "The host showed no certificate."},
    {UNKNOWN_ALPN_PROTOCOL_NAME_E, "There is no application protocol that both sides accept."},
    {HANDSHAKE_SIZE_ERROR, "The chain is too large."},
    {SOCKET_ERROR_E, "The connection ended within the TLS handshake."},
    {SOCKET_PEER_CLOSED_E, "The connection ended within the TLS handshake."},
    {WOLFSSL_ERROR_ZERO_RETURN, "The connection ended within the TLS handshake."},
};

static const char *reason_of(const struct tls *tls, const WOLFSSL_ALERT *alert)
{
    if (tls->error == FATAL_ERROR || tls->error == ALERT_COUNT_E) {
        switch (alert->code) {
        case wolfssl_alert_protocol_version:
            return "The host speaks no TLS version that is accepted.";
        case handshake_failure:
        case insufficient_security:
            return "There is no cipher suite or key exchange that both sides accept.";
        case unrecognized_name:
            return "The host does not know its own name (unrecognized_name).";
        case certificate_required:
            return "The host asks for a client certificate.";
        default:
            return "The other side ended the TLS handshake with an alert.";
        }
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].error == tls->error)
            return reasons[i].reason;
    return "The TLS handshake failed.";
}

struct tls_failure tls_failure(const struct stream *stream)
{
    const struct tls *tls = stream->tls;
    WOLFSSL_ALERT_HISTORY history = {.last_rx = {-1, -1}};

    wolfSSL_get_alert_history(tls->ssl, &history);
    int code = history.last_rx.code;
    return (struct tls_failure){
        .refused = code == unknown_ca || code == bad_certificate || code == certificate_unknown ||
                   code == unsupported_certificate || code == certificate_expired,
        .gone = tls->error == SOCKET_ERROR_E || tls->error == SOCKET_PEER_CLOSED_E ||
                tls->error == WOLFSSL_ERROR_ZERO_RETURN,
        .answered = tls->answered,
        .reason = reason_of(tls, &history.last_rx),
    };
}

const char *tls_version(const struct stream *stream)
{
    if (stream->tls == NULL || !stream->tls->done)
        return NULL;
    return strcmp(wolfSSL_get_version(stream->tls->ssl), "TLSv1.3") == 0 ? "1.3" : "1.2";
}

/* Bytes. */

/* What a read that gave no byte means. */
static ssize_t read_ended(struct tls *tls, int result)
{
    int error = wolfSSL_get_error(tls->ssl, result);

    if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    tls->error = error;
    if (error == WOLFSSL_ERROR_ZERO_RETURN) /* close_notify */
        return 0;
    /* An agent that hangs up without close_notify has sent what it has sent: its requests say their own
     * length. An upstream's answer may end with the connection, so there it is an error. */
    if (tls->eof && tls->server)
        return 0;
    return tls->eof ? -ECONNABORTED : -EPROTO;
}

ssize_t tls_read(struct stream *stream, struct buf *buf, size_t max)
{
    struct tls *tls = stream->tls;
    char *room = tls->ended ? NULL : buf_reserve(buf, max);
    size_t total = 0;

    if (!tls->ended && room == NULL)
        return -ENOBUFS;
    while (!tls->ended && total < max) {
        int got = wolfSSL_read(tls->ssl, room + total, (int)(max - total));
        if (got > 0) {
            total += (size_t)got;
            continue;
        }
        tls->end = read_ended(tls, got);
        if (tls->end == -EAGAIN)
            break;
        tls->ended = true;
    }
    /* What reading makes us say: an answer to a KeyUpdate, an alert. */
    if ((send_batch(stream) != 0) + (keep_ahead(tls) != 0) > 0 && !tls->ended) {
        tls->ended = true;
        tls->end = -EPROTO;
    }
    if (total > 0)
        buf_commit(buf, total);
    else if (buf->len == 0)
        buf_fini(buf);
    if (total > 0) /* an end that follows bytes is told by the next read */
        return (ssize_t)total;
    tls->told = tls->ended;
    return tls->ended ? tls->end : -EAGAIN;
}

/* Seals records of the owner's bytes, from `writing` on, as many as one send takes. Returns 0 or -1. */
static int seal(struct tls *tls, struct str bytes)
{
    while (tls->writing < bytes.len && batch.len + SEALED_MAX <= sizeof batch.bytes) {
        size_t left = bytes.len - tls->writing, len = left < RECORD_MAX ? left : RECORD_MAX;
        if (wolfSSL_write(tls->ssl, bytes.ptr + tls->writing, (int)len) != (int)len)
            return -1; /* tls_give takes all, so there is nothing to wait for */
        tls->writing += len;
    }
    return 0;
}

ssize_t tls_flush(struct stream *stream, struct buf *buf)
{
    struct tls *tls = stream->tls;
    ssize_t total = 0;

    if (tls->shut || buf->len < tls->writing)
        return -EPIPE;
    while (buf->len > 0) {
        bool sealed = tls->out.len > 0 || seal(tls, buf_str(buf)) == 0;
        if (send_batch(stream) != 0 || !sealed) /* in any case: the batch is everybody's */
            return -EPIPE;
        if (tls->out.len > 0)
            return total;
        buf_consume(buf, tls->writing);
        total += (ssize_t)tls->writing;
        tls->writing = 0;
    }
    return total;
}

void tls_shutdown(struct stream *stream)
{
    struct tls *tls = stream->tls;

    if (tls->done && !tls->shut && tls->writing == 0) {
        wolfSSL_shutdown(tls->ssl); /* one small record; a socket without room for it loses it */
        send_batch(stream);
    }
    tls->shut = true;
}

bool tls_pending(const struct stream *stream)
{
    const struct tls *tls = stream->tls;

    return tls->done && (tls->ended ? !tls->told : tls->in.len > 0 || wolfSSL_pending(tls->ssl) > 0);
}

bool tls_wants_write(const struct stream *stream)
{
    return stream->tls->out.len > 0 && stream->tls->writing == 0;
}
