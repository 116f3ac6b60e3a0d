/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * netlink: rtnetlink requests as small functions. A request is built in a buffer on the stack, sent, and
 * answered by the kernel's acknowledgement or dump. It must never guess: an answer that cannot be read is an
 * error, and a dump that was interrupted by a change is taken again.
 */
#include "sys/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/netlink_request.h"

#define ANSWER_SIZE 32768 /* bytes of one datagram of a dump; the kernel sends at most this */

/* ---- sending and receiving ---- */

int netlink_open(struct netlink *nl, struct err *err)
{
    nl->sequence = 0;
    nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (nl->socket == NULL)
        return err_set_errno(err, "rtnetlink: socket");
    if (mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        err_set_errno(err, "rtnetlink: bind");
        netlink_close(nl);
        return -1;
    }
    return 0;
}

void netlink_close(struct netlink *nl)
{
    if (nl->socket != NULL)
        mnl_socket_close(nl->socket);
    nl->socket = NULL;
}

struct nlmsghdr *netlink_request_new(struct netlink *nl, char buf[NETLINK_REQUEST_SIZE], uint16_t type,
                                     uint16_t flags)
{
    memset(buf, 0, NETLINK_REQUEST_SIZE);
    struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | flags;
    request->nlmsg_seq = ++nl->sequence;
    return request;
}

/* Sends the request and reads answers until the acknowledgement or the end of the dump. Returns 0, or -1 with
 * errno. */
int netlink_request_run(struct netlink *nl, struct nlmsghdr *request, mnl_cb_t on_message, void *ctx)
{
    unsigned sequence = request->nlmsg_seq, port = mnl_socket_get_portid(nl->socket);
    char answer[ANSWER_SIZE];
    int status;

    if (mnl_socket_sendto(nl->socket, request, request->nlmsg_len) < 0)
        return -1;
    do {
        ssize_t len = mnl_socket_recvfrom(nl->socket, answer, sizeof(answer));
        if (len < 0 && errno == EINTR)
            return errno = EIO, -1; /* EINTR is libmnl's word for an interrupted dump */
        status = len < 0 ? -1 : mnl_cb_run(answer, (size_t)len, sequence, port, on_message, ctx);
    } while (status > MNL_CB_STOP);
    return status;
}

int netlink_request_ack(struct netlink *nl, struct nlmsghdr *request)
{
    request->nlmsg_flags |= NLM_F_ACK;
    return netlink_request_run(nl, request, NULL, NULL);
}

/* ---- links ---- */

static struct nlmsghdr *link_request(struct netlink *nl, char buf[NETLINK_REQUEST_SIZE], uint16_t type,
                                     int index)
{
    struct nlmsghdr *request = netlink_request_new(nl, buf, type, 0);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = index;
    return request;
}

static int link_set_flags(struct netlink *nl, int index, unsigned flags, unsigned mask)
{
    char buf[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    struct ifinfomsg *info = mnl_nlmsg_get_payload(request);
    info->ifi_flags = flags;
    info->ifi_change = mask;
    return netlink_request_ack(nl, request);
}

int netlink_link_up(struct netlink *nl, int index, struct err *err)
{
    return link_set_flags(nl, index, IFF_UP, IFF_UP) < 0 ? err_set_errno(err, "set link %d up", index) : 0;
}

int netlink_link_down(struct netlink *nl, int index, struct err *err)
{
    return link_set_flags(nl, index, 0, IFF_UP) < 0 ? err_set_errno(err, "set link %d down", index) : 0;
}

static int name_check(const char *name, struct err *err)
{
    if (name[0] == '\0' || strlen(name) >= IFNAMSIZ) {
        errno = EINVAL;
        return err_set(err, "\"%s\" is no name for an interface (1 to %d bytes)", name, IFNAMSIZ - 1);
    }
    return 0;
}

int netlink_link_rename(struct netlink *nl, int index, const char *name, struct err *err)
{
    char buf[NETLINK_REQUEST_SIZE];
    if (name_check(name, err) < 0)
        return -1;
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    mnl_attr_put_strz(request, IFLA_IFNAME, name);
    return netlink_request_ack(nl, request) < 0 ? err_set_errno(err, "rename link %d to \"%s\"", index, name)
                                                : 0;
}

int netlink_link_set_mac(struct netlink *nl, int index, const uint8_t mac[6], struct err *err)
{
    char buf[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    mnl_attr_put(request, IFLA_ADDRESS, 6, mac);
    return netlink_request_ack(nl, request) < 0 ? err_set_errno(err, "set the MAC address of link %d", index)
                                                : 0;
}

int netlink_link_move(struct netlink *nl, int index, int namespace_fd, struct err *err)
{
    char buf[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)namespace_fd);
    return netlink_request_ack(nl, request) < 0
               ? err_set_errno(err, "move link %d to another namespace", index)
               : 0;
}

int netlink_link_delete(struct netlink *nl, int index, struct err *err)
{
    char buf[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_DELLINK, index);
    return netlink_request_ack(nl, request) < 0 ? err_set_errno(err, "delete link %d", index) : 0;
}

int netlink_veth(struct netlink *nl, const char *name, const char *peer, int peer_namespace_fd,
                 struct err *err)
{
    char buf[NETLINK_REQUEST_SIZE];
    if (name_check(name, err) < 0 || name_check(peer, err) < 0)
        return -1;
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, 0);
    request->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
    mnl_attr_put_strz(request, IFLA_IFNAME, name);
    struct nlattr *link_info = mnl_attr_nest_start(request, IFLA_LINKINFO);
    mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
    struct nlattr *peer_info = mnl_attr_nest_start(request, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(request, IFLA_IFNAME, peer);
    if (peer_namespace_fd >= 0)
        mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)peer_namespace_fd);
    mnl_attr_nest_end(request, peer_info);
    mnl_attr_nest_end(request, data);
    mnl_attr_nest_end(request, link_info);
    return netlink_request_ack(nl, request) < 0
               ? err_set_errno(err, "make the veth pair \"%s\", \"%s\"", name, peer)
               : 0;
}

