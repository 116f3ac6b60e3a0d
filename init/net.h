/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net: the sidecar's two interfaces. Which they are, and what is set on them before the wall and the workers:
 * forwarding off, loopback up, and the announcement of the agent-side address. Only rtnetlink; no packet
 * socket, no program.
 */
#ifndef INIT_NET_H
#define INIT_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cidr.h"
#include "core/err.h"
#include "init/options.h"
#include "sys/netlink.h"

#define NET_OWN_MAX 32
#define NET_MISSING 1

struct net {
    struct netlink_link egress, agent;
    struct ip
        agent_address; /* the sidecar's on the agent's side: the first, where redirected connections arrive */
    struct cidr agent_prefix; /* whence the agent may speak */
    struct cidr
        own[NET_OWN_MAX]; /* the agent's side, and every address of the sidecar: never dialled by a worker */
    size_t own_count;
    struct ip host; /* the machine that runs the bottle; family 0 = nothing leads there */
};

/* What the kernel lists. */
struct net_lists {
    struct netlink_link *links;
    struct netlink_address *addresses;
    struct netlink_route *routes;
    size_t link_count, address_count, route_count;
};

/* Decides, from lists alone. Returns 0; NET_MISSING or -1 with an err that names the interfaces and the
 * option when something is not there (yet), or is not clear. */
int net_choose(const struct net_lists *lists, const struct options *options, struct net *net,
               struct err *err);

/* Lists and decides. Returns as net_choose. */
int net_find(struct netlink *nl, const struct options *options, struct net *net, struct err *err);

/* The same, and what is missing it waits for, as long as the options say: engines may attach a network after
 * the start. Returns 0, or -1 with err. */
int net_wait(struct netlink *nl, const struct options *options, struct net *net, struct err *err);

/* Whether anything would be forwarded between interfaces, as it is set now, of both protocols. False also where the kernel
 * does not say. Needs no right. */
bool net_forwards(void);

/* The remaining functions change the namespace and need CAP_NET_ADMIN. All: 0, or -1 with err. */

/* IPv4 forwarding off on every interface, verified; lo up. Where /proc/sys is writable also: forwarding off as
 * the default for interfaces to come, that of IPv6 too, which else the rules alone keep from happening, and no rate
 * limit for rejections (failing there is not an error). */
int net_close_forwarding(struct netlink *nl, struct err *err);

/* Makes the kernel send a gratuitous ARP (RFC 5227 section 3) for the agent-side address: an agent that still
 * knows the MAC of a sidecar before this one would talk into the void. */
int net_announce(struct netlink *nl, const struct net *net, struct err *err);

#endif
