/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_uplink: see the header. Facts of Debian 12's passt (0.0~git20230309) that shape the pasta half:
 *   - as root it becomes "nobody" and then can open neither /proc/PID/ns nor the namespace (its PID form
 * fails); told to stay root it works, with CAP_SYS_ADMIN over the host. So it runs as a user of its own, and
 * the sidecar's network belongs to a user namespace of that user: there it may configure the link, and
 * nothing else anywhere.
 *   - it finds the namespaces by path: they are bound into a /dev that only this process sees, together with
 * the tun device, which hosts without udev keep for root.
 *   - it ends at once when SIGPIPE is ignored, and says nothing when it is ready: the default route is waited
 * for.
 *   - without --no-map-gw the gateway's address leads to the host's own loopback.
 * What it or the guard must never do: outlive the bottle.
 */
#include "hostctl/rt_netns_uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/policy.h"
#include "hostctl/manifest.h"
#include "hostctl/rt_netns_log.h"
#include "hostctl/rt_netns_nft.h"
#include "hostctl/rt_netns_proc.h"
#include "sys/netlink.h"
#include "sys/users.h"

#define READY_TRIES   1000 /* of READY_STEP_MS: pasta has 10 s */
#define READY_STEP_MS 10
#define END_GRACE_MS  1000
#define LINK_PREFIX   "stp"
#define PORT_LIST     (MANIFEST_HOST_PORTS * 6 + 1) /* bytes of "65535,…" */

static const char *const pasta_paths[] = {"/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta"};

static const char *pasta_path(void)
{
    for (size_t i = 0; i < sizeof pasta_paths / sizeof pasta_paths[0]; i++)
        if (access(pasta_paths[i], X_OK) == 0)
            return pasta_paths[i];
    return NULL;
}

int uplink_pasta_find(struct err *err)
{
    if (pasta_path())
        return 0;
    return err_set(err, "pasta is not installed (apt install passt), and the bottle has no other way out; or "
                        "use --uplink=nat");
}

static int bind_namespace(int fd, const char *at, struct err *err)
{
    char source[40];
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    int file = open(at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (file == -1)
        return err_set_errno(err, "%s", at);
    close(file);
    return mount(source, at, NULL, MS_BIND, NULL) == -1 ? err_set_errno(err, "%s", at) : 0;
}

/* In the child: a /dev of pasta's own. */
static int pasta_prepare(void *ctx, struct err *err)
{
    const struct net *net = ctx;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("stopper", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") == -1)
        return err_set_errno(err, "pasta's /dev");
    if (mkdir("/dev/net", 0755) == -1 || mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) == -1 ||
        mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)) == -1 || chmod("/dev/null", 0666) == -1 ||
        chmod("/dev/net/tun", 0666) == -1)
        return err_set_errno(err, "pasta's devices");
    if (bind_namespace(net->owner, "/dev/owner", err) == -1 ||
        bind_namespace(net->sidecar, "/dev/network", err) == -1)
        return -1;
    return chdir("/") == -1 ? err_set_errno(err, "/") : 0;
}

static int pasta_words(const struct state *state, const char *what, struct err *err)
{
    char last[256];
    log_last(state, LOG_UPLINK, last);
    return err_set(err, "uplink: pasta %s%s%s (--uplink=nat is the other way)", what, last[0] ? ": " : "",
                   last);
}

static int route_wait(struct netlink *nl, int pidfd, const struct state *state, int interrupt,
                      struct err *err)
{
    for (int i = 0; i < READY_TRIES; i++) {
        struct netlink_route *routes = NULL;
        size_t count = 0;
        bool found = false;
        int result = netlink_routes(nl, AF_INET, &routes, &count, err);
        for (size_t r = 0; result == 0 && r < count; r++)
            found |= routes[r].to.length == 0 && routes[r].type == RTN_UNICAST;
        free(routes);
        if (result == -1 || found)
            return result;
        struct pollfd wait[] = {{.fd = pidfd, .events = POLLIN}, {.fd = interrupt, .events = POLLIN}};
        if (poll(wait, 2, READY_STEP_MS) > 0)
            return wait[0].revents ? pasta_words(state, "ended", err) : err_set(err, "interrupted");
    }
    return pasta_words(state, "did not configure the network within 10 seconds", err);
}

static int pasta_ready(const struct net *net, const struct proc *pasta, const struct state *state,
                       int interrupt, struct err *err)
{
    struct netlink nl = {0};
    int home;
    if (net_enter(net->sidecar, &home, err) == -1)
        return -1;
    int result = netlink_open(&nl, err);
    net_leave(home);
    int pidfd = result == 0 ? proc_open(pasta->pid, pasta->start) : -1;
    if (result == 0)
        result =
            pidfd == -1 ? pasta_words(state, "ended", err) : route_wait(&nl, pidfd, state, interrupt, err);
    if (pidfd != -1)
        close(pidfd);
    netlink_close(&nl);
    return result;
}

