/* SPDX-License-Identifier: GPL-3.0-or-later */
/* decide: the policy's answer to one name. The only place that asks it. Of a policy whose egress is closed it is
 * DENIAL_EGRESS_CLOSED to every name. */
#ifndef CORE_DECIDE_H
#define CORE_DECIDE_H

#include <stdbool.h>

#include "core/denial.h"
#include "core/policy.h"

#define PORT_HTTP  80
#define PORT_HTTPS 443

/* Whether a TLS connection to this canonical name is for a tunnel; all others are opened, those to names that
 * are not allowed too, so that the refusal can be read. */
bool decide_tunnel(const struct policy *policy, const char *host, unsigned port);

/* Whether a TLS connection to this canonical name may be passed through, dialled at `port`. policy may be
 * NULL. *route is the one that decided, NULL when there is none; it lives as long as the policy. */
enum denial decide_tls(const struct policy *policy, const char *host, unsigned port, bool ech,
                       const struct route **route);

/* Whether raw TCP to this name may be forwarded, dialled at `port`. policy may be NULL. */
enum denial decide_tcp(const struct policy *policy, const char *host, unsigned port,
                       const struct route **route);

/* Whether an HTTP request to this name may be forwarded. host_port: what its Host says, 0 = nothing. tls: it
 * came over TLS that was opened here. */
enum denial decide_http(const struct policy *policy, const char *host, unsigned port, unsigned host_port,
                        bool tls, const struct route **route);

#endif
