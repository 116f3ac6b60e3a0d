/* SPDX-License-Identifier: GPL-3.0-or-later */
/* decide: names first, then ports, then what the route says: the agent hears of the outermost reason. */
#include "core/decide.h"

#include <stddef.h>

#include "core/policy_tcp.h"

static enum denial find(const struct policy *policy, const char *host, const struct route **route)
{
    *route = NULL;
    if (policy == NULL)
        return DENIAL_NO_POLICY;
    if (policy->closed)
        return DENIAL_EGRESS_CLOSED;
    *route = policy_find(policy, host);
    return *route != NULL ? DENIAL_NONE : DENIAL_HOST_NOT_ALLOWED;
}

/* Port 80 is plain HTTP's and 443 TLS's, whatever else is listed. */
static bool serves(const struct route *route, unsigned port, bool tls)
{
    return route_has_port(route, port) && port != (tls ? PORT_HTTP : PORT_HTTPS);
}

bool decide_tunnel(const struct policy *policy, const char *host, unsigned port)
{
    const struct route *route = policy != NULL && !policy->closed ? policy_find(policy, host) : NULL;

    return route != NULL && route->tls_passthrough && serves(route, port, true);
}

enum denial decide_tls(const struct policy *policy, const char *host, unsigned port, bool ech,
                       const struct route **route)
{
    enum denial denial = find(policy, host, route);

    if (denial != DENIAL_NONE)
        return denial;
    if (!serves(*route, port, true))
        return DENIAL_PORT_NOT_ALLOWED;
    if (!(*route)->tls_passthrough) /* it was, when this tunnel was made */
        return DENIAL_MISDIRECTED;
    return ech && !(*route)->tls_ech ? DENIAL_TLS_ECH : DENIAL_NONE;
}

enum denial decide_tcp(const struct policy *policy, const char *host, unsigned port,
                       const struct route **route)
{
    enum denial denial = find(policy, host, route);

    if (denial != DENIAL_NONE)
        return denial;
    return route_has_tcp(*route, port) ? DENIAL_NONE : DENIAL_PORT_NOT_ALLOWED;
}

enum denial decide_http(const struct policy *policy, const char *host, unsigned port, unsigned host_port,
                        bool tls, const struct route **route)
{
    enum denial denial = find(policy, host, route);

    if (denial != DENIAL_NONE)
        return denial;
    if (!serves(*route, port, tls) || (host_port != 0 && host_port != port))
        return DENIAL_PORT_NOT_ALLOWED;
    if ((*route)->tls_passthrough) /* over TLS: it was not, when this connection was opened */
        return tls ? DENIAL_MISDIRECTED : DENIAL_TLS_REQUIRED;
    return DENIAL_NONE;
}