/* "11434,5432", or "none". */
static void port_list(const struct bottle_spec *spec, char list[PORT_LIST])
{
    snprintf(list, PORT_LIST, "none");
    for (size_t i = 0, len = 0; i < spec->host_port_count; i++)
        len += (size_t)snprintf(list + len, PORT_LIST - len, "%s%u", i > 0 ? "," : "", spec->host_ports[i]);
}

int uplink_pasta(const struct net *net, const struct bottle_spec *spec, struct state *state, struct err *err)
{
    char ports[PORT_LIST];
    const char *const argv[] = {"pasta",
                                "--foreground",
                                "--quiet",
                                "--ipv4-only",
                                "--config-net",
                                "--ns-ifname",
                                NET_EGRESS_LINK,
                                "-t",
                                "none",
                                "-u",
                                "none",
                                "-T",
                                ports,
                                "-U",
                                "none",
                                "--no-map-gw",
                                "--no-dhcp",
                                "--no-dhcpv6",
                                "--no-ndp",
                                "--no-ra",
                                "--userns",
                                "/dev/owner",
                                "--netns",
                                "/dev/network",
                                NULL};
    struct proc pasta;
    if (uplink_pasta_find(err) == -1)
        return -1;
    port_list(spec, ports);
    int log = log_open(state, LOG_UPLINK, err);
    if (log == -1)
        return -1;
    const int fds[] = {-1, log, log};
    struct proc_plan plan = {
        .namespaces = CLONE_NEWNS,
        .net = -1,
        .join = -1,
        .prepare = pasta_prepare,
        .ctx = (void *)(uintptr_t)net,
        .user = USER_UPLINK,
        .no_new_privs = true,
        .dies_with_caller = true,
        .path = pasta_path(),
        .argv = argv,
        .fds = fds,
        .fd_count = 3,
    };
    int result = proc_make(&plan, &pasta, err);
    close(log);
    if (result == -1)
        return err_prefix(err, "uplink");
    if (state_set_process(state, "uplink", pasta.pid, pasta.start, err) == -1) {
        proc_abandon(&pasta);
        return -1;
    }
    if (proc_go(&pasta, err) == -1)
        return err_prefix(err, "uplink");
    return pasta_ready(net, &pasta, state, spec->interrupt, err);
}

static int link_delete(const char *name, struct err *err)
{
    struct netlink nl = {0};
    struct netlink_link *links = NULL;
    size_t count = 0;
    if (netlink_open(&nl, err) == -1)
        return -1;
    int result = netlink_links(&nl, &links, &count, err);
    for (size_t i = 0; result == 0 && i < count; i++)
        /* The cable also goes by itself, with the sidecar's namespace: then deleting it finds nothing. */
        if (strcmp(links[i].name, name) == 0 && netlink_link_delete(&nl, links[i].index, err) == -1 &&
            errno != ENODEV)
            result = -1;
    free(links);
    netlink_close(&nl);
    return result;
}

int uplink_guard(int argc, char **argv)
{
    struct err err;
    char byte;
    if (argc != 3 || strncmp(argv[1], NFT_TABLE_PREFIX, sizeof NFT_TABLE_PREFIX - 1) != 0 ||
        strncmp(argv[2], LINK_PREFIX, sizeof LINK_PREFIX - 1) != 0)
        return 2;
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    while (read(3, &byte, 1) == -1 && errno == EINTR)
        ;
    int rules = nft_table_delete(argv[1], &err);
    return link_delete(argv[2], &err) == 0 && rules == 0 ? 0 : 1;
}

static int guard_start(struct state *state, const char *table, const char *link, struct err *err)
{
    static int alive = -1; /* open as long as this process lives: its end is what the guard waits for */
    int ends[2];
    struct proc guard;
    if (pipe2(ends, O_CLOEXEC) == -1)
        return err_set_errno(err, "pipe");
    const int fds[] = {-1, -1, -1, ends[0]};
    const char *const argv[] = {"hostctl", UPLINK_GUARD_VERB, table, link, NULL};
    struct proc_plan plan = {
        .net = -1,
        .join = -1,
        .capabilities = 1ull << CAP_NET_ADMIN,
        .no_new_privs = true,
        .path = "/proc/self/exe",
        .argv = argv,
        .fds = fds,
        .fd_count = 4,
    };
    int result = proc_make(&plan, &guard, err);
    close(ends[0]);
    if (alive != -1)
        close(alive);
    alive = ends[1];
    if (result == -1)
        return -1;
    if (state_set_process(state, "guard", guard.pid, guard.start, err) == -1) {
        proc_abandon(&guard);
        return -1;
    }
    return proc_go(&guard, err);
}

