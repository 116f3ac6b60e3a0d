/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_net: see the header. Runs once, as PID 1, before the drop. It adds the two routes that shall be, takes
 * away all others, and then looks: what is left must be exactly that. It must never run in the machine's own
 * namespace, where it would cut the machine off; hence the checks in front.
 */
#include "init/shim_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/netlink.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define ELSEWHERE   "192.0.2.1" /* TEST-NET-1 (RFC 5737): nobody's */
#define ANSWER_MS   3000

static bool ip_equal(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}

/* Finds the agent's link; another one that is up, the loopback aside, would be a second way out. */
static int links_check(struct netlink *nl, const char *name, bool lo_up, struct netlink_link *found,
                       struct err *err)
{
    struct netlink_link *links;
    size_t count;
    int result = 0;

    if (netlink_link_find(nl, name, found, err) != 0 || netlink_links(nl, &links, &count, err) != 0)
        return -1;
    if (found->flags & IFF_LOOPBACK)
        result = err_set(err, "%s is the loopback", name);
    for (size_t i = 0; i < count && result == 0; i++) {
        if (links[i].index == found->index)
            continue;
        if (links[i].flags & IFF_LOOPBACK)
            result = lo_up ? netlink_link_up(nl, links[i].index, err) : 0;
        else if (links[i].flags & IFF_UP)
            result = err_set(err, "this namespace has another interface, %s", links[i].name);
    }
    free(links);
    return result;
}

