/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_certs: the host's root certificates in the roots of a bottle. The sidecar verifies upstreams with
 * them. The agent gets them as copies, not as mounts, because the shim adds the bottle's own authority where
 * its programs look (init/shim_trust.h).
 */
#ifndef HOSTCTL_RT_NETNS_CERTS_H
#define HOSTCTL_RT_NETNS_CERTS_H

#include "core/err.h"

/* The host's bundle at /etc/ssl/certs/ca-certificates.crt of the sidecar, read-only, wherever the host has
 * it. A host without any is fine: nothing is trusted then. Returns 0, or -1 with err. */
int certs_sidecar(struct err *err);

/* Copies of the host's folders and files of certificates, root's. The agent's /etc is there. */
int certs_agent(struct err *err);

#endif
