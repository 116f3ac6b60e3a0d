/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_probe: tries from inside a bottle whether every wall stands, for `hostctl doctor`. It comes in by `exec --`, so
 * it is an ordinary process of the agent's that needs nothing of its image; the agent could stop or imitate it. It
 * speaks with hostctl in two lines of JSON:
 *
 *   stdin   {"sidecar":"10.7.7.1","nonce":"0123456789abcdef","user_namespaces":false,"ca":"-----BEGIN…"}
 *   stdout  {"probes":[{"name":"routes","ok":true,"said":"…"},…]}
 *
 * Each probe is a child with a bounded life, and all run at the same time: one that hangs or breaks has failed. A probe
 * never takes a connection for an answer, since the sidecar accepts every one: it has to hear the exact refusal.
 */
#ifndef INIT_SHIM_PROBE_H
#define INIT_SHIM_PROBE_H

#include <stdbool.h>

#include "core/cidr.h"
#include "core/err.h"
#include "core/probe.h"
#include "core/str.h"

#define SHIM_PROBE_MS 5500 /* that all of it may take; what waits ends a little earlier */

struct shim_probe {
    struct ip sidecar, nowhere; /* IPv4 */
    const char *nonce, *ca;
    char host[PROBE_NONCE + sizeof PROBE_DOMAIN + 1];
    bool user_namespaces; /* were asked for */
};

/* One of the probes. Returns 0 when the wall stands, -1 when not; `said` tells what was seen, in both cases. */
typedef int shim_probe_fn(const struct shim_probe *probe, struct err *said);

/* The agent's own side (shim_probe_self.c). */
shim_probe_fn probe_routes, probe_ipv6, probe_route_change, probe_raw_sockets, probe_privileges,
    probe_no_new_privs, probe_seccomp, probe_user_namespaces, probe_init, probe_proc_sys, probe_host_sockets,
    probe_resolv_conf, probe_ca;

/* What the sidecar answers (shim_probe_net.c, shim_probe_dns.c, shim_probe_tls.c). */
shim_probe_fn probe_http, probe_metadata, probe_neighbours, probe_ports, probe_proxy_port,
    probe_sidecar_ports, probe_udp, probe_icmp, probe_dns, probe_engine_resolver, probe_tls;

/* Reads the request, answers, and returns the status for exit(3): 0 when all could be tried, whatever came of it. */
int shim_probe(void);

/* ---- for the probes ---- */

/* Sends the bytes over TCP and reads what comes back until the end, until `whole` says so (NULL: never), the buffer is
 * full, or 3 s are over. Returns the number of bytes, or -1 with errno: how connecting failed, ECONNRESET, or ETIMEDOUT
 * when nothing came at all. */
long probe_tcp(const struct ip *address, unsigned port, struct str bytes, bool (*whole)(struct str got),
               char *into, size_t size);

/* A datagram socket that speaks with this address alone. Returns it, or -1 with errno. */
int probe_socket(int type_protocol, const struct ip *address, unsigned port);

/* Sends the datagram, again and again while nothing comes back, and reads one answer. Returns the bytes, or -1 with
 * errno; ETIMEDOUT when nothing came at all. */
long probe_datagram(int sock, struct str bytes, void *into, size_t size);

/* ---- what reads hostile bytes, for its tests ---- */

/* Whether a DNS message answers this run's question as Stopper does. */
bool probe_dns_judge(const struct shim_probe *probe, struct str message);

/* Whether the records, from a server's first on, hold a certificate that names the bottle's authority as its issuer. */
bool probe_tls_judge(const struct shim_probe *probe, struct str records);

#endif
