/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/net: which interface is which, decided from lists. */
#include "init/net.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "suite.h"

static struct netlink_link links[4];
static struct netlink_address addresses[8];
static struct netlink_route routes[4];
static struct net_lists lists;
static struct options options;
static struct net net;
static struct err err;

static void link_add(const char *name, unsigned flags)
{
    struct netlink_link *link = &links[lists.link_count++];
    *link = (struct netlink_link){.index = (int)lists.link_count, .flags = flags};
    strcpy(link->name, name);
}

static void address_add(int index, const char *text, uint8_t length, uint8_t scope)
{
    struct netlink_address *address = &addresses[lists.address_count++];
    *address = (struct netlink_address){.index = index, .length = length, .scope = scope};
    ck_assert_int_eq(ip_parse(str_of(text), &address->ip), 0);
}

static void default_route_add(int index)
{
    routes[lists.route_count++] = (struct netlink_route){
        .to.ip.family = 4, .index = index, .type = RTN_UNICAST, .table = RT_TABLE_MAIN};
}

/* lo, egress0 with the default route, agent0 */
static void usual(void)
{
    lists = (struct net_lists){.links = links, .addresses = addresses, .routes = routes};
    options = (struct options){.proxies = 1};
    link_add("lo", IFF_UP | IFF_LOOPBACK);
    link_add("egress0", IFF_UP);
    link_add("agent0", IFF_UP);
    address_add(1, "127.0.0.1", 8, RT_SCOPE_HOST);
    address_add(2, "192.0.2.7", 24, RT_SCOPE_UNIVERSE);
    address_add(3, "10.7.7.1", 30, RT_SCOPE_UNIVERSE);
    default_route_add(2);
}

static void refused(const char *words)
{
    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), -1);
    ck_assert_str_eq(err.text, words);
}

/* It may still come: net_wait would wait. */
static void missing(const char *words)
{
    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), NET_MISSING);
    ck_assert_str_eq(err.text, words);
}

START_TEST(egress_has_the_default_route_and_the_other_is_the_agents)
{
    char text[IP_TEXT];
    usual();
    ck_assert_msg(net_choose(&lists, &options, &net, &err) == 0, "%s", err.text);
    ck_assert_str_eq(net.egress.name, "egress0");
    ck_assert_str_eq(net.agent.name, "agent0");
    ip_format(&net.agent_address, text);
    ck_assert_str_eq(text, "10.7.7.1");
    ip_format(&net.agent_prefix.ip, text);
    ck_assert_str_eq(text, "10.7.7.0");
    ck_assert_uint_eq(net.agent_prefix.length, 30);
}
END_TEST

static const char *host(void)
{
    static char text[IP_TEXT];

    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), 0);
    text[0] = '\0';
    if (net.host.family != 0)
        ip_format(&net.host, text);
    return text;
}

START_TEST(the_host_is_behind_the_egress_sides_default_route_or_where_it_is_said)
{
    usual();
    ck_assert_str_eq(host(), ""); /* a route without a gateway leads to nobody */
    ck_assert_int_eq(ip_parse(str_of("192.0.2.1"), &routes[0].gateway), 0);
    ck_assert_str_eq(host(), "192.0.2.1");
    ck_assert_int_eq(ip_parse(str_of("127.0.0.1"), &options.host), 0);
    ck_assert_str_eq(host(), "127.0.0.1");
    options.no_host = true;
    ck_assert_str_eq(host(), "");
    options = (struct options){.proxies = 1, .egress = "agent0", .agent = "egress0"};
    ck_assert_str_eq(host(), ""); /* another interface's gateway is not the host */
}
END_TEST

