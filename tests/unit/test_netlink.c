/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sys/netlink against the real kernel, in a network namespace of its own (a user namespace too when not
 * root). */
#include "sys/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static struct netlink nl;
static struct err err;

static void namespace_enter(void)
{
    ck_assert_int_eq(unshare((geteuid() == 0 ? 0 : CLONE_NEWUSER) | CLONE_NEWNET), 0);
    ck_assert_msg(netlink_open(&nl, &err) == 0, "%s", err.text);
}

static void namespace_leave(void)
{
    netlink_close(&nl);
}

static struct netlink_link link_get(const char *name)
{
    struct netlink_link link;
    ck_assert_msg(netlink_link_find(&nl, name, &link, &err) == 0, "%s", err.text);
    return link;
}

static struct ip ip_get(const char *text)
{
    struct ip ip;
    ck_assert_int_eq(ip_parse(str_of(text), &ip), 0);
    return ip;
}

static size_t addresses_of(int family, int index)
{
    struct netlink_address *addresses;
    size_t count, found = 0;
    ck_assert_msg(netlink_addresses(&nl, family, &addresses, &count, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < count; i++)
        found += addresses[i].index == index;
    free(addresses);
    return found;
}

static size_t routes_of(int family, int index, struct netlink_route *last)
{
    struct netlink_route *routes;
    size_t count, found = 0;
    ck_assert_msg(netlink_routes(&nl, family, &routes, &count, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        if (routes[i].index == index && routes[i].table == RT_TABLE_MAIN) {
            *last = routes[i];
            found++;
        }
    }
    free(routes);
    return found;
}

static int veth_up(void)
{
    ck_assert_msg(netlink_veth(&nl, "left0", "right0", -1, &err) == 0, "%s", err.text);
    int left = link_get("left0").index;
    ck_assert_int_eq(netlink_link_up(&nl, left, &err), 0);
    ck_assert_int_eq(netlink_link_up(&nl, link_get("right0").index, &err), 0);
    return left;
}

START_TEST(a_link_is_made_changed_renamed_and_deleted)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
    ck_assert_int_eq(netlink_veth(&nl, "left0", "right0", -1, &err), 0);
    struct netlink_link left = link_get("left0");
    ck_assert_uint_eq(left.flags & IFF_UP, 0);
    ck_assert_int_eq(netlink_link_set_mac(&nl, left.index, mac, &err), 0);
    ck_assert_int_eq(netlink_link_rename(&nl, left.index, "agent0", &err), 0);
    ck_assert_int_eq(netlink_link_up(&nl, left.index, &err), 0);
    left = link_get("agent0");
    ck_assert_mem_eq(left.mac, mac, 6);
    ck_assert_uint_ne(left.flags & IFF_UP, 0);
    ck_assert_int_eq(netlink_link_down(&nl, left.index, &err), 0);
    ck_assert_uint_eq(link_get("agent0").flags & IFF_UP, 0);
    ck_assert_int_eq(netlink_link_delete(&nl, left.index, &err), 0);
    ck_assert_int_eq(netlink_link_find(&nl, "right0", &left, &err), -1);
    ck_assert_str_eq(err.text, "there is no interface \"right0\"");
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused)
{
    ck_assert_int_eq(netlink_veth(&nl, "abcdefghijklmnop", "right0", -1, &err), -1);
    ck_assert_int_eq(netlink_veth(&nl, "left0", "", -1, &err), -1);
}
END_TEST

START_TEST(forwarding_is_turned_off_by_link)
{
    int left = veth_up();
    ck_assert_int_eq(netlink_inet_conf(&nl, left, 1 /* IPV4_DEVCONF_FORWARDING */, 1, &err), 0);
    ck_assert_int_eq(link_get("left0").forwarding, 1);
    ck_assert_int_eq(netlink_forwarding_off(&nl, left, &err), 0);
    ck_assert_int_eq(link_get("left0").forwarding, 0);
}
END_TEST

START_TEST(addresses_and_routes_come_and_go)
{
    int left = veth_up();
    struct netlink_route route = {0}, seen;
    struct netlink_address address = {.index = left, .ip = ip_get("10.7.7.1"), .length = 30};

    ck_assert_msg(netlink_address_add(&nl, &address, &err) == 0, "%s", err.text);
    ck_assert_int_eq(netlink_address_add(&nl, &address, &err), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(netlink_address_replace(&nl, &address, &err), 0);
    ck_assert_uint_eq(addresses_of(AF_INET, left), 1);
    ck_assert_uint_eq(routes_of(AF_INET, left, &seen), 1);
    ck_assert_uint_eq(seen.to.length, 30);
    ck_assert_uint_eq(seen.gateway.family, 0);

    /* what the shim does: the peer alone on the link, everything through it, the subnet gone */
    struct netlink_route subnet = seen;
    route.to.ip = ip_get("10.7.7.2");
    route.to.length = 32;
    route.index = left;
    ck_assert_msg(netlink_route_replace(&nl, &route, &err) == 0, "%s", err.text);
    route.to.ip = ip_get("0.0.0.0");
    route.to.length = 0;
    route.gateway = ip_get("10.7.7.2");
    ck_assert_msg(netlink_route_replace(&nl, &route, &err) == 0, "%s", err.text);
    ck_assert_msg(netlink_route_delete(&nl, &subnet, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(routes_of(AF_INET, left, &seen), 2);
    ck_assert_int_eq(netlink_route_delete(&nl, &subnet, &err), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(netlink_route_delete(&nl, &route, &err), 0);
    ck_assert_int_eq(netlink_address_delete(&nl, &address, &err), 0);
    ck_assert_uint_eq(addresses_of(AF_INET, left), 0);
}
END_TEST

START_TEST(ipv6_is_flushed_and_stays_away)
{
    int left = veth_up();
    struct netlink_route seen, unreachable = {.type = RTN_UNREACHABLE, .to.ip.family = 6};
    struct netlink_address address = {.index = left, .ip = ip_get("fd00::1"), .length = 64};
    ck_assert_msg(netlink_address_add(&nl, &address, &err) == 0, "%s", err.text);
    ck_assert_uint_ge(addresses_of(AF_INET6, left), 1);
    ck_assert_uint_ge(routes_of(AF_INET6, left, &seen), 1);
    ck_assert_msg(netlink_ipv6_no_autoconf(&nl, left, &err) == 0, "%s", err.text);
    ck_assert_msg(netlink_ipv6_flush(&nl, left, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(addresses_of(AF_INET6, left), 0);
    ck_assert_uint_eq(routes_of(AF_INET6, left, &seen), 0);
    ck_assert_int_eq(netlink_link_down(&nl, left, &err), 0);
    ck_assert_int_eq(netlink_link_up(&nl, left, &err), 0);
    ck_assert_uint_eq(addresses_of(AF_INET6, left), 0);
    ck_assert_msg(netlink_route_add(&nl, &unreachable, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(the_peer_of_a_pair_is_born_in_another_namespace)
{
    struct netlink_link link;
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(here, 0);
    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    struct netlink there;
    ck_assert_int_eq(netlink_open(&there, &err), 0);
    ck_assert_msg(netlink_veth(&there, "left0", "right0", here, &err) == 0, "%s", err.text);
    ck_assert_int_eq(netlink_link_find(&there, "left0", &link, &err), 0);
    ck_assert_int_eq(netlink_link_find(&there, "right0", &link, &err), -1);
    ck_assert_int_eq(netlink_link_find(&nl, "right0", &link, &err), 0);
    ck_assert_int_eq(netlink_link_find(&there, "left0", &link, &err), 0);
    ck_assert_msg(netlink_link_move(&there, link.index, here, &err) == 0, "%s", err.text);
    ck_assert_int_eq(netlink_link_find(&nl, "left0", &link, &err), 0);
    netlink_close(&there);
    close(here);
}
END_TEST

START_TEST(a_watch_hears_of_links_addresses_and_routes_and_of_nothing_when_nothing_is)
{
    int watch = netlink_watch(&err);
    ck_assert_msg(watch >= 0, "%s", err.text);
    struct netlink_address address = {.ip = ip_get("10.7.7.1"), .length = 30};
    struct netlink_route route = {.to.ip.family = 4, .gateway = ip_get("10.7.7.2")};

    /* each change alone ends a wait that would else outlast the test; a wait of none ends with its time */
    ck_assert_int_eq(netlink_watch_wait(watch, 1, &err), 0);
    ck_assert_int_eq(netlink_veth(&nl, "left0", "right0", -1, &err), 0);
    ck_assert_int_eq(netlink_watch_wait(watch, 600000, &err), 0);
    address.index = link_get("left0").index;
    ck_assert_int_eq(netlink_link_up(&nl, address.index, &err), 0);
    ck_assert_int_eq(netlink_watch_wait(watch, 600000, &err), 0);
    ck_assert_int_eq(netlink_address_add(&nl, &address, &err), 0);
    ck_assert_int_eq(netlink_watch_wait(watch, 600000, &err), 0);
    route.index = address.index;
    ck_assert_int_eq(netlink_route_add(&nl, &route, &err), 0);
    ck_assert_int_eq(netlink_watch_wait(watch, 600000, &err), 0);
    ck_assert_int_eq(netlink_watch_wait(watch, 1, &err), 0);
    close(watch);
    ck_assert_int_eq(netlink_watch_wait(watch, 1, &err), -1);
}
END_TEST

int main(void)
{
    TCase *kernel = tcase_create("kernel");
    tcase_add_checked_fixture(kernel, namespace_enter, namespace_leave);
    tcase_add_test(kernel, a_link_is_made_changed_renamed_and_deleted);
    tcase_add_test(kernel, a_name_that_is_too_long_is_refused);
    tcase_add_test(kernel, forwarding_is_turned_off_by_link);
    tcase_add_test(kernel, addresses_and_routes_come_and_go);
    tcase_add_test(kernel, ipv6_is_flushed_and_stays_away);
    tcase_add_test(kernel, a_watch_hears_of_links_addresses_and_routes_and_of_nothing_when_nothing_is);
    tcase_add_test(kernel, the_peer_of_a_pair_is_born_in_another_namespace);
    return suite_run_case("netlink", kernel);
}
