/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_probe_self: the probes of the agent's own side: its network as the kernel lists it, its rights and those of every
 * process that it can see, its files. They change nothing: where an attempt would, it is one that has no effect, or is
 * made by a child that ends. Names and contents that the agent made are never repeated.
 */
#include "init/shim_probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "init/shim_net.h"
#include "init/shim_trust.h"
#include "sys/netlink.h"

#define FILE_MAX     (8u << 20) /* bytes of a bundle of roots */
#define PROCESSES    20000      /* that are looked at */
#define TRIES        6          /* of TRY_NS: an entry by `exec` has its rights for a moment */
#define TRY_NS       100000000L
#define RESOLV_CONF  "/etc/resolv.conf"
#define PATH_SCRATCH 4200

/* ---- the network, as the kernel lists it ---- */

/* What of a configuration shim_net looks at: the one link that is up, and where it leads. */
static int config_find(const struct shim_probe *probe, struct shim_config *config, struct err *said)
{
    struct netlink nl;
    struct netlink_link *links = NULL;
    size_t count = 0;

    *config = (struct shim_config){.gateway = probe->sidecar, .resolver = probe->sidecar};
    if (netlink_open(&nl, said) != 0)
        return -1;
    int result = netlink_links(&nl, &links, &count, said);
    for (size_t i = 0; i < count && config->interface[0] == '\0'; i++)
        if (!(links[i].flags & IFF_LOOPBACK) && (links[i].flags & IFF_UP))
            memcpy(config->interface, links[i].name, sizeof config->interface);
    free(links);
    netlink_close(&nl);
    return result == 0 && config->interface[0] == '\0' ? err_set(said, "no link is up") : result;
}

int probe_routes(const struct shim_probe *probe, struct err *said)
{
    struct shim_config config;
    char sidecar[IP_TEXT];

    if (config_find(probe, &config, said) != 0 || shim_net_look(&config, SHIM_NET_ROUTES, said) != 0)
        return -1;
    ip_format(&probe->sidecar, sidecar);
    err_set(said, "the next hop of everything is %s, over %s", sidecar, config.interface);
    return 0;
}

int probe_ipv6(const struct shim_probe *probe, struct err *said)
{
    struct sockaddr_in6 elsewhere = {/* 2001:db8::1, of documentation (RFC 3849) */
                                     .sin6_family = AF_INET6,
                                     .sin6_port = htons(443),
                                     .sin6_addr = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
    struct shim_config config;

    if (config_find(probe, &config, said) != 0 || shim_net_look(&config, SHIM_NET_IPV6, said) != 0)
        return -1;
    int sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    /* Of a datagram socket this only looks for a route. */
    if (sock >= 0 && connect(sock, (const struct sockaddr *)&elsewhere, sizeof elsewhere) == 0)
        return err_set(said, "there is a route to 2001:db8::1");
    err_set_errno(said, "no address, no route");
    return 0;
}

int probe_route_change(const struct shim_probe *probe, struct err *said)
{
    struct shim_config config;

    if (config_find(probe, &config, said) != 0 || shim_net_probe(&config, said) != 0)
        return -1;
    err_set(said, "refused: not permitted");
    return 0;
}

int probe_raw_sockets(const struct shim_probe *probe, struct err *said)
{
    static const struct {
        const char *name;
        int family, protocol;
    } kinds[] = {
        {"IPv4", AF_INET, IPPROTO_ICMP}, {"IPv6", AF_INET6, IPPROTO_ICMPV6}, {"packet", AF_PACKET, 0}};

    (void)probe;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int sock = socket(kinds[i].family, SOCK_RAW | SOCK_CLOEXEC, kinds[i].protocol);
        if (sock >= 0)
            return err_set(said, "a raw %s socket can be had", kinds[i].name);
        if (errno != EPERM && !(errno == EAFNOSUPPORT && kinds[i].family == AF_INET6))
            return err_set_errno(said, "a raw %s socket is refused, but not for want of permission",
                                 kinds[i].name);
    }
    err_set(said, "refused: not permitted");
    return 0;
}

/* ---- processes ---- */

struct process {
    unsigned pid;
    bool ended, root;
    uint64_t capabilities; /* of all five sets together */
    unsigned no_new_privs, seccomp;
};

/* proc_pid_status(5). Returns false when there is no such process, or what it is cannot be told. */
static bool process_read(unsigned pid, struct process *process)
{
    char path[64], line[512];
    uint64_t set;
    unsigned found = 0, uids[4];
    char state;

    *process = (struct process){.pid = pid};
    snprintf(path, sizeof path, "/proc/%u/status", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "State: %c", &state) == 1) {
            process->ended = state == 'Z' || state == 'X';
        } else if (sscanf(line, "Uid: %u %u %u %u", &uids[0], &uids[1], &uids[2], &uids[3]) == 4) {
            process->root = uids[0] == 0 || uids[1] == 0 || uids[2] == 0 || uids[3] == 0;
            found++;
        } else if (strncmp(line, "Cap", 3) == 0 && sscanf(line, "Cap%*3[A-Za-z]: %" SCNx64, &set) == 1) {
            process->capabilities |= set;
            found++;
        } else if (sscanf(line, "NoNewPrivs: %u", &process->no_new_privs) == 1 ||
                   sscanf(line, "Seccomp: %u", &process->seccomp) == 1) {
            found++;
        }
    }
    fclose(file);
    return found == 8;
}

