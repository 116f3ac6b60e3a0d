/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_host: what is a host name, what could be read as an address, and how a port is split off. */
#include <string.h>

#include "core/host.h"
#include "tests/unit/suite.h"

START_TEST(names_are_folded_to_lower_case)
{
    char out[HOST_MAX + 1];

    ck_assert_int_eq(host_canon(str_of("API.Example.COM"), out), 0);
    ck_assert_str_eq(out, "api.example.com");
    ck_assert_int_eq(host_canon(str_of("xn--bcher-kva.example"), out), 0);
    ck_assert_int_eq(host_canon(str_of("_srv.a-b.example"), out), 0);
    ck_assert_int_eq(host_canon(str_of("1password.com"), out), 0);
    ck_assert_int_eq(host_canon(str_of("gitea"), out), 0);
}
END_TEST

START_TEST(what_is_no_host_name_is_refused)
{
    static const char *const bad[] = {
        "",          ".",           "a.",   ".a",    "a..b",      "-a.b",
        "a-.b",      "a.b-",        "a b",  "a/b",   "a\tb",      "b\303\274cher.example",
        "user@host", "host:80",     "*.a",  "a.%62", "127.0.0.1", "0x7f.1",
        "1.2.3",     "a.0x1f",      "a.0x", "[::1]", "::1",       "2130706433",
        "a.123",     "017700000001"};
    char out[HOST_MAX + 1];
    char label[65], name[300];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(host_canon(str_of(bad[i]), out) == -1, "accepted: %s", bad[i]);
    ck_assert_int_eq(host_canon((struct str){"a\0b", 3}, out), -1);
    memset(label, 'a', 64);
    label[64] = '\0';
    ck_assert_int_eq(host_canon(str_of(label), out), -1);
    ck_assert_int_eq(host_canon(str_of(label + 1), out), 0);
    memset(name, 'a', sizeof name);
    for (size_t i = 50; i < sizeof name; i += 50)
        name[i] = '.';
    ck_assert_int_eq(host_canon((struct str){name, 254}, out), -1);
    ck_assert_int_eq(host_canon((struct str){name, 253}, out), 0);
    ck_assert_uint_eq(strlen(out), 253);
}
END_TEST

START_TEST(what_clients_read_as_an_address_is_one)
{
    static const char *const addresses[] = {"127.0.0.1", "1",        "0x7f000001", "127.1",
                                            "a.b.09",    "1.2.3.4.", "[fe80::1]"};
    static const char *const names[] = {"", "a", "1a", "0xg", "4.3.2.1.in-addr.arpa", "1.com."};

    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        ck_assert_msg(host_is_address(str_of(addresses[i])), "not an address: %s", addresses[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(!host_is_address(str_of(names[i])), "an address: %s", names[i]);
}
END_TEST

START_TEST(a_port_is_split_off)
{
    static const char *const bad[] = {"a:", "a:0", "a:65536", "a:1x", "a:+1", "a:000080", "[::1", "[::1]x"};
    struct str name;
    unsigned port;

    ck_assert_int_eq(host_split_port(str_of("a.example:8443"), &name, &port), 0);
    ck_assert(str_equal(name, str_of("a.example")));
    ck_assert_uint_eq(port, 8443);
    ck_assert_int_eq(host_split_port(str_of("a.example"), &name, &port), 0);
    ck_assert_uint_eq(port, 0);
    ck_assert_int_eq(host_split_port(str_of("[::1]:80"), &name, &port), 0);
    ck_assert(str_equal(name, str_of("[::1]")));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(host_split_port(str_of(bad[i]), &name, &port) == -1, "accepted: %s", bad[i]);
}
END_TEST

SUITE_MAIN("host", names_are_folded_to_lower_case, what_is_no_host_name_is_refused,
           what_clients_read_as_an_address_is_one, a_port_is_split_off)