START_TEST(the_agents_subnet_and_every_address_are_own)
{
    usual();
    address_add(2, "192.0.2.8", 24, RT_SCOPE_UNIVERSE);
    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), 0);
    ck_assert_uint_eq(net.own_count, 4);
    const char *const own[] = {"10.7.7.2", "10.7.7.1", "192.0.2.7", "192.0.2.8"};
    for (size_t i = 0; i < 4; i++) {
        struct ip ip;
        bool found = false;
        ck_assert_int_eq(ip_parse(str_of(own[i]), &ip), 0);
        for (size_t j = 0; j < net.own_count; j++)
            found = found || cidr_contains(&net.own[j], &ip);
        ck_assert_msg(found, "%s", own[i]);
    }
}
END_TEST

START_TEST(too_many_addresses_are_an_error_and_not_forgotten)
{
    static struct netlink_address many[NET_OWN_MAX + 3];
    usual();
    memcpy(many, addresses, sizeof addresses[0] * lists.address_count);
    while (lists.address_count < sizeof many / sizeof many[0])
        many[lists.address_count++] = addresses[1];
    lists.addresses = many;
    refused("the sidecar has more than 31 addresses");
}
END_TEST

START_TEST(two_candidates_are_named_and_can_be_chosen)
{
    usual();
    link_add("other0", IFF_UP);
    address_add(4, "10.8.8.1", 30, RT_SCOPE_UNIVERSE);
    refused("several interfaces could be the agent's (\"agent0\", \"other0\"): choose with --agent");
    strcpy(options.agent, "other0");
    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), 0);
    ck_assert_str_eq(net.agent.name, "other0");
}
END_TEST

START_TEST(two_default_routes_are_named_and_can_be_chosen)
{
    usual();
    default_route_add(3);
    refused("several interfaces have a default route (\"egress0\", \"agent0\"): choose with --egress");
    strcpy(options.egress, "egress0");
    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), 0);
    ck_assert_str_eq(net.agent.name, "agent0");
}
END_TEST

START_TEST(two_default_routes_on_one_interface_are_fine)
{
    usual();
    default_route_add(2);
    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), 0);
}
END_TEST

START_TEST(no_default_route_no_agent_no_address)
{
    usual();
    lists.route_count = 0;
    missing("no interface has an IPv4 default route: name the egress one with --egress");
    usual();
    links[2].flags = 0;
    missing("no interface besides \"egress0\" is up with an IPv4 address: name the agent's with --agent");
    usual();
    lists.address_count = 2;
    strcpy(options.agent, "agent0");
    missing("--agent: interface \"agent0\" has no IPv4 address");
}
END_TEST

START_TEST(options_that_name_nonsense_are_errors)
{
    usual();
    strcpy(options.egress, "nowhere0");
    missing("--egress: there is no interface \"nowhere0\"");
    usual();
    strcpy(options.agent, "egress0");
    refused(
        "\"egress0\" is the egress interface and cannot be the agent's: choose with --egress and --agent");
    usual();
    links[2].flags = 0;
    strcpy(options.agent, "agent0");
    missing("--agent: interface \"agent0\" is down");
    usual();
    addresses[2].length = 32;
    refused("the address of \"agent0\" has no subnet in which the agent could be");
}
END_TEST

START_TEST(a_link_local_address_is_not_the_agents_side)
{
    usual();
    addresses[2].scope = RT_SCOPE_LINK;
    address_add(3, "10.7.7.5", 29, RT_SCOPE_UNIVERSE);
    ck_assert_int_eq(net_choose(&lists, &options, &net, &err), 0);
    ck_assert_uint_eq(net.agent_address.bytes[3], 5);
}
END_TEST

SUITE_MAIN("net", egress_has_the_default_route_and_the_other_is_the_agents,
           the_host_is_behind_the_egress_sides_default_route_or_where_it_is_said,
           the_agents_subnet_and_every_address_are_own, too_many_addresses_are_an_error_and_not_forgotten,
           two_candidates_are_named_and_can_be_chosen, two_default_routes_are_named_and_can_be_chosen,
           two_default_routes_on_one_interface_are_fine, no_default_route_no_agent_no_address,
           options_that_name_nonsense_are_errors, a_link_local_address_is_not_the_agents_side)