static int address_check(struct netlink *nl, const struct shim_config *config, int index, struct err *err)
{
    struct netlink_address *addresses;
    size_t count, own = 0;
    int result = 0;

    if (netlink_addresses(nl, AF_INET, &addresses, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count && result == 0; i++) {
        own += addresses[i].index == index;
        if (ip_equal(&addresses[i].ip, &config->gateway))
            result = err_set(err, "the gateway's address is the agent's own");
    }
    free(addresses);
    return result == 0 && own == 0 ? err_set(err, "%s has no IPv4 address", config->interface) : result;
}

/* ---- IPv4 ---- */

struct wanted {
    struct netlink_route sidecar, outside;
};

static struct wanted wanted_of(const struct shim_config *config, int index)
{
    return (struct wanted){
        .sidecar = {.to = {.ip = config->gateway, .length = 32}, .index = index},
        .outside = {.to = {.ip = {.family = 4}}, .gateway = config->gateway, .index = index},
    };
}

static bool route_is(const struct netlink_route *route, const struct netlink_route *other)
{
    return route->table == RT_TABLE_MAIN && route->type == RTN_UNICAST && route->priority == 0 &&
           route->index == other->index && route->to.length == other->to.length &&
           ip_equal(&route->to.ip, &other->to.ip) && ip_equal(&route->gateway, &other->gateway);
}

/* The table of local addresses holds what leads to ourselves; its broadcast routes lead onto the wire. */
static bool route_may_stay(const struct netlink_route *route, const struct wanted *wanted, int index)
{
    if (route->table == RT_TABLE_LOCAL)
        return route->index != index || route->type == RTN_LOCAL;
    return route_is(route, &wanted->sidecar) || route_is(route, &wanted->outside);
}

static int routes_clean(struct netlink *nl, const struct wanted *wanted, int index, struct err *err)
{
    struct netlink_route *routes;
    size_t count;
    int result = 0;

    if (netlink_routes(nl, AF_INET, &routes, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count && result == 0; i++) {
        if (!route_may_stay(&routes[i], wanted, index) && netlink_route_delete(nl, &routes[i], err) != 0 &&
            errno != ESRCH) /* gone with another one */
            result = -1;
    }
    free(routes);
    return result;
}

static int routes_verify(struct netlink *nl, const struct wanted *wanted, int index, struct err *err)
{
    struct netlink_route *routes;
    size_t count, found = 0;
    int result = 0;

    if (netlink_routes(nl, AF_INET, &routes, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        found += route_is(&routes[i], &wanted->sidecar) || route_is(&routes[i], &wanted->outside);
        if (!route_may_stay(&routes[i], wanted, index))
            result = err_set(err, "a route is left that leads around the sidecar");
    }
    free(routes);
    return result == 0 && found != 2 ? err_set(err, "the route to the sidecar did not take effect") : result;
}

static int routes_set(struct netlink *nl, const struct shim_config *config, int index, struct err *err)
{
    const struct wanted wanted = wanted_of(config, index);

    if (netlink_route_replace(nl, &wanted.sidecar, err) != 0 ||
        netlink_route_replace(nl, &wanted.outside, err) != 0)
        return -1;
    if (routes_clean(nl, &wanted, index, err) != 0)
        return -1;
    return routes_verify(nl, &wanted, index, err);
}

/* ---- IPv6 ---- */

/* Where /proc/sys can be written; elsewhere the flushed addresses have to do. */
static void sysctl_try(const char *interface, const char *name, char value)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", interface, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, &value, 1);
    close(fd);
}

static int ipv6_verify(struct netlink *nl, int index, struct err *err)
{
    struct netlink_address *addresses;
    struct netlink_route *routes = NULL;
    size_t count;
    int result = 0;

    if (netlink_addresses(nl, AF_INET6, &addresses, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (addresses[i].index == index)
            result = err_set(err, "an IPv6 address is left");
    }
    free(addresses);
    if (result != 0 || netlink_routes(nl, AF_INET6, &routes, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (routes[i].index == index)
            result = err_set(err, "an IPv6 route is left");
    }
    free(routes);
    return result;
}

/* The loopback keeps ::1: development servers listen there. */
static int ipv6_off(struct netlink *nl, const struct shim_config *config, int index, struct err *err)
{
    const struct netlink_route nowhere = {.to = {.ip = {.family = 6}}, .type = RTN_UNREACHABLE};
    struct err ignored;

    sysctl_try(config->interface, "accept_ra", '0');
    sysctl_try("default", "disable_ipv6", '1');
    if (netlink_ipv6_no_autoconf(nl, index, err) != 0)
        return -1;
    sysctl_try(config->interface, "disable_ipv6", '1');
    if (netlink_ipv6_flush(nl, index, err) != 0)
        return -1;
    /* Fails where IPv6 is off altogether: then there is nothing to make unreachable, as ipv6_verify sees. */
    netlink_route_replace(nl, &nowhere, &ignored);
    return ipv6_verify(nl, index, err);
}

int shim_net_setup(const struct shim_config *config, struct err *err)
{
    struct netlink_link link;
    struct netlink nl;
    int result = -1;

    if (getpid() != 1)
        return err_set(err, "routes are only set by PID 1 of a namespace");
    if (netlink_open(&nl, err) != 0)
        return -1;
    if (links_check(&nl, config->interface, true, &link, err) == 0 &&
        address_check(&nl, config, link.index, err) == 0 && ipv6_off(&nl, config, link.index, err) == 0 &&
        netlink_link_up(&nl, link.index, err) == 0)
        result = routes_set(&nl, config, link.index, err);
    netlink_close(&nl);
    return result == 0 ? 0 : err_prefix(err, "network");
}

int shim_net_unreachable(const struct ip *addresses, size_t count, struct err *err)
{
    struct netlink nl;
    int result = 0;

    if (getpid() != 1)
        return err_set(err, "routes are only set by PID 1 of a namespace");
    if (netlink_open(&nl, err) != 0)
        return -1;
    for (size_t i = 0; i < count && result == 0; i++) {
        /* In the table of local addresses, which is asked first: it is where 127.0.0.0/8 is. */
        const struct netlink_route nowhere = {
            .to = {.ip = addresses[i], .length = 32}, .table = RT_TABLE_LOCAL, .type = RTN_UNREACHABLE};

        result = netlink_route_replace(&nl, &nowhere, err);
    }
    netlink_close(&nl);
    return result == 0 ? 0 : err_prefix(err, "network");
}

/* The sidecar takes every TCP connection that is led to it, whatever its address. */
static int sidecar_answers(struct err *err)
{
    struct sockaddr_in elsewhere = {.sin_family = AF_INET, .sin_port = htons(443)};
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    struct pollfd wait = {.fd = sock, .events = POLLOUT};
    socklen_t len = sizeof error;

    inet_pton(AF_INET, ELSEWHERE, &elsewhere.sin_addr);
    if (sock < 0)
        return err_set_errno(err, "socket");
    if (connect(sock, (const struct sockaddr *)&elsewhere, sizeof elsewhere) != 0 && errno != EINPROGRESS)
        error = errno;
    else if (poll(&wait, 1, ANSWER_MS) != 1)
        error = ETIMEDOUT;
    else if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    close(sock);
    errno = error;
    return error == 0 ? 0 : err_set_errno(err, "the sidecar does not take connections to " ELSEWHERE);
}

int shim_net_look(const struct shim_config *config, enum shim_net_part part, struct err *err)
{
    struct netlink_link link;
    struct netlink nl;
    int result;

    if (netlink_open(&nl, err) != 0)
        return -1;
    result = links_check(&nl, config->interface, false, &link, err);
    if (result == 0 && part == SHIM_NET_IPV6)
        result = ipv6_verify(&nl, link.index, err);
    if (result == 0 && part == SHIM_NET_ROUTES) {
        const struct wanted wanted = wanted_of(config, link.index);

        result = address_check(&nl, config, link.index, err) != 0
                     ? -1
                     : routes_verify(&nl, &wanted, link.index, err);
    }
    netlink_close(&nl);
    return result;
}

int shim_net_verify(const struct shim_config *config, struct err *err)
{
    if (shim_net_look(config, SHIM_NET_IPV6, err) == 0 && shim_net_look(config, SHIM_NET_ROUTES, err) == 0 &&
        sidecar_answers(err) == 0)
        return 0;
    return err_prefix(err, "network");
}

int shim_net_probe(const struct shim_config *config, struct err *err)
{
    struct netlink_link link;
    struct netlink nl;
    struct err said;
    int result = -1;

    if (netlink_open(&nl, err) != 0)
        return -1;
    if (netlink_link_find(&nl, config->interface, &link, err) == 0) {
        const struct wanted wanted = wanted_of(config, link.index);

        if (netlink_route_replace(&nl, &wanted.outside, &said) == 0)
            err_set(err, "after the drop the route could still be changed");
        else if (errno != EPERM)
            err_set(err, "after the drop a route change was refused, but not for want of permission: %s",
                    said.text);
        else
            result = 0;
    }
    netlink_close(&nl);
    return result;
}

/* ---- resolver ---- */

bool shim_net_resolver_is(const char *address)
{
    char line[512], name[256];
    bool found = false;
    FILE *file = fopen(RESOLV_CONF, "re");

    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, " nameserver %255s", name) != 1)
            continue;
        if (strcmp(name, address) != 0) {
            found = false;
            break;
        }
        found = true;
    }
    fclose(file);
    return found;
}

int shim_net_resolver(const struct shim_config *config, struct err *err)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    char address[IP_TEXT], text[64];
    int fd, len;
    bool written;

    ip_format(&config->resolver, address);
    if (shim_net_resolver_is(address))
        return 0;
    fd = open(RESOLV_CONF, flags, 0644);
    if (fd < 0 && errno == ELOOP &&
        unlink(RESOLV_CONF) == 0) /* a symbolic link into a service that is not here */
        fd = open(RESOLV_CONF, flags, 0644);
    if (fd < 0)
        return err_set_errno(err, RESOLV_CONF);
    len = snprintf(text, sizeof text, "nameserver %s\n", address);
    written = write(fd, text, (size_t)len) == len;
    if (fchmod(fd, 0644) != 0 || close(fd) != 0 || !written)
        return err_set_errno(err, RESOLV_CONF);
    return 0;
}
