/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter_url: a URL that a tool says of itself, read for a starter bottle. It is untrusted text: what two programs could read
 * differently is refused, and what may be a credential is neither kept nor repeated in an error. */
#ifndef HOSTCTL_STARTER_URL_H
#define HOSTCTL_STARTER_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/host.h"
#include "core/str.h"

#define STARTER_URL_MAX  2048 /* bytes of a URL */
#define STARTER_USER_MAX 64

struct starter_url {
    char host[HOST_MAX + 1]; /* canonical; POLICY_HOST_SERVICE in place of a loopback name or address */
    bool here;               /* it was one */
    uint16_t port;           /* the scheme's where none is named */
    bool port_named;
    char user[STARTER_USER_MAX + 1]; /* of ssh; empty: none */
    bool credentials;                /* there was a user (ssh: a password), which is not kept */
    char path[STARTER_URL_MAX + 1];  /* begins with '/', or is empty */
};

/* The scheme of a URL in lower case; "" when there is none ("host:path" and "/path" have none). */
void starter_url_scheme(struct str text, char scheme[32]);

/* Reads "SCHEME://[user[:password]@]host[:port][/path]" (RFC 3986) in visible ASCII. A user's name is kept with keep_user only.
 * Errors: an address in the host's place, those of the loopback aside, what is no host name, a query or fragment, more than one '@'. Returns 0, or -1 with err,
 * which quotes nothing of the text. */
int starter_url(struct str text, uint16_t default_port, bool keep_user, struct starter_url *url,
                struct err *err);

#endif
