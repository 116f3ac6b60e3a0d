/* SPDX-License-Identifier: GPL-3.0-or-later */
/* probe: the table of names. */
#include "core/probe.h"

static const char *const names[PROBES] = {
    [PROBE_ROUTES] = "routes",
    [PROBE_IPV6] = "ipv6",
    [PROBE_ROUTE_CHANGE] = "route-change",
    [PROBE_RAW_SOCKETS] = "raw-sockets",
    [PROBE_PRIVILEGES] = "privileges",
    [PROBE_NO_NEW_PRIVS] = "no-new-privs",
    [PROBE_SECCOMP] = "seccomp",
    [PROBE_USER_NAMESPACES] = "user-namespaces",
    [PROBE_INIT] = "init",
    [PROBE_PROC_SYS] = "proc-sys",
    [PROBE_HOST_SOCKETS] = "host-sockets",
    [PROBE_RESOLV_CONF] = "resolv-conf",
    [PROBE_ENGINE_RESOLVER] = "engine-resolver",
    [PROBE_DNS] = "dns",
    [PROBE_HTTP] = "http",
    [PROBE_TLS] = "tls",
    [PROBE_METADATA] = "metadata",
    [PROBE_NEIGHBOURS] = "neighbours",
    [PROBE_PORTS] = "ports",
    [PROBE_PROXY_PORT] = "proxy-port",
    [PROBE_SIDECAR_PORTS] = "sidecar-ports",
    [PROBE_UDP] = "udp",
    [PROBE_ICMP] = "icmp",
    [PROBE_CA] = "ca",
};

const char *probe_name(enum probe probe)
{
    return names[probe];
}

enum probe probe_find(struct str name)
{
    for (int probe = 0; probe < PROBES; probe++)
        if (str_equal(name, str_of(names[probe])))
            return (enum probe)probe;
    return PROBES;
}
