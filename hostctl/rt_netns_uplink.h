/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_uplink: how the sidecar's namespace reaches the world: by pasta, a program that carries its
 * connections over ordinary sockets of the host, or by a cable to the host with a masquerade rule (NAT).
 */
#ifndef HOSTCTL_RT_NETNS_UPLINK_H
#define HOSTCTL_RT_NETNS_UPLINK_H

#include "core/err.h"
#include "hostctl/rt_netns_net.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

/* Whether pasta is installed; err says how to get it. Returns 0 or -1. */
int uplink_pasta_find(struct err *err);

/* Starts pasta (recorded as process "uplink") as USER_UPLINK on net->owner, and waits until NET_EGRESS_LINK
 * has the default route. The spec's host_ports of the sidecar's 127.0.0.1 lead to those of the host's. Returns 0, or -1
 * with err. */
int uplink_pasta(const struct net *net, const struct bottle_spec *spec, struct state *state, struct err *err);

/* The cable, by whose other end the sidecar reaches the spec's host_ports of the host (recorded as "link"), the rules (recorded as "table") and a guard process ("guard") that removes
 * both when this process ends for whatever reason. The host's own settings stay as they are: where it does
 * not forward, that is an error. Returns 0, or -1 with err. */
int uplink_nat(const struct net *net, const struct bottle_spec *spec, struct state *state, struct err *err);

/* Removes what the record says of cable, rules, guard and pasta; what is gone is fine. Returns 0, or -1 with
 * err. */
int uplink_remove(const struct state *state, struct err *err);

/* The guard itself, runtime.h's helper: `hostctl netns-guard TABLE LINK`, descriptor 3 a pipe whose other end
 * the bottle's hostctl holds. Returns an exit status. */
#define UPLINK_GUARD_VERB "netns-guard"
int uplink_guard(int argc, char **argv);

#endif
