/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_net: see the header. The cable is the agent's only link: its far end is in the sidecar's
 * namespace, so that with the sidecar's last process the link itself is gone. IPv6 is switched off in both
 * namespaces before they hold a link, and forwarding in both, whatever the host's defaults are (new
 * namespaces copy them). It must never change a link, address, route or setting of the namespace that hostctl
 * was started in.
 */
#include "hostctl/rt_netns_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/netlink.h"
#include "sys/users.h"

#define POOL_FIRST   0x0a400000u /* 10.64.0.0/10 */
#define POOL_SUBNETS (1u << 20)  /* of four addresses */
#define CHOICES      4096        /* that are looked at before giving up */
#define SPREAD       2654435761u /* odd: the steps visit every subnet of the pool */

int net_enter(int namespace, int *home, struct err *err)
{
    *home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (*home == -1)
        return err_set_errno(err, "own network namespace");
    if (setns(namespace, CLONE_NEWNET) == 0)
        return 0;
    err_set_errno(err, "entering a network namespace");
    close(*home);
    return -1;
}

void net_leave(int home)
{
    if (setns(home, CLONE_NEWNET) == -1)
        _exit(125);
    close(home);
}

static int write_text(const char *path, const char *text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return err_set_errno(err, "%s", path);
    int result = write(fd, text, strlen(text)) == -1 ? err_set_errno(err, "%s", path) : 0;
    close(fd);
    return result;
}

/* In the namespace that the caller is in: before it has a link. */
static int settings(struct err *err)
{
    static const char *const off[][2] = {
        {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"},
        {"/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"},
        {"/proc/sys/net/ipv4/ip_forward", "0"},
        {"/proc/sys/net/ipv4/conf/all/accept_redirects", "0"},
        {"/proc/sys/net/ipv4/conf/default/accept_redirects", "0"},
        {"/proc/sys/net/ipv4/conf/all/route_localnet", "0"},
        {"/proc/sys/net/ipv4/conf/default/route_localnet", "0"},
    };
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        if (access(off[i][0], F_OK) == 0 &&
            write_text(off[i][0], off[i][1], err) == -1) /* IPv6 may be missing */
            return -1;
    return 0;
}

static int namespace_plain(int *namespace, struct err *err)
{
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home == -1)
        return err_set_errno(err, "own network namespace");
    if (unshare(CLONE_NEWNET) == -1) {
        err_set_errno(err, "making a network namespace");
        close(home);
        return -1;
    }
    *namespace = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (*namespace == -1)
        err_set_errno(err, "new network namespace");
    net_leave(home);
    return *namespace == -1 ? -1 : 0;
}

/* The child of namespace_owned: keeps its rights over the change of user, so that it works where unprivileged
 * users may not make user namespaces, and waits until its namespaces have been opened. */
static void __attribute__((noreturn)) owner_child(int ready, int done)
{
    char byte = 0;
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == -1 ||
        setresgid(USER_UPLINK, USER_UPLINK, USER_UPLINK) == -1 ||
        setresuid(USER_UPLINK, USER_UPLINK, USER_UPLINK) == -1 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1)
        byte = (char)errno;
    ssize_t ignored = write(ready, &byte, 1);
    ignored = read(done, &byte, 1);
    _exit(ignored == 0 ? 0 : 1);
}

static int owner_open(pid_t pid, struct net *net, struct err *err)
{
    /* The workers are in it by their own numbers: the wall's rules on users see them as this namespace does. */
    static const int workers[] = {USER_PROXY, USER_DNS, USER_GATE, USER_PUSH};
    char path[64], map[128];
    int len = snprintf(map, sizeof map, "0 %d 1\n", USER_UPLINK);
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++)
        len += snprintf(map + len, sizeof map - (size_t)len, "%d %d 1\n", workers[i], workers[i]);
    static const char *const files[] = {"uid_map", "setgroups", "gid_map"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
        if (write_text(path, i == 1 ? "deny" : map, err) == -1)
            return -1;
    }
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    net->owner = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    net->sidecar = open(path, O_RDONLY | O_CLOEXEC);
    return net->owner == -1 || net->sidecar == -1 ? err_set_errno(err, "the uplink's namespaces") : 0;
}

