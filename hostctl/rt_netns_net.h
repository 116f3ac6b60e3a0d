/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_net: the networks of a bottle: the sidecar's namespace, the agent's, and the cable between them.
 * Nothing here changes the host's own namespace; all of it goes away with the last descriptor or process in
 * it.
 */
#ifndef HOSTCTL_RT_NETNS_NET_H
#define HOSTCTL_RT_NETNS_NET_H

#include <stdbool.h>

#include "core/cidr.h"
#include "core/err.h"
#include "hostctl/state.h"

#define NET_AGENT_LINK  "agent0"  /* on both ends of the cable */
#define NET_EGRESS_LINK "egress0" /* the sidecar's way out */
#define NET_LENGTH      30        /* bits of the prefix of a network between two */

struct net {
    int owner;   /* user namespace that owns the sidecar's network namespace; -1: the host's does */
    int sidecar; /* network namespaces, CLOEXEC */
    int agent;
};

/* Makes both namespaces (no IPv6, no forwarding) and the cable, with subnet.1 on the sidecar's and subnet.2
 * on the agent's end, both up. `owned`: the sidecar's network namespace belongs to a new user namespace of
 * USER_UPLINK, which may therefore configure this network and nothing else. Returns 0, or -1 with err and all
 * closed. */
int net_make(struct net *net, const struct cidr *subnet, bool owned, struct err *err);
void net_close(struct net *net);

/* Chooses a network of four addresses in 10.64.0.0/10 that overlaps no address or route of the host and no
 * network of another bottle, and records it under this key. Returns 0, or -1 with err. */
int net_choose(struct state *state, const char *key, struct cidr *subnet, struct err *err);

/* The subnet's address number 1 or 2. */
struct ip net_address(const struct cidr *subnet, unsigned number);

/* Moves the calling thread into a network namespace, and back. Between them nothing may fail to return: there
 * is one namespace at a time. net_leave ends the process when the way back is closed. */
int net_enter(int namespace, int *home, struct err *err);
void net_leave(int home);

#endif
