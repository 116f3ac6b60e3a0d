/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * netlink_list: the lists of netlink.h. What the kernel dumps, message by message, as arrays; a message that
 * cannot be read is an error, never an entry left out.
 */
#include "sys/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/netlink_request.h"

#define DUMP_ATTEMPTS 8 /* a dump is interrupted by each change in the namespace meanwhile */

struct list {
    void *items;
    size_t count, size, item_size;
    int family;
};

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
        char buf[NETLINK_REQUEST_SIZE];
        struct nlmsghdr *request = netlink_request_new(nl, buf, type, NLM_F_DUMP);
        extra = mnl_nlmsg_put_extra_header(request, sizeof(*extra));
        extra->link.ifi_family = (unsigned char)list->family; /* all three begin with the family */
        list->count = 0;
        if (netlink_request_run(nl, request, on_message, list) == 0)
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

int netlink_watch(struct err *err)
{
    static const struct sockaddr_nl groups = {
        .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE};
    int watch = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (watch >= 0 && bind(watch, (const struct sockaddr *)&groups, sizeof groups) == 0)
        return watch;
    err_set_errno(err, "watching the network's changes");
    if (watch >= 0)
        close(watch);
    return -1;
}

int netlink_watch_wait(int watch, int timeout_ms, struct err *err)
{
    struct pollfd one = {.fd = watch, .events = POLLIN};
    char message[1]; /* its size does not matter: whoever waits looks anew */
    if (poll(&one, 1, timeout_ms) < 0 && errno != EINTR)
        return err_set_errno(err, "waiting for the network");
    while (recv(watch, message, sizeof message, 0) >= 0 || errno == ENOBUFS || errno == EINTR)
        ;
    return errno == EAGAIN ? 0 : err_set_errno(err, "hearing of the network");
}
