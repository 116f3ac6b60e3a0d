/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate_url: how a repository of the git-gate is named, and where it lies upstream. A URL is taken apart here and nowhere
 * else; what two programs could read differently (no user, the scp form, a port 0) is an error. What comes out may be
 * given to ssh(1) as an argument: neither the user nor the host begins with "-", and the path begins with "/".
 */
#ifndef CORE_GATE_URL_H
#define CORE_GATE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cidr.h"
#include "core/host.h"
#include "core/str.h"

#define GATE_NAME_MAX 64   /* bytes of a repository's name */
#define GATE_USER_MAX 64   /* bytes of the user at the upstream */
#define GATE_URL_MAX  1024 /* bytes of the whole */
#define GATE_SSH_PORT 22   /* without a port, RFC 4253 section 4.1 */

#define GATE_URL_FORM "ssh://user@host[:port]/path"

struct gate_url {
    char user[GATE_USER_MAX + 1];
    char host[HOST_MAX + 1]; /* a canonical name, or an address without brackets */
    struct ip address;       /* of such a host; family 0 for a name */
    uint16_t port;
    char path[GATE_URL_MAX + 1]; /* as it stands there, with the "/" it begins with */
};

/* Whether it names a repository: 1 to GATE_NAME_MAX of [A-Za-z0-9._-], no "-" in front, neither "." nor "..". */
bool gate_is_name(struct str text);

/* Takes a URL apart. Returns NULL, or what is wrong with it: "has no user". */
const char *gate_url_take(struct str text, struct gate_url *url);

/* Whether it is "TYPE BASE64" with a type of key that is taken, as known_hosts of sshd(8) has it without the host. */
bool gate_is_host_key(struct str text);

#define GATE_HOST_KEY_TYPES                                                                                  \
    "ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa"

#endif
