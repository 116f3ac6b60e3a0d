/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_cidr: prefixes, and the classes that decide which addresses may ever be dialled. */
#include "core/cidr.h"

#include <arpa/inet.h>

#include "tests/unit/suite.h"

START_TEST(addresses_have_their_class)
{
    static const struct {
        const char *text;
        enum ip_class class;
    } table[] = {
        {"203.0.113.7", IP_PUBLIC},
        {"9.255.255.255", IP_PUBLIC},
        {"10.0.0.0", IP_PRIVATE},
        {"10.255.255.255", IP_PRIVATE},
        {"11.0.0.0", IP_PUBLIC},
        {"172.15.255.255", IP_PUBLIC},
        {"172.16.0.1", IP_PRIVATE},
        {"172.31.255.255", IP_PRIVATE},
        {"172.32.0.0", IP_PUBLIC},
        {"192.168.1.1", IP_PRIVATE},
        {"100.64.0.1", IP_PRIVATE},
        {"100.128.0.0", IP_PUBLIC},
        {"127.0.0.1", IP_FORBIDDEN},
        {"127.255.0.1", IP_FORBIDDEN},
        {"0.0.0.0", IP_FORBIDDEN},
        {"169.254.169.254", IP_FORBIDDEN},
        {"224.0.0.1", IP_FORBIDDEN},
        {"255.255.255.255", IP_FORBIDDEN},
        {"240.0.0.1", IP_FORBIDDEN},
        {"198.18.0.1", IP_FORBIDDEN},
        {"198.19.255.255", IP_FORBIDDEN},
        {"198.20.0.0", IP_PUBLIC},
        {"192.0.0.8", IP_FORBIDDEN},
        {"2606:4700::1", IP_PUBLIC},
        {"fd00::1", IP_PRIVATE},
        {"fe80::1", IP_FORBIDDEN},
        {"::1", IP_FORBIDDEN},
        {"::", IP_FORBIDDEN},
        {"::ffff:10.0.0.1", IP_FORBIDDEN},
        {"64:ff9b::a00:1", IP_FORBIDDEN},
        {"2002:a00:1::", IP_FORBIDDEN},
        {"2001:0:1::", IP_FORBIDDEN},
        {"ff02::1", IP_FORBIDDEN},
        {"fec0::1", IP_FORBIDDEN},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ip ip;
        char text[IP_TEXT];
        ck_assert_msg(ip_parse(str_of(table[i].text), &ip) == 0, "%s", table[i].text);
        ck_assert_msg(ip_classify(&ip) == table[i].class, "%s", table[i].text);
        ip_format(&ip, text);
        ck_assert_str_eq(text, table[i].text);
    }
}
END_TEST

START_TEST(malformed_prefixes_are_refused)
{
    static const char *const bad[] = {"",           "10.0.0.0/",  "10.0.0.0/33", "10.0.0.1/8",
                                      "10.0.0/8",   "10.0.0.0/x", "010.0.0.0/8", "10.0.0.0/08",
                                      "fd00::/129", "fd00::1/64", "10.0.0.0/8 ", "/8",
                                      "a/8"};
    struct cidr cidr;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(cidr_parse(str_of(bad[i]), &cidr) == -1, "accepted: %s", bad[i]);
    ck_assert_int_eq(cidr_parse((struct str){"10.0.0.1\0.2", 10}, &cidr), -1);
}
END_TEST

START_TEST(a_prefix_contains_its_addresses_and_no_others)
{
    struct cidr cidr;
    struct ip ip;

    ck_assert_int_eq(cidr_parse(str_of("10.20.16.0/20"), &cidr), 0);
    ck_assert_int_eq(ip_parse(str_of("10.20.31.255"), &ip), 0);
    ck_assert(cidr_contains(&cidr, &ip));
    ck_assert_int_eq(ip_parse(str_of("10.20.32.0"), &ip), 0);
    ck_assert(!cidr_contains(&cidr, &ip));
    ck_assert_int_eq(cidr_parse(str_of("0.0.0.0/0"), &cidr), 0);
    ck_assert(cidr_contains(&cidr, &ip));
    ck_assert_int_eq(ip_parse(str_of("fd00::1"), &ip), 0);
    ck_assert(!cidr_contains(&cidr, &ip));
}
END_TEST

START_TEST(only_a_part_of_a_private_range_is_private)
{
    static const char *const private[] = {"10.0.0.0/8", "10.1.2.3", "192.168.0.0/16", "172.20.0.0/14",
                                          "fd00::/8"};
    static const char *const not [] = {"10.0.0.0/7",  "0.0.0.0/0",          "8.0.0.0/6",    "169.254.0.0/16",
                                       "127.0.0.0/8", "203.0.113.0/24",     "172.0.0.0/11", "fe80::/10",
                                       "::/0",        "::ffff:10.0.0.0/104"};
    struct cidr cidr;

    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++)
        ck_assert_msg(cidr_parse(str_of(private[i]), &cidr) == 0 && cidr_is_private(&cidr), "%s", private[i]);
    for (size_t i = 0; i < sizeof not / sizeof not [0]; i++)
        ck_assert_msg(cidr_parse(str_of(not [i]), &cidr) == 0 && !cidr_is_private(&cidr), "%s", not [i]);
}
END_TEST

START_TEST(addresses_are_written_as_the_system_writes_them)
{
    static const uint8_t bytes[] = {0, 1, 9, 10, 99, 100, 101, 199, 200, 255};
    char want[IP_TEXT], got[IP_TEXT];

    for (size_t i = 0; i < sizeof bytes; i++)
        for (size_t k = 0; k < sizeof bytes; k++) {
            const uint8_t four[4] = {bytes[i], bytes[k], bytes[sizeof bytes - 1 - i], bytes[k]};
            struct ip ip = ip_from_v4(four);
            ip_format(&ip, got);
            ck_assert_ptr_nonnull(inet_ntop(AF_INET, four, want, sizeof want));
            ck_assert_str_eq(got, want);
        }
    struct ip six;
    ck_assert_int_eq(ip_parse(str_of("2001:db8::1"), &six), 0);
    ip_format(&six, got);
    ck_assert_str_eq(got, "2001:db8::1");
}
END_TEST

SUITE_MAIN("cidr", addresses_are_written_as_the_system_writes_them, addresses_have_their_class,
           malformed_prefixes_are_refused, a_prefix_contains_its_addresses_and_no_others,
           only_a_part_of_a_private_range_is_private)
