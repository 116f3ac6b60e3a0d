/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_policy_tcp: routes for raw TCP: their form, and that each name has an address of its own, which depends on as little
 * as possible. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/policy_tcp.h"
#include "tests/unit/suite.h"

#define NAMES       1000
#define ROUTE(more) "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\"," more "}]}"
#define OWN(ranges) ",\"generation\":1,\"sidecar\":{\"agent_address\":\"10.7.7.1\",\"own\":[" ranges "]}"

static struct policy *parse(const char *json)
{
    struct policy *policy = NULL;
    struct err err = {""};

    ck_assert_msg(policy_parse(str_of(json), true, &policy, &err) == 0, "%s", err.text);
    return policy;
}

/* A policy of the names h0.example to h(COUNT-1).example, last first where `turned`. */
static char *crowd(int count, bool turned, const char *more)
{
    char *json = malloc((size_t)count * 64 + 256);
    size_t len = (size_t)sprintf(
        json, "{\"protocol\":1,\"routes\":[{\"host\":\"*.wild.example\"},{\"host\":\"web.example\"}");

    for (int i = 0; i < count; i++)
        len += (size_t)sprintf(json + len, ",{\"host\":\"h%d.example\",\"tcp\":[5432]}",
                               turned ? count - 1 - i : i);
    sprintf(json + len, "]%s}", more);
    return json;
}

static struct policy *parse_crowd(int count, bool turned, const char *more)
{
    char *json = crowd(count, turned, more);
    struct policy *policy = parse(json);

    free(json);
    return policy;
}

static const char *address_of(const struct policy *policy, const char *host, char text[IP_TEXT])
{
    const struct route *route = policy_find(policy, host);

    ck_assert(route != NULL && route->tcp_count > 0);
    ip_format(&route->tcp_address, text);
    return text;
}

START_TEST(a_name_has_its_address_whatever_else_is_in_the_policy)
{
    static const char alone[] = ROUTE("\"tcp\":[5432]");
    char text[IP_TEXT];
    struct policy *policy = parse(alone), *more;

    ck_assert_str_eq(address_of(policy, "a.example", text), "198.18.163.74");
    ck_assert_ptr_eq(policy_tcp_find(policy, &policy->routes[0].tcp_address), &policy->routes[0]);
    more = parse("{\"protocol\":1,\"routes\":[{\"host\":\"z.example\",\"tcp\":[1]},{\"host\":\"0.example\","
                 "\"tcp\":[2]},"
                 "{\"host\":\"web.example\"},{\"host\":\"a.example\",\"ports\":[80],\"tcp\":[443,5433]}]}");
    ck_assert_str_eq(address_of(more, "a.example", text), "198.18.163.74");
    ck_assert_int_eq(more->routes[2].tcp_address.family, 0);
    policy_unref(more);
    policy_unref(policy);
}
END_TEST

START_TEST(no_two_names_share_an_address_and_the_later_one_moves)
{
    struct policy *all = parse_crowd(NAMES, false, ""), *turned = parse_crowd(NAMES, true, "");
    int moved = 0;

    ck_assert_uint_eq(all->tcp_route_count, NAMES);
    for (int i = 0; i < NAMES; i++) {
        char name[64], alone[128], mine[IP_TEXT], other[IP_TEXT];
        sprintf(name, "h%d.example", i);
        sprintf(alone, "{\"protocol\":1,\"routes\":[{\"host\":\"%s\",\"tcp\":[5432]}]}", name);
        const struct route *route = policy_find(all, name);
        ck_assert_ptr_eq(policy_tcp_find(all, &route->tcp_address), route); /* and so nobody else has it */
        ck_assert_uint_eq(route->tcp_address.bytes[0], 198);
        ck_assert_uint_eq(route->tcp_address.bytes[1] & 0xfe, 18);
        ck_assert(route->tcp_address.bytes[3] != 0 && route->tcp_address.bytes[3] != 255);
        ck_assert_str_eq(address_of(turned, name, mine),
                         address_of(all, name, other)); /* their order is nothing */
        struct policy *single = parse(alone);
        if (strcmp(address_of(single, name, mine), address_of(all, name, other)) != 0) {
            const struct route *by = policy_tcp_find(all, &single->routes[0].tcp_address);
            ck_assert_msg(by != NULL && strcmp(by->host, name) < 0, "%s gave way to nobody", name);
            moved++;
        }
        policy_unref(single);
    }
    ck_assert_msg(moved >= 1 && moved <= 20, "%d of %d names moved", moved, NAMES);
    policy_unref(all);
    policy_unref(turned);
}
END_TEST

START_TEST(no_address_is_one_of_the_sidecars_own)
{
    struct policy *policy = parse_crowd(NAMES, false, OWN("\"198.18.0.0/16\",\"198.19.128.0/17\""));
    struct err err = {""};

    for (size_t i = 0; i < policy->tcp_route_count; i++) {
        const uint8_t *bytes = policy->tcp_routes[i]->tcp_address.bytes;
        ck_assert(bytes[1] == 19 && bytes[2] < 128);
    }
    policy_unref(policy);
    char *json = crowd(1, false, OWN("\"198.18.0.0/15\""));
    ck_assert_int_eq(policy_parse(str_of(json), true, &policy, &err), -1);
    ck_assert_str_eq(
        err.text,
        "policy: tcp: no address is left for h0.example: the sidecar's own ranges take 198.18.0.0/15");
    free(json);
}
END_TEST

