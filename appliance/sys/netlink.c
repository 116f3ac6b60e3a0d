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

#define REQUEST_SIZE  1024  /* bytes; the largest request, a veth pair with two names, takes less than 200 */
#define ANSWER_SIZE   32768 /* bytes of one datagram of a dump; the kernel sends at most this */
#define DUMP_ATTEMPTS 8     /* a dump is interrupted by each change in the namespace meanwhile */

struct list {
    void *items;
    size_t count, size, item_size;
    int family;
};

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

static struct nlmsghdr *request_new(struct netlink *nl, char buf[REQUEST_SIZE], uint16_t type, uint16_t flags)
{
    memset(buf, 0, REQUEST_SIZE);
    struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | flags;
    request->nlmsg_seq = ++nl->sequence;
    return request;
}

/* Sends the request and reads answers until the acknowledgement or the end of the dump. Returns 0, or -1 with
 * errno. */
static int request_run(struct netlink *nl, struct nlmsghdr *request, mnl_cb_t on_message, void *ctx)
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

static int request_ack(struct netlink *nl, struct nlmsghdr *request)
{
    request->nlmsg_flags |= NLM_F_ACK;
    return request_run(nl, request, NULL, NULL);
}

/* ---- lists ---- */

static void *list_add(struct list *list)
{
    if (list->count == list->size) {
        size_t size = list->size == 0 ? 16 : list->size * 2;
        void *items = reallocarray(list->items, size, list->item_size);
        if (items == NULL)
            return NULL;
        list->items = items;
        list->size = size;
    }
    void *item = (char *)list->items + list->count++ * list->item_size;
    memset(item, 0, list->item_size);
    return item;
}

struct attributes {
    const struct nlattr
        *at[64]; /* by type; kernels may send more types than these, which nobody here reads */
};

static int attributes_collect(const struct nlattr *attribute, void *ctx)
{
    struct attributes *attributes = ctx;
    uint16_t type = mnl_attr_get_type(attribute);
    if (type < sizeof(attributes->at) / sizeof(attributes->at[0]))
        attributes->at[type] = attribute;
    return MNL_CB_OK;
}

static uint32_t attribute_u32(const struct nlattr *attribute, uint32_t otherwise)
{
    return attribute != NULL && mnl_attr_get_payload_len(attribute) >= 4 ? mnl_attr_get_u32(attribute)
                                                                         : otherwise;
}

/* Reads an address. Absent or of a wrong size gives family 0. */
static struct ip attribute_ip(const struct nlattr *attribute, int family)
{
    struct ip ip = {0};
    size_t len = family == AF_INET ? 4 : 16;
    if (attribute != NULL && mnl_attr_get_payload_len(attribute) == len) {
        ip.family = family == AF_INET ? 4 : 6;
        memcpy(ip.bytes, mnl_attr_get_payload(attribute), len);
    }
    return ip;
}

static int link_forwarding(const struct nlattr *spec)
{
    const struct nlattr *family, *inner;
    if (spec == NULL)
        return -1;
    mnl_attr_for_each_nested(family, spec) {
        if (mnl_attr_get_type(family) != AF_INET)
            continue;
        mnl_attr_for_each_nested(inner, family) {
            /* an array of 32-bit values, the first of which is setting number 1 */
            const uint32_t *values = mnl_attr_get_payload(inner);
            if (mnl_attr_get_type(inner) == IFLA_INET_CONF &&
                mnl_attr_get_payload_len(inner) >= IPV4_DEVCONF_FORWARDING * sizeof(uint32_t))
                return values[IPV4_DEVCONF_FORWARDING - 1] != 0;
        }
    }
    return -1;
}

static int on_link(const struct nlmsghdr *message, void *ctx)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    struct attributes attributes = {0};
    if (message->nlmsg_type != RTM_NEWLINK)
        return MNL_CB_OK;
    mnl_attr_parse(message, sizeof(*info), attributes_collect, &attributes);

    const struct nlattr *name = attributes.at[IFLA_IFNAME], *mac = attributes.at[IFLA_ADDRESS];
    if (name == NULL || mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0 ||
        mnl_attr_get_payload_len(name) > IFNAMSIZ)
        return errno = EBADMSG, MNL_CB_ERROR;
    struct netlink_link *link = list_add(ctx);
    if (link == NULL)
        return MNL_CB_ERROR;
    link->index = info->ifi_index;
    link->flags = info->ifi_flags;
    memcpy(link->name, mnl_attr_get_payload(name), mnl_attr_get_payload_len(name));
    link->mtu = attribute_u32(attributes.at[IFLA_MTU], 0);
    if (mac != NULL && mnl_attr_get_payload_len(mac) == sizeof(link->mac))
        memcpy(link->mac, mnl_attr_get_payload(mac), sizeof(link->mac));
    link->forwarding = link_forwarding(attributes.at[IFLA_AF_SPEC]);
    return MNL_CB_OK;
}

