/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net: finding and preparing the sidecar's interfaces. The sidecar is not a router: nothing in here may ever
 * turn forwarding on, and nothing goes on when it could not be turned off.
 */
#include "init/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NAMES_SIZE 160 /* bytes: interfaces listed in an error */

/* ---- which interfaces ---- */

static const struct netlink_link *link_by_index(const struct net_lists *lists, int index)
{
    for (size_t i = 0; i < lists->link_count; i++)
        if (lists->links[i].index == index)
            return &lists->links[i];
    return NULL;
}

static const struct netlink_link *link_by_name(const struct net_lists *lists, const char *name)
{
    for (size_t i = 0; i < lists->link_count; i++)
        if (strcmp(lists->links[i].name, name) == 0)
            return &lists->links[i];
    return NULL;
}

/* The first address that is not link-local: it is the one that nat's redirect picks. NULL = none. */
static const struct netlink_address *address_of(const struct net_lists *lists,
                                                const struct netlink_link *link)
{
    for (size_t i = 0; i < lists->address_count; i++)
        if (lists->addresses[i].index == link->index && lists->addresses[i].scope < RT_SCOPE_LINK)
            return &lists->addresses[i];
    return NULL;
}

/* What may still come. */
__attribute__((format(printf, 2, 3))) static int missing(struct err *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    return NET_MISSING;
}

static bool is_default_route(const struct netlink_route *route)
{
    return route->to.length == 0 && route->to.ip.family == 4 && route->table == RT_TABLE_MAIN &&
           route->type == RTN_UNICAST && route->index != 0;
}

/* Adds a candidate to the names of an error. */
static void names_add(char names[NAMES_SIZE], const char *name)
{
    size_t len = strlen(names);
    snprintf(names + len, NAMES_SIZE - len, "%s\"%s\"", len > 0 ? ", " : "", name);
}

static int choose_named(const struct net_lists *lists, const char *name, const char *option,
                        const struct netlink_link **link, struct err *err)
{
    *link = link_by_name(lists, name);
    if (*link == NULL)
        return missing(err, "%s: there is no interface \"%s\"", option, name);
    if (!((*link)->flags & IFF_UP))
        return missing(err, "%s: interface \"%s\" is down", option, name);
    if (address_of(lists, *link) == NULL)
        return missing(err, "%s: interface \"%s\" has no IPv4 address", option, name);
    return 0;
}

static int choose_egress(const struct net_lists *lists, const struct netlink_link **egress, struct err *err)
{
    char names[NAMES_SIZE] = "";
    *egress = NULL;
    for (size_t i = 0; i < lists->route_count; i++) {
        if (!is_default_route(&lists->routes[i]))
            continue;
        const struct netlink_link *link = link_by_index(lists, lists->routes[i].index);
        if (link == NULL || link == *egress)
            continue;
        names_add(names, link->name);
        if (*egress != NULL)
            return err_set(err, "several interfaces have a default route (%s): choose with --egress", names);
        *egress = link;
    }
    if (*egress == NULL)
        return missing(err, "no interface has an IPv4 default route: name the egress one with --egress");
    return choose_named(lists, (*egress)->name, "egress", egress, err);
}

static int choose_agent(const struct net_lists *lists, const struct netlink_link *egress,
                        const struct netlink_link **agent, struct err *err)
{
    char names[NAMES_SIZE] = "";
    size_t found = 0;
    *agent = NULL;
    for (size_t i = 0; i < lists->link_count; i++) {
        const struct netlink_link *link = &lists->links[i];
        if (link == egress || (link->flags & IFF_LOOPBACK) || !(link->flags & IFF_UP) ||
            address_of(lists, link) == NULL)
            continue;
        names_add(names, link->name);
        *agent = link;
        found++;
    }
    if (found == 0)
        return missing(
            err, "no interface besides \"%s\" is up with an IPv4 address: name the agent's with --agent",
            egress->name);
    if (found > 1)
        return err_set(err, "several interfaces could be the agent's (%s): choose with --agent", names);
    return 0;
}

/* Where the machine is that runs the bottle: what the options say, else whither this side's default route leads. */
static struct ip host_of(const struct net_lists *lists, const struct options *options,
                         const struct netlink_link *egress)
{
    struct ip none = {.family = 0};

    if (options->no_host || options->host.family != 0)
        return options->no_host ? none : options->host;
    for (size_t i = 0; i < lists->route_count; i++)
        if (is_default_route(&lists->routes[i]) && lists->routes[i].index == egress->index &&
            lists->routes[i].gateway.family == 4)
            return lists->routes[i].gateway;
    return none;
}

static struct cidr prefix_of(const struct netlink_address *address)
{
    struct cidr prefix = {.ip = address->ip, .length = address->length};
    for (unsigned bit = prefix.length; bit < 32; bit++)
        prefix.ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return prefix;
}