static int forwarding_check(struct err *err)
{
    char value = '0';
    int fd = open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
    if (fd == -1 || read(fd, &value, 1) != 1)
        err_set_errno(err, "/proc/sys/net/ipv4/ip_forward");
    if (fd != -1)
        close(fd);
    if (value == '1')
        return 0;
    return err_set(err,
                   "--uplink=nat needs a host that forwards, and net.ipv4.ip_forward is 0 here: set it to 1 "
                   "(sysctl -w net.ipv4.ip_forward=1), or use --uplink=pasta");
}

/* Names and addresses one end of the cable, up. */
static int cable_end(struct netlink *nl, const char *name, const struct cidr *subnet, unsigned number,
                     struct netlink_link *link, struct err *err)
{
    if (netlink_link_find(nl, name, link, err) == -1)
        return -1;
    struct netlink_address address = {.index = link->index,
                                      .ip = net_address(subnet, number),
                                      .length = NET_LENGTH,
                                      .scope = RT_SCOPE_UNIVERSE};
    if (netlink_ipv6_no_autoconf(nl, link->index, err) == -1 || netlink_address_add(nl, &address, err) == -1)
        return -1;
    return netlink_link_up(nl, link->index, err);
}

static int cable_far_end(const struct net *net, const struct cidr *subnet, struct err *err)
{
    struct netlink nl = {0};
    struct netlink_link link;
    int home;
    if (net_enter(net->sidecar, &home, err) == -1)
        return -1;
    int result = netlink_open(&nl, err);
    net_leave(home);
    if (result == -1 || cable_end(&nl, NET_EGRESS_LINK, subnet, 2, &link, err) == -1) {
        netlink_close(&nl);
        return -1;
    }
    struct netlink_route route = {.to = {.ip = {.family = 4}},
                                  .gateway = net_address(subnet, 1),
                                  .index = link.index,
                                  .type = RTN_UNICAST};
    result = netlink_route_add(&nl, &route, err);
    netlink_close(&nl);
    return result;
}

static int cable_make(const struct net *net, const char *name, const struct cidr *subnet, struct err *err)
{
    struct netlink nl = {0};
    struct netlink_link link;
    if (netlink_open(&nl, err) == -1)
        return -1;
    int result = netlink_veth(&nl, name, NET_EGRESS_LINK, net->sidecar, err);
    if (result == 0)
        result = cable_end(&nl, name, subnet, 1, &link, err);
    if (result == 0 && link.forwarding == 0)
        result = err_set(
            err, "--uplink=nat: this host does not forward on new links (net.ipv4.conf.default.forwarding)");
    netlink_close(&nl);
    return result == 0 ? cable_far_end(net, subnet, err) : -1;
}

int uplink_nat(const struct net *net, const struct bottle_spec *spec, struct state *state, struct err *err)
{
    struct cidr subnet;
    char table[sizeof NFT_TABLE_PREFIX + BOTTLE_NAME_MAX], link[16];
    if (forwarding_check(err) == -1 || net_choose(state, "uplink_subnet", &subnet, err) == -1)
        return err_prefix(err, "uplink");
    snprintf(table, sizeof table, NFT_TABLE_PREFIX "%s", state->name);
    snprintf(link, sizeof link, LINK_PREFIX "%02x%02x%02x%02x", subnet.ip.bytes[0], subnet.ip.bytes[1],
             subnet.ip.bytes[2], subnet.ip.bytes[3]);
    if (state_set(state, "table", table, err) == -1 || state_set(state, "link", link, err) == -1)
        return -1;
    /* What an earlier bottle of this name may have left behind a killed guard is not ours to keep. */
    if (guard_start(state, table, link, err) == -1 || nft_table_delete(table, err) == -1 ||
        nft_table_add(table, link, &subnet, spec->host_ports, spec->host_port_count, err) == -1 ||
        cable_make(net, link, &subnet, err) == -1)
        return err_prefix(err, "uplink");
    return 0;
}

int uplink_remove(const struct state *state, struct err *err)
{
    static const char *const roles[] = {"uplink", "guard"};
    const char *table = state_get(state, "table"), *link = state_get(state, "link");
    int result = 0;
    pid_t pid;
    uint64_t start;
    for (size_t i = 0; i < 2; i++)
        if (state_get_process(state, roles[i], &pid, &start) &&
            proc_end(pid, start, SIGTERM, END_GRACE_MS) == -1)
            result = err_set(err, "process %d (%s) does not end", (int)pid, roles[i]);
    if (table && nft_table_delete(table, err) == -1)
        result = -1;
    if (link && link_delete(link, err) == -1)
        result = -1;
    return result;
}