static bool is_free_of_privileges(const struct process *process)
{
    return process->capabilities == 0 && !process->root;
}

static bool has_no_new_privs(const struct process *process)
{
    return process->no_new_privs == 1;
}

static bool has_filter(const struct process *process)
{
    return process->seccomp == 2;
}

/* Whether the process is as it has to be, or ended, or becomes so in a moment. */
static bool process_bears(unsigned pid, bool (*good)(const struct process *process), struct process *process)
{
    for (int i = 0; i < TRIES; i++) {
        if (!process_read(pid, process) || process->ended || good(process))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = TRY_NS}, NULL);
    }
    return false;
}

/* Tells how many processes were looked at; -1 with the first that is not as it has to be in *bad. */
static int processes_bear(bool (*good)(const struct process *process), struct process *bad, struct err *said)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    int count = 0;

    if (folder == NULL || !process_read((unsigned)getpid(), bad)) {
        if (folder != NULL)
            closedir(folder);
        return err_set(said, "/proc does not tell about processes");
    }
    while ((entry = readdir(folder)) != NULL && count < PROCESSES) {
        char *end;
        unsigned long pid = strtoul(entry->d_name, &end, 10);
        if (pid == 0 || *end != '\0')
            continue;
        count++;
        if (!process_bears((unsigned)pid, good, bad)) {
            closedir(folder);
            return -1;
        }
    }
    closedir(folder);
    err_set(said, "of all %d processes, PID 1 among them", count);
    bad->pid = 0;
    return count;
}

int probe_privileges(const struct shim_probe *probe, struct err *said)
{
    struct process bad = {.pid = 0};

    (void)probe;
    if (processes_bear(is_free_of_privileges, &bad, said) > 0) {
        err_prefix(said, "no capability in any set, and nobody is root");
        return 0;
    }
    if (bad.pid == 0)
        return -1;
    return bad.capabilities != 0 ? err_set(said, "process %u of the bottle has capabilities: 0x%" PRIx64,
                                           bad.pid, bad.capabilities)
                                 : err_set(said, "process %u of the bottle is root", bad.pid);
}

int probe_no_new_privs(const struct shim_probe *probe, struct err *said)
{
    struct process bad = {.pid = 0};

    (void)probe;
    if (processes_bear(has_no_new_privs, &bad, said) > 0)
        return 0;
    return bad.pid == 0 ? -1 : err_set(said, "process %u of the bottle is without it", bad.pid);
}

int probe_seccomp(const struct shim_probe *probe, struct err *said)
{
    struct process bad = {.pid = 0};

    (void)probe;
    if (processes_bear(has_filter, &bad, said) > 0) {
        err_prefix(said, "a filter");
        return 0;
    }
    return bad.pid == 0 ? -1 : err_set(said, "process %u of the bottle has no filter", bad.pid);
}

int probe_user_namespaces(const struct shim_probe *probe, struct err *said)
{
    if (unshare(CLONE_NEWUSER) == 0) /* this process ends right behind */
        return probe->user_namespaces ? (err_set(said, "allowed: the bottle was made with --allow-userns"), 0)
                                      : err_set(said, "the agent can make one, and is root in it");
    if (errno != EPERM && !probe->user_namespaces)
        return err_set_errno(said, "refused, but not by the filter");
    err_set_errno(said, "refused");
    return 0;
}

int probe_init(const struct shim_probe *probe, struct err *said)
{
    static const char *const files[] = {"/proc/1/environ", "/proc/1/mem", "/proc/1/maps"};

    (void)probe;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, &(char){0}, 1) >= 0)
            return err_set(said, "%s can be read", files[i]);
        if (fd >= 0)
            close(fd);
    }
    if (readlink("/proc/1/root", &(char){0}, 1) >= 0)
        return err_set(said, "/proc/1/root can be followed");
    if (ptrace(PTRACE_SEIZE, 1, NULL, NULL) == 0) /* without a stop; this process ends right behind */
        return err_set(said, "PID 1 can be traced");
    if (errno != EPERM && errno != EACCES)
        return err_set_errno(said, "tracing PID 1 is refused, but not for want of permission");
    err_set(said, "it cannot be traced or read");
    return 0;
}

/* ---- files ---- */

