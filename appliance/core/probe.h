/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * probe: what `hostctl doctor` has tried from inside a bottle: the names that the shim, which tries, and hostctl,
 * which explains, share. How the two speak is said in init/shim_probe.h.
 */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#include "core/str.h"

enum probe {
    PROBE_ROUTES,          /* the sidecar is the next hop of everything, over one link */
    PROBE_IPV6,            /* there is none */
    PROBE_ROUTE_CHANGE,    /* is refused */
    PROBE_RAW_SOCKETS,     /* are refused */
    PROBE_PRIVILEGES,      /* no process has a capability or is root */
    PROBE_NO_NEW_PRIVS,    /* of every process */
    PROBE_SECCOMP,         /* a filter on every process */
    PROBE_USER_NAMESPACES, /* are refused, or were asked for */
    PROBE_INIT,            /* PID 1 cannot be traced or read */
    PROBE_PROC_SYS,        /* cannot be written */
    PROBE_HOST_SOCKETS,    /* none of the host's daemons is in the files */
    PROBE_RESOLV_CONF,     /* names the sidecar, and cannot be written */
    PROBE_ENGINE_RESOLVER, /* does not answer */
    PROBE_DNS,             /* a name that no manifest names is Stopper's to answer */
    PROBE_HTTP,            /* a host that no manifest names is refused with a reason */
    PROBE_TLS,             /* is opened by the bottle's own authority */
    PROBE_METADATA,        /* 169.254.169.254 is the sidecar's to refuse */
    PROBE_NEIGHBOURS,      /* so is every other address of the agent's network, the host's among them */
    PROBE_PORTS,           /* what is neither TLS nor HTTP is ended */
    PROBE_PROXY_PORT,      /* cannot be dialled */
    PROBE_SIDECAR_PORTS,   /* lead nowhere but to the proxy */
    PROBE_UDP,             /* QUIC and others are rejected */
    PROBE_ICMP,            /* is rejected, or not even to be sent */
    PROBE_CA,              /* the bottle's certificate is what programs are told to trust */
    PROBES
};

#define PROBE_NONCE 16 /* letters of a run's mark, [0-9a-f] */

/* The host that a run asks for, which no manifest can mean: NONCE.stopper-doctor.invalid (RFC 6761). So the lines that
 * its probes leave in the audit tell by themselves whose they are. */
#define PROBE_DOMAIN "stopper-doctor.invalid"

/* Where packets go that are to lead nowhere: TEST-NET-1 (RFC 5737) with the mark's first byte, which is nobody's. */
#define PROBE_NOWHERE "192.0.2."

/* "route-change" and the like. */
const char *probe_name(enum probe probe);

/* By name; PROBES when it is none. */
enum probe probe_find(struct str name);

#endif