static int namespace_owned(struct net *net, struct err *err)
{
    int ready[2], done[2], result = -1;
    if (pipe2(ready, O_CLOEXEC) == -1)
        return err_set_errno(err, "pipe");
    if (pipe2(done, O_CLOEXEC) == -1) {
        close(ready[0]);
        close(ready[1]);
        return err_set_errno(err, "pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(done[1]);
        owner_child(ready[1], done[0]);
    }
    close(ready[1]);
    close(done[0]);
    char byte = 0;
    if (pid == -1) {
        err_set_errno(err, "fork");
    } else if (read(ready[0], &byte, 1) != 1) {
        err_set(err, "the uplink's namespaces: their maker died");
    } else if (byte) {
        errno = byte;
        err_set_errno(err,
                      "the uplink's user namespace (sysctl user.max_user_namespaces; or use --uplink=nat)");
    } else {
        result = owner_open(pid, net, err);
    }
    close(done[1]);
    close(ready[0]);
    if (pid != -1)
        while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
            ;
    return result;
}

struct ip net_address(const struct cidr *subnet, unsigned number)
{
    struct ip ip = subnet->ip;
    ip.bytes[3] = (uint8_t)(ip.bytes[3] + number);
    return ip;
}

static int end_configure(struct netlink *nl, const struct cidr *subnet, unsigned number, struct err *err)
{
    struct netlink_link link;
    if (netlink_link_find(nl, NET_AGENT_LINK, &link, err) == -1)
        return -1;
    struct netlink_address address = {.index = link.index,
                                      .ip = net_address(subnet, number),
                                      .length = NET_LENGTH,
                                      .scope = RT_SCOPE_UNIVERSE};
    if (netlink_ipv6_no_autoconf(nl, link.index, err) == -1 || netlink_address_add(nl, &address, err) == -1)
        return -1;
    return netlink_link_up(nl, link.index, err);
}

static int agent_configure(const struct net *net, const struct cidr *subnet, struct err *err)
{
    struct netlink nl = {0};
    struct netlink_link loopback;
    if (netlink_open(&nl, err) == -1)
        return -1;
    int result = -1;
    if (settings(err) == 0 && netlink_link_find(&nl, "lo", &loopback, err) == 0 &&
        netlink_link_up(&nl, loopback.index, err) == 0 &&
        netlink_veth(&nl, NET_AGENT_LINK, NET_AGENT_LINK, net->sidecar, err) == 0)
        result = end_configure(&nl, subnet, 2, err);
    netlink_close(&nl);
    return result;
}

static int sidecar_configure(const struct cidr *subnet, struct err *err)
{
    struct netlink nl = {0};
    if (netlink_open(&nl, err) == -1)
        return -1;
    int result = end_configure(&nl, subnet, 1, err);
    netlink_close(&nl);
    return result;
}

int net_make(struct net *net, const struct cidr *subnet, bool owned, struct err *err)
{
    int home, result = -1;
    *net = (struct net){-1, -1, -1};
    if ((owned ? namespace_owned(net, err) : namespace_plain(&net->sidecar, err)) == -1 ||
        namespace_plain(&net->agent, err) == -1 || net_enter(net->sidecar, &home, err) == -1)
        goto out;
    result = settings(err);
    net_leave(home);
    if (result == -1 || (result = net_enter(net->agent, &home, err)) == -1)
        goto out;
    result = agent_configure(net, subnet, err);
    net_leave(home);
    if (result == -1 || (result = net_enter(net->sidecar, &home, err)) == -1)
        goto out;
    result = sidecar_configure(subnet, err);
    net_leave(home);
out:
    if (result == 0)
        return 0;
    net_close(net);
    return err_prefix(err, "networks");
}

void net_close(struct net *net)
{
    int *const all[] = {&net->owner, &net->sidecar, &net->agent};
    for (size_t i = 0; i < 3; i++) {
        if (*all[i] != -1)
            close(*all[i]);
        *all[i] = -1;
    }
}

static bool overlaps(const struct cidr *a, const struct cidr *b)
{
    return cidr_contains(a, &b->ip) || cidr_contains(b, &a->ip);
}

/* What the host's own namespace uses, as prefixes. */
struct used {
    struct netlink_address *addresses;
    struct netlink_route *routes;
    size_t address_count, route_count;
};

static int used_read(struct used *used, struct err *err)
{
    struct netlink nl = {0};
    *used = (struct used){0};
    if (netlink_open(&nl, err) == -1)
        return -1;
    int result = netlink_addresses(&nl, AF_INET, &used->addresses, &used->address_count, err);
    if (result == 0)
        result = netlink_routes(&nl, AF_INET, &used->routes, &used->route_count, err);
    netlink_close(&nl);
    return result;
}

static bool used_overlaps(const struct used *used, const struct cidr *subnet)
{
    for (size_t i = 0; i < used->address_count; i++)
        if (cidr_contains(subnet, &used->addresses[i].ip))
            return true;
    /* Connected networks are routes too. The default route covers everything and says nothing. */
    for (size_t i = 0; i < used->route_count; i++)
        if (used->routes[i].to.length > 0 && overlaps(&used->routes[i].to, subnet))
            return true;
    return false;
}

struct search {
    const char *self;
    const struct cidr *subnet;
};

static int other_overlaps(void *ctx, const char *name)
{
    static const char *const keys[] = {"subnet", "uplink_subnet"};
    const struct search *search = ctx;
    struct state other;
    struct err err;
    struct cidr theirs;
    int found = 0;
    if (strcmp(name, search->self) == 0 || state_open(&other, name, STATE_READ, 0, &err) != STATE_OK)
        return 0;
    for (size_t i = 0; i < 2; i++) {
        const char *text = state_get(&other, keys[i]);
        if (text && cidr_parse(str_of(text), &theirs) == 0 && overlaps(&theirs, search->subnet))
            found = 1;
    }
    state_close(&other);
    return found;
}

int net_choose(struct state *state, const char *key, struct cidr *subnet, struct err *err)
{
    struct used used;
    uint32_t hash = 2166136261u; /* FNV-1a: names start at different places of the pool */
    for (const char *part[] = {state->name, "/", key}, **p = part; p < part + 3; p++)
        for (const char *c = *p; *c; c++)
            hash = (hash ^ (uint8_t)*c) * 16777619u;
    int result = used_read(&used, err);
    for (uint32_t i = 0; result == 0; i++) {
        if (i == CHOICES) {
            result = err_set(err, "no free network in 10.64.0.0/10");
            break;
        }
        uint32_t base = POOL_FIRST + (hash + i * SPREAD) % POOL_SUBNETS * 4;
        char text[IP_TEXT + 4];
        *subnet =
            (struct cidr){.ip = ip_from_v4((const uint8_t[]){(uint8_t)(base >> 24), (uint8_t)(base >> 16),
                                                             (uint8_t)(base >> 8), (uint8_t)base}),
                          .length = NET_LENGTH};
        const char *own = state_get(state, strcmp(key, "subnet") == 0 ? "uplink_subnet" : "subnet");
        struct cidr mine;
        if (used_overlaps(&used, subnet) ||
            (own && cidr_parse(str_of(own), &mine) == 0 && overlaps(&mine, subnet)))
            continue;
        ip_format(&subnet->ip, text);
        strcat(text, "/30");
        /* Written first, then compared: of two that choose at the same time at least one sees the other. */
        struct search search = {state->name, subnet};
        result = state_set(state, key, text, err);
        int found = result == 0 ? state_each(other_overlaps, &search, err) : 1;
        if (found == 0)
            break;
        if (found == -1)
            result = -1;
    }
    free(used.addresses);
    free(used.routes);
    return result;
}
