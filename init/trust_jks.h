/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * trust_jks: certificates out of PEM text (RFC 7468), and a Java trust store made of them. The store's last
 * 20 bytes would be a digest over a password; Java reads them only when it was given one
 * (javax.net.ssl.trustStorePassword), and for roots that everybody may read it is not. So they are zeros.
 */
#ifndef INIT_TRUST_JKS_H
#define INIT_TRUST_JKS_H

#include "core/buf.h"
#include "core/str.h"

/* The next block "CERTIFICATE" of *text, from its first dash to the end of its last line; *text is what
 * follows. Returns whether there was one. */
bool pem_next(struct str *text, struct str *block);

/* Appends the bytes that a block holds. Returns 0, or -1 when it is not base64 or the buf is full. */
int pem_decode(struct str block, struct buf *der);

/* Appends a store with every certificate of the text (blocks that do not decode are left out). Returns how
 * many it holds, or -1 when the buf is full. */
int jks_make(struct str pem, struct buf *store);

#endif
