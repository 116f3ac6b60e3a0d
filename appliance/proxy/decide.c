/* SPDX-License-Identifier: GPL-3.0-or-later */
/* decide: names first, then ports, then what the route says: the agent hears of the outermost reason. */
#include "proxy/decide.h"

#include <stddef.h>

static enum denial find(const struct policy *policy, const char *host, const struct route **route)
{
    *route = NULL;
    if (policy == NULL)
        return DENIAL_NO_POLICY;
    *route = policy_find(policy, host);
    return *route != NULL ? DENIAL_NONE : DENIAL_HOST_NOT_ALLOWED;
}

enum denial decide_tls(const struct policy *policy, const char *host, unsigned port, bool ech,
                       const struct route **route)
{
    enum denial denial = find(policy, host, route);

    if (denial != DENIAL_NONE)
        return denial;
    if (port != PORT_HTTPS)
        return DENIAL_PORT_NOT_ALLOWED;
    if (!(*route)->tls_passthrough)
        return DENIAL_TLS_NOT_ALLOWED;
    return ech && !(*route)->tls_ech ? DENIAL_TLS_ECH : DENIAL_NONE;
}

enum denial decide_http(const struct policy *policy, const char *host, unsigned port, unsigned host_port,
                        const struct route **route)
{
    enum denial denial = find(policy, host, route);

    if (denial != DENIAL_NONE)
        return denial;
    if (port != PORT_HTTP || (host_port != 0 && host_port != port))
        return DENIAL_PORT_NOT_ALLOWED;
    return (*route)->tls_passthrough ? DENIAL_TLS_REQUIRED : DENIAL_NONE;
}