int net_choose(const struct net_lists *lists, const struct options *options, struct net *net, struct err *err)
{
    const struct netlink_link *egress, *agent;
    int status = options->egress[0] != '\0' ? choose_named(lists, options->egress, "--egress", &egress, err)
                                            : choose_egress(lists, &egress, err);
    if (status != 0)
        return status;
    status = options->agent[0] != '\0' ? choose_named(lists, options->agent, "--agent", &agent, err)
                                       : choose_agent(lists, egress, &agent, err);
    if (status != 0)
        return status;
    if (egress == agent)
        return err_set(
            err, "\"%s\" is the egress interface and cannot be the agent's: choose with --egress and --agent",
            egress->name);
    if ((egress->flags | agent->flags) & IFF_LOOPBACK)
        return err_set(err,
                       "the loopback interface leads to nobody: choose others with --egress and --agent");

    const struct netlink_address *address = address_of(lists, agent);
    if (address->length == 0 || address->length > 31)
        return err_set(err, "the address of \"%s\" has no subnet in which the agent could be", agent->name);
    *net = (struct net){.egress = *egress, .agent = *agent, .agent_address = address->ip};
    net->agent_prefix = prefix_of(address);
    net->host = host_of(lists, options, egress);
    net->own[net->own_count++] = net->agent_prefix;
    for (size_t i = 0; i < lists->address_count; i++) {
        const struct netlink_link *link = link_by_index(lists, lists->addresses[i].index);
        if (link == NULL || (link->flags & IFF_LOOPBACK))
            continue;
        if (net->own_count == NET_OWN_MAX)
            return err_set(err, "the sidecar has more than %d addresses", NET_OWN_MAX - 1);
        net->own[net->own_count++] = (struct cidr){.ip = lists->addresses[i].ip, .length = 32};
    }
    return 0;
}

int net_find(struct netlink *nl, const struct options *options, struct net *net, struct err *err)
{
    struct net_lists lists = {0};
    int status = -1;
    if (netlink_links(nl, &lists.links, &lists.link_count, err) == 0 &&
        netlink_addresses(nl, AF_INET, &lists.addresses, &lists.address_count, err) == 0 &&
        netlink_routes(nl, AF_INET, &lists.routes, &lists.route_count, err) == 0)
        status = net_choose(&lists, options, net, err);
    free(lists.links);
    free(lists.addresses);
    free(lists.routes);
    return status;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int net_wait(struct netlink *nl, const struct options *options, struct net *net, struct err *err)
{
    int64_t left, end = now_ms() + options->wait_s * 1000;
    int status, watch = netlink_watch(err); /* before the first look, so that no change falls between */
    if (watch < 0)
        return -1;
    while ((status = net_find(nl, options, net, err)) == NET_MISSING && (left = end - now_ms()) > 0) {
        struct err why;
        if (netlink_watch_wait(watch, (int)left, &why) < 0) {
            *err = why;
            break;
        }
    }
    close(watch);
    return status == 0 ? 0 : -1;
}

/* ---- settings ---- */

static bool ipv6_forwards(const char *interface)
{
    char path[96], value = '0';
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/forwarding", interface);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool on = fd >= 0 && read(fd, &value, 1) == 1 && value != '0';
    if (fd >= 0)
        close(fd);
    return on;
}

bool net_forwards(void)
{
    struct netlink nl;
    struct netlink_link *links = NULL;
    size_t count = 0;
    struct err ignored;
    bool on = ipv6_forwards("all");
    if (netlink_open(&nl, &ignored) < 0)
        return on;
    if (netlink_links(&nl, &links, &count, &ignored) == 0)
        for (size_t i = 0; i < count; i++)
            on = on || (!(links[i].flags & IFF_LOOPBACK) && links[i].forwarding > 0) ||
                 ipv6_forwards(links[i].name);
    free(links);
    netlink_close(&nl);
    return on;
}

/* For what only /proc/sys can set; in many containers it is read-only. */
static void sysctl_try(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, value, strlen(value)) < 0)
        fprintf(stderr, "stopper-init: %s: %s (going on)\n", path, strerror(errno));
    close(fd);
}

static int forwarding_off(struct netlink *nl, const struct netlink_link *links, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (netlink_forwarding_off(nl, links[i].index, err) < 0)
            return err_prefix(err, "interface \"%s\"", links[i].name);
    return 0;
}

int net_close_forwarding(struct netlink *nl, struct err *err)
{
    struct netlink_link *links;
    size_t count;
    int status = -1;

    /* first, since this sets what interfaces to come are born with, and those that are there too */
    sysctl_try("/proc/sys/net/ipv4/ip_forward", "0");
    sysctl_try("/proc/sys/net/ipv6/conf/all/forwarding", "0"); /* which rtnetlink cannot set */
    sysctl_try("/proc/sys/net/ipv4/icmp_ratelimit", "0");
    sysctl_try("/proc/sys/net/ipv6/icmp/ratelimit", "0");
    if (netlink_links(nl, &links, &count, err) < 0)
        return -1;
    if (forwarding_off(nl, links, count, err) < 0)
        goto done;
    for (size_t i = 0; i < count; i++)
        if ((links[i].flags & IFF_LOOPBACK) && netlink_link_up(nl, links[i].index, err) < 0)
            goto done;
    free(links);
    if (netlink_links(nl, &links, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (links[i].forwarding != 0) {
            err_set(err, "forwarding is still on at interface \"%s\"", links[i].name);
            goto done;
        }
    }
    status = 0;
done:
    free(links);
    return status;
}

int net_announce(struct netlink *nl, const struct net *net, struct err *err)
{
    /* With ARP_NOTIFY set the kernel announces a device's addresses when its MAC is set, also to what it was.
     */
    if (netlink_inet_conf(nl, net->agent.index, IPV4_DEVCONF_ARP_NOTIFY, 1, err) < 0 ||
        netlink_link_set_mac(nl, net->agent.index, net->agent.mac, err) < 0)
        return err_prefix(err, "announcing the address of \"%s\"", net->agent.name);
    return 0;
}