static int on_address(const struct nlmsghdr *message, void *ctx)
{
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    struct list *list = ctx;
    struct attributes attributes = {0};
    if (message->nlmsg_type != RTM_NEWADDR || info->ifa_family != list->family)
        return MNL_CB_OK;
    mnl_attr_parse(message, sizeof(*info), attributes_collect, &attributes);

    /* of a point-to-point link IFA_ADDRESS is the peer's */
    const struct nlattr *own =
        attributes.at[IFA_LOCAL] != NULL ? attributes.at[IFA_LOCAL] : attributes.at[IFA_ADDRESS];
    struct ip ip = attribute_ip(own, info->ifa_family);
    if (ip.family == 0)
        return errno = EBADMSG, MNL_CB_ERROR;
    struct netlink_address *address = list_add(list);
    if (address == NULL)
        return MNL_CB_ERROR;
    *address = (struct netlink_address){
        .index = (int)info->ifa_index, .ip = ip, .length = info->ifa_prefixlen, .scope = info->ifa_scope};
    return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *message, void *ctx)
{
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    struct list *list = ctx;
    struct attributes attributes = {0};
    if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_family != list->family)
        return MNL_CB_OK;
    if (info->rtm_flags & RTM_F_CLONED)
        return MNL_CB_OK;
    mnl_attr_parse(message, sizeof(*info), attributes_collect, &attributes);

    struct netlink_route *route = list_add(list);
    if (route == NULL)
        return MNL_CB_ERROR;
    route->to.ip = attribute_ip(attributes.at[RTA_DST], info->rtm_family);
    route->to.ip.family = info->rtm_family == AF_INET ? 4 : 6;
    route->to.length = info->rtm_dst_len;
    route->gateway = attribute_ip(attributes.at[RTA_GATEWAY], info->rtm_family);
    route->source = attribute_ip(attributes.at[RTA_PREFSRC], info->rtm_family);
    route->index = (int)attribute_u32(attributes.at[RTA_OIF], 0);
    route->type = info->rtm_type;
    route->priority = attribute_u32(attributes.at[RTA_PRIORITY], 0);
    route->table = attribute_u32(attributes.at[RTA_TABLE], info->rtm_table);
    return MNL_CB_OK;
}

/* Dumps one kind of object into the list, again while changes interrupt it. */
static int list_dump(struct netlink *nl, uint16_t type, struct list *list, mnl_cb_t on_message)
{
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
    } * extra;

    for (int attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
        char buf[REQUEST_SIZE];
        struct nlmsghdr *request = request_new(nl, buf, type, NLM_F_DUMP);
        extra = mnl_nlmsg_put_extra_header(request, sizeof(*extra));
        extra->link.ifi_family = (unsigned char)list->family; /* all three begin with the family */
        list->count = 0;
        if (request_run(nl, request, on_message, list) == 0)
            return 0;
        if (errno != EINTR)
            break;
        /* drain what is left of the interrupted dump on a new socket */
        struct err ignored;
        netlink_close(nl);
        if (netlink_open(nl, &ignored) < 0)
            break;
    }
    free(list->items);
    list->items = NULL;
    list->count = 0;
    return -1;
}

#define LIST_OF(type, af)                                                                                    \
    {                                                                                                        \
        .item_size = sizeof(type), .family = (af)                                                            \
    }

int netlink_links(struct netlink *nl, struct netlink_link **links, size_t *count, struct err *err)
{
    struct list list = LIST_OF(struct netlink_link, AF_UNSPEC);
    int status = list_dump(nl, RTM_GETLINK, &list, on_link);
    *links = list.items;
    *count = list.count;
    return status < 0 ? err_set_errno(err, "list links") : 0;
}

int netlink_addresses(struct netlink *nl, int family, struct netlink_address **addresses, size_t *count,
                      struct err *err)
{
    struct list list = LIST_OF(struct netlink_address, family);
    int status = list_dump(nl, RTM_GETADDR, &list, on_address);
    *addresses = list.items;
    *count = list.count;
    return status < 0 ? err_set_errno(err, "list addresses") : 0;
}

int netlink_routes(struct netlink *nl, int family, struct netlink_route **routes, size_t *count,
                   struct err *err)
{
    struct list list = LIST_OF(struct netlink_route, family);
    int status = list_dump(nl, RTM_GETROUTE, &list, on_route);
    *routes = list.items;
    *count = list.count;
    return status < 0 ? err_set_errno(err, "list routes") : 0;
}

