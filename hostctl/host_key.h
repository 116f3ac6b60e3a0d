/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host_key: the public key of a host, "TYPE BASE64" as known_hosts of sshd(8) has it behind the host. */
#ifndef HOSTCTL_HOST_KEY_H
#define HOSTCTL_HOST_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"

#define HOST_KEY_MAX         4096 /* bytes of the text: RSA with 16384 bits has 2800 */
#define HOST_KEY_FINGERPRINT 64   /* bytes of "SHA256:…", NUL included */

/* Decodes base64 (RFC 4648 section 4, padded) into `out`, which has room for 3/4 of its length. Returns the number of
 * bytes, or -1. */
long base64_decode(struct str text, unsigned char *out);

/* Whether it is such a text (core/gate_url.h) of at most HOST_KEY_MAX bytes, and the key in it is of the type in front. */
bool host_key_is(struct str text);

/* The fingerprint as OpenSSH writes it, ssh-keygen(1) -l. The text is one that host_key_is says yes to. */
void host_key_fingerprint(struct str text, char out[HOST_KEY_FINGERPRINT]);

/* "ssh-ed25519": the part in front. */
struct str host_key_type(struct str text);

#endif