int probe_proc_sys(const struct shim_probe *probe, struct err *said)
{
    static const char *const files[] = {"/proc/sys/net/ipv4/ip_forward",
                                        "/proc/sys/net/ipv6/conf/all/disable_ipv6",
                                        "/proc/sys/net/ipv4/conf/all/rp_filter",
                                        "/proc/sys/kernel/core_pattern",
                                        "/proc/sys/kernel/modprobe",
                                        "/proc/sysrq-trigger"};

    (void)probe;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (open(files[i], O_WRONLY | O_CLOEXEC) >= 0)
            return err_set(said, "%s can be written", files[i]);
    err_set(said, "it cannot be written");
    return 0;
}

static bool is_socket(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Field 5 of a line of mountinfo, proc_pid_mountinfo(5), whose blanks and backslashes are \ooo. */
static void mount_place(char *field)
{
    char *to = field;

    for (const char *from = field; *from != '\0'; to++) {
        unsigned value;
        if (from[0] == '\\' && sscanf(from + 1, "%3o", &value) == 1) {
            *to = (char)value;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

int probe_host_sockets(const struct shim_probe *probe, struct err *said)
{
    static const char *const paths[] = {"/run/docker.sock",
                                        "/var/run/docker.sock",
                                        "/run/podman/podman.sock",
                                        "/run/crio/crio.sock",
                                        "/run/snapd.socket",
                                        "/run/containerd/containerd.sock",
                                        "/run/systemd/private",
                                        "/run/systemd/notify",
                                        "/run/systemd/journal/socket",
                                        "/run/udev/control",
                                        "/run/cups/cups.sock",
                                        "/run/dbus/system_bus_socket",
                                        "/run/libvirt/libvirt-sock",
                                        "/var/run/com.apple.vmnet",
                                        "/var/run/dbus/system_bus_socket",
                                        "/dev/log",
                                        "/run/avahi-daemon/socket"};
    static char line[2 * PATH_SCRATCH], field[PATH_SCRATCH];
    size_t mounts = 0;

    (void)probe;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (is_socket(paths[i]))
            return err_set(said, "%s is there", paths[i]);
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (file == NULL)
        return err_set_errno(said, "/proc/self/mountinfo");
    for (; fgets(line, sizeof line, file) != NULL; mounts++) {
        if (sscanf(line, "%*s %*s %*s %*s %4199s", field) != 1)
            continue;
        mount_place(field);
        if (is_socket(field)) {
            fclose(file);
            return err_set(said, "a socket is mounted: %.200s", field);
        }
    }
    fclose(file);
    err_set(said, "none of the usual ones, and none is among %zu mounts", mounts);
    return 0;
}

int probe_resolv_conf(const struct shim_probe *probe, struct err *said)
{
    char sidecar[IP_TEXT];

    ip_format(&probe->sidecar, sidecar);
    if (!shim_net_resolver_is(sidecar))
        return err_set(said, RESOLV_CONF " names somebody else than %s", sidecar);
    if (open(RESOLV_CONF, O_WRONLY | O_CLOEXEC) >= 0)
        return err_set(said, RESOLV_CONF " can be written");
    err_set_errno(said, "it names %s; writing is refused", sidecar);
    return 0;
}

/* Whether the file holds the text. -1 with errno when it cannot be read. */
static int file_holds(const char *path, struct str text)
{
    struct buf bytes;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    buf_init(&bytes, FILE_MAX);
    while (fd >= 0 && got > 0) {
        char *into = buf_reserve(&bytes, 65536);
        got = into == NULL ? 0 : read(fd, into, 65536);
        buf_commit(&bytes, got > 0 ? (size_t)got : 0);
    }
    struct str all = buf_str(&bytes);
    int result = fd < 0 || got < 0 ? -1 : all.len > 0 && memmem(all.ptr, all.len, text.ptr, text.len) != NULL;
    buf_fini(&bytes);
    return result;
}

int probe_ca(const struct shim_probe *probe, struct err *said)
{
    static const char *const variables[] = {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"};
    struct str ca = str_of(probe->ca);
    size_t counted = 0;

    while (ca.len > 0 && ca.ptr[ca.len - 1] == '\n')
        ca.len--;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *path = getenv(variables[i]);
        if (path == NULL || strncmp(path, SHIM_TRUST_FOLDER "/", sizeof SHIM_TRUST_FOLDER) != 0)
            continue; /* the manifest's own word */
        int holds = ca.len > 0 ? file_holds(path, ca) : 0;
        if (holds <= 0)
            return holds < 0 ? err_set_errno(said, "%s", path)
                             : err_set(said, "%s is without the bottle's certificate", path);
        counted++;
    }
    if (counted == 0)
        return err_set(said, "no variable names the bottle's certificate");
    err_set(said, "the bottle's certificate is where %zu of %zu variables name it", counted,
            sizeof variables / sizeof variables[0]);
    return 0;
}
