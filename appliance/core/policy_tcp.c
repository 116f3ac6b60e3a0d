/* SPDX-License-Identifier: GPL-3.0-or-later */
/* policy_tcp: see policy_tcp.h. It must never give two names one address, nor any name an address that the agent
 * reaches without the sidecar. */
#include "core/policy_tcp.h"

#include <stdlib.h>
#include <string.h>

#include "core/json_in.h"

#define BASE        (198u << 24 | 18u << 16)
#define RANGE       (1u << 17) /* addresses of a /15 */
#define DRAWS_MAX   65536u     /* of a name; with a range of our own in half of the /15 the first few do */
#define PORT_OF_DNS 53u

const char *policy_tcp_problem(unsigned port)
{
    if (port < 1 || port > 65535)
        return "is no port: 1 to 65535";
    return port == PORT_OF_DNS ? "is DNS's, which the sidecar answers itself" : NULL;
}

bool route_has_tcp(const struct route *route, unsigned port)
{
    for (size_t i = 0; i < route->tcp_count; i++)
        if (route->tcp[i] == port)
            return true;
    return false;
}

int policy_tcp_read(json_t *value, void *into, struct err *err)
{
    struct route *route = into;
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count == 0 || count > POLICY_MAX_PORTS)
        return err_set(err, "expected an array of 1 to %d ports", POLICY_MAX_PORTS);
    for (size_t i = 0; i < count; i++) {
        json_int_t port = json_integer_value(json_array_get(value, i));
        if (port < 0 || port > 65535)
            port = 0; /* as what is no number */
        const char *problem = policy_tcp_problem((unsigned)port);
        if (problem != NULL)
            return err_set(err, "[%zu]: %s", i, problem);
        if (route_has_tcp(route, (unsigned)port))
            return err_set(err, "[%zu]: given twice", i);
        route->tcp[route->tcp_count++] = (uint16_t)port;
    }
    return 0;
}

int policy_tcp_check(const struct route *route, struct err *err)
{
    if (route->tcp_count > 0 && route->wildcard)
        return err_set(err, "tcp: raw TCP needs one host, not a wildcard");
    if (route->tcp_count > 0 && route->dlp.budget > 0)
        return err_set(err, "tcp: what goes over raw TCP is not counted, so no dlp.budget may be beside it");
    for (size_t i = 0; i < route->tcp_count; i++)
        if (route_has_port(route, route->tcp[i]))
            return err_set(err, "tcp: [%zu]: %u is one of ports too", i, route->tcp[i]);
    return 0;
}

/* FNV-1a, 64 bits; then, for the draw, the finalizer of splitmix64, whose low bits are as good as its high ones. The
 * names are the operator's own, so nobody can aim for collisions. */
static uint32_t draw(const char *name, uint64_t number)
{
    uint64_t value = 0xcbf29ce484222325u;

    for (; *name != '\0'; name++)
        value = (value ^ (unsigned char)*name) * 0x100000001b3u;
    value += (number + 1) * 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(value ^ value >> 31) % RANGE;
}

static struct ip ip_of(uint32_t number)
{
    uint32_t address = BASE + number;
    const uint8_t bytes[4] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8),
                              (uint8_t)address};

    return ip_from_v4(bytes);
}

static bool usable(const struct policy *policy, const struct ip *ip)
{
    if (ip->bytes[3] == 0 || ip->bytes[3] == 255)
        return false;
    for (size_t i = 0; i < policy->own_count; i++)
        if (cidr_contains(&policy->own[i], ip))
            return false;
    return true;
}

static int take_address(const struct policy *policy, struct route *route, uint8_t *taken)
{
    for (uint64_t i = 0; i < DRAWS_MAX; i++) {
        uint32_t number = draw(route->host, i);
        struct ip ip = ip_of(number);
        if (!usable(policy, &ip) || (taken[number / 8] & 1u << number % 8) != 0)
            continue;
        taken[number / 8] |= (uint8_t)(1u << number % 8);
        route->tcp_address = ip;
        return 0;
    }
    return -1;
}

static int by_name(const void *a, const void *b)
{
    const struct route *const *x = a, *const *y = b;

    return strcmp((*x)->host, (*y)->host);
}

static int by_address(const void *a, const void *b)
{
    const struct route *const *x = a, *const *y = b;

    return memcmp((*x)->tcp_address.bytes, (*y)->tcp_address.bytes, 4);
}

int policy_tcp_assign(struct policy *policy, struct err *err)
{
    size_t count = 0;
    int status = 0;

    for (size_t i = 0; i < policy->route_count; i++)
        count += policy->routes[i].tcp_count > 0;
    if (count == 0)
        return 0;
    if (count > POLICY_MAX_TCP_NAMES)
        return err_set(err, "more than %d routes with tcp", POLICY_MAX_TCP_NAMES);
    uint8_t *taken = calloc(RANGE / 8, 1);
    policy->tcp_routes = calloc(count, sizeof *policy->tcp_routes);
    if (taken == NULL || policy->tcp_routes == NULL) {
        free(taken);
        return err_set(err, "out of memory");
    }
    for (size_t i = 0; i < policy->route_count; i++)
        if (policy->routes[i].tcp_count > 0)
            policy->tcp_routes[policy->tcp_route_count++] = &policy->routes[i];
    qsort(policy->tcp_routes, count, sizeof(*policy->tcp_routes), by_name);
    for (size_t i = 0; i < count && status == 0; i++)
        if (take_address(policy, policy->tcp_routes[i], taken) != 0)
            status =
                err_set(err, "tcp: no address is left for %s: the sidecar's own ranges take 198.18.0.0/15",
                        policy->tcp_routes[i]->host);
    free(taken);
    qsort(policy->tcp_routes, count, sizeof(*policy->tcp_routes), by_address);
    return status;
}

const struct route *policy_tcp_find(const struct policy *policy, const struct ip *ip)
{
    const struct route wanted = {.tcp_address = *ip}, *key = &wanted;

    if (ip->family != 4 || policy->tcp_route_count == 0)
        return NULL;
    struct route *const *found =
        bsearch(&key, policy->tcp_routes, policy->tcp_route_count, sizeof(*policy->tcp_routes), by_address);
    return found != NULL ? *found : NULL;
}
