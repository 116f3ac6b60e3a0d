/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * known_hosts: which key each host of the git-gate had when the operator said yes to it: a file of Stopper's own,
 * $XDG_STATE_HOME/stopper/known_hosts, in the form of known_hosts in sshd(8) (without patterns, hashes and marks), so that
 * ssh-keygen -R works on it. One key a host and port.
 */
#ifndef HOSTCTL_KNOWN_HOSTS_H
#define HOSTCTL_KNOWN_HOSTS_H

#include <limits.h>

#include "core/err.h"
#include "core/gate_url.h"
#include "hostctl/host_key.h"

#define KNOWN_HOSTS_NAME (HOST_MAX + 9) /* bytes of "[host]:65535", NUL included */
#define KNOWN_HOSTS_MAX  (1u << 20)     /* bytes of the file */

/* How the file calls the URL's host and port: "host", or "[host]:port" where the port is not 22. */
void known_hosts_name(const struct gate_url *url, char name[KNOWN_HOSTS_NAME]);

/* Where it is, whether or not it is there. Returns 0, or -1 with err. */
int known_hosts_path(char path[PATH_MAX], struct err *err);

/* The key of this host. Returns 1, 0 when none is remembered, or -1 with err: the file is not the caller's alone to write, or
 * not understood. */
int known_hosts_find(const struct gate_url *url, char key[HOST_KEY_MAX + 1], struct err *err);

/* How many are remembered. Returns 0, or -1 with err as above. */
int known_hosts_count(size_t *count, struct err *err);

/* Remembers the key, which host_key_is says yes to; for a host of which there is another by now it is an error. The file is at
 * every moment as it was or as it will be, also for several that add at once. Returns 0, or -1 with err. */
int known_hosts_add(const struct gate_url *url, const char *key, struct err *err);

#endif
