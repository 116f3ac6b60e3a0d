/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session_tcp: see session_tcp.h. The address that the agent dialled says which name it means, and nothing else: what is
 * dialled is the name, and what is asked of a new policy is the name too, whatever its address is by then. */
#include "proxy/session_tcp.h"

#include <string.h>

#include "core/decide.h"
#include "core/policy_tcp.h"
#include "proxy/session_tunnel.h"

static const struct route *named(const struct session *session)
{
    const struct policy *policy = session->proxy->worker.policy;
    struct ip ip;

    return policy != NULL && ip_parse(str_of(session->address), &ip) == 0 ? policy_tcp_find(policy, &ip)
                                                                          : NULL;
}

static enum denial judge(struct session *session)
{
    struct exchange *x = &session->exchange;
    struct policy *policy = session->proxy->worker.policy;
    const struct route *route;
    enum denial denial = decide_tcp(policy, x->host, session->port, &route);

    if (denial == DENIAL_NONE && x->ip.family != 0 && !policy_may_dial(policy, route, &x->ip))
        denial = DENIAL_ADDRESS_REFUSED;
    session_keep_route(session, route);
    return denial;
}

bool session_tcp_start(struct session *session)
{
    const struct route *route = named(session);

    if (route == NULL || !route_has_tcp(route, session->port))
        return false;
    strcpy(session->exchange.host, route->host);
    session_tunnel_start(session, judge);
    return true;
}

enum denial session_tcp_other(struct session *session, enum denial denial)
{
    const struct route *route = named(session);

    if (route == NULL)
        return denial;
    strcpy(session->exchange.host, route->host);
    session_keep_route(session, route);
    return route_has_port(route, session->port) ? denial : DENIAL_PORT_NOT_ALLOWED;
}