START_TEST(other_addresses_are_nobodys)
{
    static const char *const others[] = {"198.18.0.1", "198.19.255.254", "10.7.7.1", "203.0.113.1", "::1"};
    struct policy *with = parse(ROUTE("\"tcp\":[5432]")), *without = parse(ROUTE("\"ports\":[80]"));

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct ip ip;
        ck_assert_int_eq(ip_parse(str_of(others[i]), &ip), 0);
        ck_assert_ptr_null(policy_tcp_find(with, &ip));
    }
    ck_assert_ptr_null(policy_tcp_find(without, &with->routes[0].tcp_address));
    ck_assert(
        !policy_may_dial(with, &with->routes[0], &with->routes[0].tcp_address)); /* it leads nowhere itself */
    policy_unref(with);
    policy_unref(without);
}
END_TEST

START_TEST(raw_tcp_leads_to_its_ports_alone)
{
    struct policy *policy = parse(
        "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"tcp\":[5432,22]},{\"host\":\"b.example\"},"
        "{\"host\":\"host.stopper.internal\",\"tcp\":[6379]}]}");
    const struct route *route;

    ck_assert_int_eq(decide_tcp(policy, "a.example", 5432, &route), DENIAL_NONE);
    ck_assert_ptr_eq(route, &policy->routes[0]);
    ck_assert_int_eq(decide_tcp(policy, "a.example", 22, &route), DENIAL_NONE);
    ck_assert_int_eq(decide_tcp(policy, "a.example", 443, &route), DENIAL_PORT_NOT_ALLOWED);
    ck_assert_int_eq(decide_tcp(policy, "b.example", 443, &route), DENIAL_PORT_NOT_ALLOWED);
    ck_assert_int_eq(decide_tcp(policy, "x.a.example", 5432, &route), DENIAL_HOST_NOT_ALLOWED);
    ck_assert_ptr_null(route);
    ck_assert_int_eq(decide_tcp(NULL, "a.example", 5432, &route), DENIAL_NO_POLICY);
    ck_assert(route_has_port(&policy->routes[0], 443) && !policy_has_port(policy, 5432));
    ck_assert_uint_eq(policy->routes[2].port_count, 0); /* of the host only what is named */
    policy_unref(policy);
}
END_TEST

START_TEST(what_is_no_list_of_raw_ports_is_refused)
{
    static const struct {
        const char *json, *error;
    } table[] = {
        {ROUTE("\"tcp\":[]"), "policy: routes: [0]: tcp: expected an array of 1 to 16 ports"},
        {ROUTE("\"tcp\":5432"), "policy: routes: [0]: tcp: expected an array of 1 to 16 ports"},
        {ROUTE("\"tcp\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"),
         "policy: routes: [0]: tcp: expected an array of 1 to 16 ports"},
        {ROUTE("\"tcp\":[5432,0]"), "policy: routes: [0]: tcp: [1]: is no port: 1 to 65535"},
        {ROUTE("\"tcp\":[65536]"), "policy: routes: [0]: tcp: [0]: is no port: 1 to 65535"},
        {ROUTE("\"tcp\":[-5432]"), "policy: routes: [0]: tcp: [0]: is no port: 1 to 65535"},
        {ROUTE("\"tcp\":[\"5432\"]"), "policy: routes: [0]: tcp: [0]: is no port: 1 to 65535"},
        {ROUTE("\"tcp\":[53]"), "policy: routes: [0]: tcp: [0]: is DNS's, which the sidecar answers itself"},
        {ROUTE("\"tcp\":[5432,5432]"), "policy: routes: [0]: tcp: [1]: given twice"},
        {ROUTE("\"tcp\":[5432,443]"), "policy: routes: [0]: tcp: [1]: 443 is one of ports too"},
        {ROUTE("\"ports\":[5432],\"tcp\":[5432]"), "policy: routes: [0]: tcp: [0]: 5432 is one of ports too"},
        {"{\"protocol\":1,\"routes\":[{\"host\":\"*.a.example\",\"tcp\":[5432]}]}",
         "policy: routes: [0]: tcp: raw TCP needs one host, not a wildcard"},
    };
    struct policy *policy = NULL;
    struct err err = {""};

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ck_assert_msg(policy_parse(str_of(table[i].json), false, &policy, &err) == -1, "%s", table[i].json);
        ck_assert_str_eq(err.text, table[i].error);
    }
    policy_unref(parse(ROUTE("\"ports\":[80],\"tcp\":[443,5432]")));
    policy_unref(parse_crowd(POLICY_MAX_TCP_NAMES, false, ""));
    char *json = crowd(POLICY_MAX_TCP_NAMES + 1, false, "");
    ck_assert_int_eq(policy_parse(str_of(json), false, &policy, &err), -1);
    ck_assert_str_eq(err.text, "policy: more than 1024 routes with tcp");
    free(json);
}
END_TEST

SUITE_MAIN("policy_tcp", a_name_has_its_address_whatever_else_is_in_the_policy,
           no_two_names_share_an_address_and_the_later_one_moves, no_address_is_one_of_the_sidecars_own,
           other_addresses_are_nobodys, raw_tcp_leads_to_its_ports_alone,
           what_is_no_list_of_raw_ports_is_refused)