int netlink_link_find(struct netlink *nl, const char *name, struct netlink_link *link, struct err *err)
{
    struct netlink_link *links;
    size_t count;
    int status = -1;
    if (netlink_links(nl, &links, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count && status < 0; i++) {
        if (strcmp(links[i].name, name) == 0) {
            *link = links[i];
            status = 0;
        }
    }
    free(links);
    if (status < 0) {
        errno = ENODEV;
        err_set(err, "there is no interface \"%s\"", name);
    }
    return status;
}

/* ---- links ---- */

static struct nlmsghdr *link_request(struct netlink *nl, char buf[REQUEST_SIZE], uint16_t type, int index)
{
    struct nlmsghdr *request = request_new(nl, buf, type, 0);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = index;
    return request;
}

static int link_set_flags(struct netlink *nl, int index, unsigned flags, unsigned mask)
{
    char buf[REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    struct ifinfomsg *info = mnl_nlmsg_get_payload(request);
    info->ifi_flags = flags;
    info->ifi_change = mask;
    return request_ack(nl, request);
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
    char buf[REQUEST_SIZE];
    if (name_check(name, err) < 0)
        return -1;
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    mnl_attr_put_strz(request, IFLA_IFNAME, name);
    return request_ack(nl, request) < 0 ? err_set_errno(err, "rename link %d to \"%s\"", index, name) : 0;
}

int netlink_link_set_mac(struct netlink *nl, int index, const uint8_t mac[6], struct err *err)
{
    char buf[REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    mnl_attr_put(request, IFLA_ADDRESS, 6, mac);
    return request_ack(nl, request) < 0 ? err_set_errno(err, "set the MAC address of link %d", index) : 0;
}

int netlink_link_move(struct netlink *nl, int index, int namespace_fd, struct err *err)
{
    char buf[REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)namespace_fd);
    return request_ack(nl, request) < 0 ? err_set_errno(err, "move link %d to another namespace", index) : 0;
}

int netlink_link_delete(struct netlink *nl, int index, struct err *err)
{
    char buf[REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_DELLINK, index);
    return request_ack(nl, request) < 0 ? err_set_errno(err, "delete link %d", index) : 0;
}

int netlink_veth(struct netlink *nl, const char *name, const char *peer, int peer_namespace_fd,
                 struct err *err)
{
    char buf[REQUEST_SIZE];
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
    return request_ack(nl, request) < 0 ? err_set_errno(err, "make the veth pair \"%s\", \"%s\"", name, peer)
                                        : 0;
}

/* ---- settings by address family ---- */

/* One attribute inside IFLA_AF_SPEC / family. */
static int link_set_family(struct netlink *nl, int index, int family, uint16_t type, size_t len,
                           const void *value)
{
    char buf[REQUEST_SIZE];
    struct nlmsghdr *request = link_request(nl, buf, RTM_NEWLINK, index);
    struct nlattr *spec = mnl_attr_nest_start(request, IFLA_AF_SPEC);
    struct nlattr *inner = mnl_attr_nest_start(request, (uint16_t)family);
    mnl_attr_put(request, type, len, value);
    mnl_attr_nest_end(request, inner);
    mnl_attr_nest_end(request, spec);
    return request_ack(nl, request);
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
    char buf[REQUEST_SIZE];
    struct nlmsghdr *request = request_new(nl, buf, type, flags);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
    info->ifa_family = ip_family(&address->ip);
    info->ifa_prefixlen = address->length;
    info->ifa_scope = address->scope;
    info->ifa_index = (uint32_t)address->index;
    mnl_attr_put(request, IFA_LOCAL, ip_size(&address->ip), address->ip.bytes);
    mnl_attr_put(request, IFA_ADDRESS, ip_size(&address->ip), address->ip.bytes);
    return request_ack(nl, request);
}

static int address_change(struct netlink *nl, uint16_t type, uint16_t flags, const char *verb,
                          const struct netlink_address *address, struct err *err)
{
    char text[IP_TEXT];
    if (address_request(nl, type, flags, address) == 0)
        return 0;
    int saved = errno;
    ip_format(&address->ip, text);
    errno = saved;
    err_set_errno(err, "%s address %s/%u on link %d", verb, text, address->length, address->index);
    errno = saved;
    return -1;
}

int netlink_address_add(struct netlink *nl, const struct netlink_address *address, struct err *err)
{
    return address_change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add", address, err);
}

int netlink_address_replace(struct netlink *nl, const struct netlink_address *address, struct err *err)
{
    return address_change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, "replace", address, err);
}

int netlink_address_delete(struct netlink *nl, const struct netlink_address *address, struct err *err)
{
    return address_change(nl, RTM_DELADDR, 0, "delete", address, err);
}

/* ---- routes ---- */

static int route_request(struct netlink *nl, uint16_t type, uint16_t flags, const struct netlink_route *route)
{
    char buf[REQUEST_SIZE];
    struct nlmsghdr *request = request_new(nl, buf, type, flags);
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
    return request_ack(nl, request);
}

static int route_change(struct netlink *nl, uint16_t type, uint16_t flags, const char *verb,
                        const struct netlink_route *route, struct err *err)
{
    char text[IP_TEXT];
    if (route_request(nl, type, flags, route) == 0)
        return 0;
    int saved = errno;
    ip_format(&route->to.ip, text);
    errno = saved;
    err_set_errno(err, "%s route %s/%u", verb, text, route->to.length);
    errno = saved;
    return -1;
}

int netlink_route_add(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
    return route_change(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "add", route, err);
}

int netlink_route_replace(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
    return route_change(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "replace", route, err);
}

int netlink_route_delete(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
    return route_change(nl, RTM_DELROUTE, 0, "delete", route, err);
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
