/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * netlink: what init, the shim and hostctl change in a network namespace, over one rtnetlink socket (libmnl;
 * rtnetlink(7), linux/rtnetlink.h, linux/if_link.h). It works on the namespace in which it was opened, also
 * after setns(2). Only for start-up: every call blocks until the kernel has answered. All need CAP_NET_ADMIN
 * but the lists.
 *
 * Unless said otherwise functions return 0, or -1 with err (and errno as the kernel gave it).
 */
#ifndef SYS_NETLINK_H
#define SYS_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cidr.h"
#include "core/err.h"

struct mnl_socket;

struct netlink {
    struct mnl_socket *socket; /* NULL when closed */
    unsigned sequence;
};

struct netlink_link {
    int index;
    char name[IFNAMSIZ];
    unsigned flags; /* IFF_UP, IFF_LOOPBACK, … */
    unsigned mtu;   /* bytes */
    uint8_t mac[6]; /* zero where the link has no Ethernet address */
    int forwarding; /* IPv4: 0 or 1; -1 = the kernel did not say */
};

struct netlink_address {
    int index; /* of its link */
    struct ip ip;
    uint8_t length; /* of the prefix, bits */
    uint8_t scope;  /* RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, … */
};

struct netlink_route {
    struct cidr to;    /* to.ip.family is always set; length 0 = default */
    struct ip gateway; /* family 0 = none */
    struct ip source;  /* preferred source address; family 0 = none */
    int index;         /* of the outgoing link; 0 = none */
    uint8_t type;      /* RTN_UNICAST, RTN_UNREACHABLE, …; 0 = RTN_UNICAST */
    uint32_t priority; /* metric; 0 = the kernel's default */
    uint32_t table;    /* 0 = main */
};

int netlink_open(struct netlink *nl, struct err *err);
void netlink_close(struct netlink *nl); /* a closed or zeroed one is fine */

/* Lists in the kernel's order. The caller frees *list with free(3), also when *count is 0 (then it may be
 * NULL). */
int netlink_links(struct netlink *nl, struct netlink_link **list, size_t *count, struct err *err);
int netlink_addresses(struct netlink *nl, int family, struct netlink_address **list, size_t *count,
                      struct err *err);
int netlink_routes(struct netlink *nl, int family, struct netlink_route **list, size_t *count,
                   struct err *err);

/* A socket that hears of every change of links, IPv4 addresses and IPv4 routes from now on, to be closed; or
 * -1 with err. netlink_watch_wait waits for the next one, or until the time is over: 0, or -1 with err. */
int netlink_watch(struct err *err);
int netlink_watch_wait(int watch, int timeout_ms, struct err *err);

/* The link of this name; it is an error when there is none. */
int netlink_link_find(struct netlink *nl, const char *name, struct netlink_link *link, struct err *err);

int netlink_link_up(struct netlink *nl, int index, struct err *err);
int netlink_link_down(struct netlink *nl, int index, struct err *err);

/* The link has to be down (kernels before 6.2). */
int netlink_link_rename(struct netlink *nl, int index, const char *name, struct err *err);
int netlink_link_set_mac(struct netlink *nl, int index, const uint8_t mac[6], struct err *err);

/* Into the network namespace of this descriptor; the link loses its addresses and its index may change. */
int netlink_link_move(struct netlink *nl, int index, int namespace_fd, struct err *err);
int netlink_link_delete(struct netlink *nl, int index, struct err *err);

/* A veth pair: `name` here, `peer` in the namespace of the descriptor (-1 = here). Both are down. */
int netlink_veth(struct netlink *nl, const char *name, const char *peer, int peer_namespace_fd,
                 struct err *err);

/* A per-link IPv4 setting without /proc/sys, which containers find read-only: IPV4_DEVCONF_FORWARDING,
 * IPV4_DEVCONF_ARP_NOTIFY, … of linux/ip.h (IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF). */
int netlink_inet_conf(struct netlink *nl, int index, unsigned devconf, uint32_t value, struct err *err);
int netlink_forwarding_off(struct netlink *nl, int index, struct err *err);

/* No IPv6 address is generated on this link from now on (IN6_ADDR_GEN_MODE_NONE). A kernel without IPv6 is
 * fine. */
int netlink_ipv6_no_autoconf(struct netlink *nl, int index, struct err *err);

/* Removes every IPv6 address and route of this link, those of the multicast and local tables included. */
int netlink_ipv6_flush(struct netlink *nl, int index, struct err *err);

/* replace: an address or route that is there already is not an error and is changed. Deleting what is not
 * there is one (errno EADDRNOTAVAIL or ESRCH). */
int netlink_address_add(struct netlink *nl, const struct netlink_address *address, struct err *err);
int netlink_address_replace(struct netlink *nl, const struct netlink_address *address, struct err *err);
int netlink_address_delete(struct netlink *nl, const struct netlink_address *address, struct err *err);
int netlink_route_add(struct netlink *nl, const struct netlink_route *route, struct err *err);
int netlink_route_replace(struct netlink *nl, const struct netlink_route *route, struct err *err);
int netlink_route_delete(struct netlink *nl, const struct netlink_route *route, struct err *err);

#endif