/* ---- settings by address family ---- */

/* One attribute inside IFLA_AF_SPEC / family. */
static int link_set_family(struct netlink *nl, int index, int family, uint16_t type, size_t len,
                           const void *value)
{
    char buf[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    struct nlattr *spec = mnl_attr_nest_start(request, IFLA_AF_SPEC);
    struct nlattr *inner = mnl_attr_nest_start(request, (uint16_t)family);
    mnl_attr_put(request, type, len, value);
    mnl_attr_nest_end(request, inner);
    mnl_attr_nest_end(request, spec);
    return netlink_request_ack(nl, request);
}

int netlink_inet_conf(struct netlink *nl, int index, unsigned devconf, uint32_t value, struct err *err)
{
    /* IFLA_INET_CONF holds one attribute a setting, its type the setting's number */
    struct {
        struct nlattr head;
        uint32_t value;
    } conf = {{.nla_len = sizeof(conf), .nla_type = (uint16_t)devconf}, value};
    if (link_set_family(nl, index, AF_INET, IFLA_INET_CONF | NLA_F_NESTED, sizeof(conf), &conf) < 0)
        return err_set_errno(err, "set IPv4 setting %u of link %d", devconf, index);
    return 0;
}

int netlink_forwarding_off(struct netlink *nl, int index, struct err *err)
{
    return netlink_inet_conf(nl, index, IPV4_DEVCONF_FORWARDING, 0, err) < 0
               ? err_prefix(err, "forwarding off")
               : 0;
}

int netlink_ipv6_no_autoconf(struct netlink *nl, int index, struct err *err)
{
    uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    if (link_set_family(nl, index, AF_INET6, IFLA_INET6_ADDR_GEN_MODE, sizeof(mode), &mode) == 0)
        return 0;
    if (errno == EAFNOSUPPORT)
        return 0;
    return err_set_errno(err, "switch IPv6 address generation of link %d off", index);
}

/* ---- addresses ---- */

static size_t ip_size(const struct ip *ip)
{
    return ip->family == 4 ? 4 : 16;
}

static uint8_t ip_family(const struct ip *ip)
{
    return ip->family == 4 ? AF_INET : AF_INET6;
}

static int address_request(struct netlink *nl, uint16_t type, uint16_t flags,
                           const struct netlink_address *address)
{
    char buf[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request = netlink_request_new(nl, buf, type, flags);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    info->ifa_family = ip_family(&address->ip);
    info->ifa_prefixlen = address->length;
    info->ifa_scope = address->scope;
    info->ifa_index = (uint32_t)address->index;
    mnl_attr_put(request, IFA_LOCAL, ip_size(&address->ip), address->ip.bytes);
    mnl_attr_put(request, IFA_ADDRESS, ip_size(&address->ip), address->ip.bytes);
    return netlink_request_ack(nl, request);
}

/* Says what could not be done; errno stays what the kernel gave. */
static int change_failed(const char *what, const struct ip *ip, unsigned length, struct err *err)
{
    char text[IP_TEXT];
    int saved = errno;
    ip_format(ip, text);
    errno = saved;
    err_set_errno(err, "%s %s/%u", what, text, length);
    errno = saved;
    return -1;
}

static int address_change(struct netlink *nl, uint16_t type, uint16_t flags, const char *what,
                          const struct netlink_address *address, struct err *err)
{
    if (address_request(nl, type, flags, address) == 0)
        return 0;
    return change_failed(what, &address->ip, address->length, err);
}

int netlink_address_add(struct netlink *nl, const struct netlink_address *address, struct err *err)
{
    return address_change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add address", address, err);
}

int netlink_address_replace(struct netlink *nl, const struct netlink_address *address, struct err *err)
{
    return address_change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, "replace address", address, err);
}

int netlink_address_delete(struct netlink *nl, const struct netlink_address *address, struct err *err)
{
    return address_change(nl, RTM_DELADDR, 0, "delete address", address, err);
}

/* ---- routes ---- */

static int route_request(struct netlink *nl, uint16_t type, uint16_t flags, const struct netlink_route *route)
{
    char buf[NETLINK_REQUEST_SIZE];
    struct nlmsghdr *request = netlink_request_new(nl, buf, type, flags);
    struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    uint32_t table = route->table == 0 ? RT_TABLE_MAIN : route->table;
    info->rtm_family = ip_family(&route->to.ip);
    info->rtm_dst_len = route->to.length;
    info->rtm_type = route->type == 0 ? RTN_UNICAST : route->type;
    info->rtm_table = table < 256 ? (unsigned char)table : RT_TABLE_UNSPEC;
    if (type == RTM_DELROUTE) {
        info->rtm_scope = RT_SCOPE_NOWHERE; /* any; the protocol, 0, is any too */
    } else {
        bool direct = route->gateway.family == 0 && info->rtm_type == RTN_UNICAST;
        info->rtm_scope = direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
        info->rtm_protocol = RTPROT_STATIC;
    }
    mnl_attr_put_u32(request, RTA_TABLE, table);
    if (route->to.length > 0)
        mnl_attr_put(request, RTA_DST, ip_size(&route->to.ip), route->to.ip.bytes);
    if (route->gateway.family != 0)
        mnl_attr_put(request, RTA_GATEWAY, ip_size(&route->gateway), route->gateway.bytes);
    if (route->source.family != 0)
        mnl_attr_put(request, RTA_PREFSRC, ip_size(&route->source), route->source.bytes);
    if (route->index != 0)
        mnl_attr_put_u32(request, RTA_OIF, (uint32_t)route->index);
    if (route->priority != 0)
        mnl_attr_put_u32(request, RTA_PRIORITY, route->priority);
    return netlink_request_ack(nl, request);
}

static int route_change(struct netlink *nl, uint16_t type, uint16_t flags, const char *what,
                        const struct netlink_route *route, struct err *err)
{
    if (route_request(nl, type, flags, route) == 0)
        return 0;
    return change_failed(what, &route->to.ip, route->to.length, err);
}

int netlink_route_add(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
    return route_change(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "add route", route, err);
}

int netlink_route_replace(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
    return route_change(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "replace route", route, err);
}

int netlink_route_delete(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
    return route_change(nl, RTM_DELROUTE, 0, "delete route", route, err);
}

/* ---- IPv6 off ---- */

int netlink_ipv6_flush(struct netlink *nl, int index, struct err *err)
{
    struct netlink_address *addresses;
    struct netlink_route *routes = NULL;
    size_t address_count, route_count;
    int status = -1;

    if (netlink_addresses(nl, AF_INET6, &addresses, &address_count, err) < 0)
        return -1;
    for (size_t i = 0; i < address_count; i++)
        if (addresses[i].index == index && netlink_address_delete(nl, &addresses[i], err) < 0 &&
            errno != EADDRNOTAVAIL)
            goto done;
    if (netlink_routes(nl, AF_INET6, &routes, &route_count, err) < 0)
        goto done;
    for (size_t i = 0; i < route_count; i++) /* what the kernel took away meanwhile is fine */
        if (routes[i].index == index && netlink_route_delete(nl, &routes[i], err) < 0 && errno != ESRCH)
            goto done;
    status = 0;
done:
    free(addresses);
    free(routes);
    return status;
}
