/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_net: the agent's side of the wall. Afterwards every IPv4 packet has the sidecar as its next hop, there
 * is no IPv6 but on the loopback, and names are asked of the sidecar. Only ever in a namespace of the agent's
 * own.
 */
#ifndef INIT_SHIM_NET_H
#define INIT_SHIM_NET_H

#include "core/err.h"
#include "init/shim_config.h"

/* Routes and addresses by rtnetlink. Refuses a namespace with any other interface that is up. Each change is
 * read back. Needs NET_ADMIN. Returns 0, or -1 with err (the namespace may be changed in part: nothing must
 * run in it). */
int shim_net_setup(const struct shim_config *config, struct err *err);

/* As root's half of a sealed container, whose agent has no power over its network: leads packets to these
 * addresses nowhere, also where they are the loopback's own (a resolver of the engine's). Needs NET_ADMIN and
 * shim_net_setup before. Returns 0, or -1 with err. */
int shim_net_unreachable(const struct ip *addresses, size_t count, struct err *err);

/* Looks, without any right, that a part is as shim_net_setup leaves it: the routes of the one link that is up, or IPv6.
 * Returns 0, or -1 with err. */
enum shim_net_part { SHIM_NET_ROUTES, SHIM_NET_IPV6 };
int shim_net_look(const struct shim_config *config, enum shim_net_part part, struct err *err);

/* Looks, without any right, that all is as shim_net_setup leaves it, and that the sidecar answers connections
 * to addresses elsewhere. Returns 0, or -1 with err. */
int shim_net_verify(const struct shim_config *config, struct err *err);

/* Whether every nameserver line of /etc/resolv.conf names this address, and there is one (resolv.conf(5)). */
bool shim_net_resolver_is(const char *address);

/* Makes /etc/resolv.conf name the resolver and no other; a file that does already may be read-only. Returns
 * 0, or -1. */
int shim_net_resolver(const struct shim_config *config, struct err *err);

/* Tries to set the default route to what it is. Returns 0 when that fails with EPERM, else -1 with err. */
int shim_net_probe(const struct shim_config *config, struct err *err);

#endif
