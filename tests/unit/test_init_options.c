/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/options: the command line of stopper-init. */
#include "init/options.h"

#include "suite.h"

static struct options options;
static struct err err;

static int parse(const char *const *words)
{
    int count = 0;
    while (words[count] != NULL)
        count++;
    return options_parse(count, (char *const *)words, &options, &err);
}

#define PARSE(...) parse((const char *const[]){"stopper-init", __VA_ARGS__, NULL})

START_TEST(nothing_given_is_one_proxy_and_interfaces_to_be_found)
{
    const char *const words[] = {"stopper-init", NULL};
    ck_assert_int_eq(parse(words), 0);
    ck_assert_uint_eq(options.proxies, 1);
    ck_assert_str_eq(options.egress, "");
    ck_assert_str_eq(options.agent, "");
    ck_assert_uint_eq(options.wait_s, 10);
    ck_assert_str_eq(options.policy, "");
    ck_assert_str_eq(options.secrets, "");
    ck_assert(!options.die_with_parent && !options.help && !options.version);
}
END_TEST

START_TEST(a_value_stands_behind_its_option_or_behind_an_equals_sign)
{
    ck_assert_int_eq(PARSE("--egress", "eth0", "--agent=eth1", "--proxies=64", "--die-with-parent"), 0);
    ck_assert_str_eq(options.egress, "eth0");
    ck_assert_str_eq(options.agent, "eth1");
    ck_assert_uint_eq(options.proxies, 64);
    ck_assert(options.die_with_parent);
}
END_TEST

START_TEST(the_host_is_an_address_or_nowhere)
{
    ck_assert_int_eq(PARSE("--proxies=1"), 0);
    ck_assert(!options.no_host && options.host.family == 0);
    ck_assert_int_eq(PARSE("--host", "127.0.0.1"), 0);
    ck_assert(!options.no_host && options.host.family == 4 && options.host.bytes[0] == 127);
    ck_assert_int_eq(PARSE("--host=none"), 0);
    ck_assert(options.no_host && options.host.family == 0);
    ck_assert_int_eq(PARSE("--host=::1"), -1);
    ck_assert_str_eq(err.text, "--host: \"::1\" is no IPv4 address, and not \"none\"");
}
END_TEST

START_TEST(whatever_is_not_an_option_is_named)
{
    ck_assert_int_eq(PARSE("--egres", "eth0"), -1);
    ck_assert_str_eq(err.text, "unknown argument \"--egres\" (see --help)");
    ck_assert_int_eq(PARSE("eth0"), -1);
    ck_assert_int_eq(PARSE(""), -1);
    ck_assert_int_eq(PARSE("--egressx=a"), -1);
}
END_TEST

START_TEST(a_missing_or_superfluous_value_is_an_error)
{
    ck_assert_int_eq(PARSE("--agent"), -1);
    ck_assert_str_eq(err.text, "--agent needs a value (IF)");
    ck_assert_int_eq(PARSE("--die-with-parent=yes"), -1);
    ck_assert_str_eq(err.text, "--die-with-parent takes no value");
}
END_TEST

START_TEST(a_number_of_proxies_is_a_number_in_its_range)
{
    const char *const wrong[] = {"0", "65", "-1", "+1", " 1", "1x", "", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(PARSE("--proxies", wrong[i]), -1);
}
END_TEST

START_TEST(files_are_absolute_paths_and_secrets_belong_to_a_policy)
{
    ck_assert_int_eq(
        PARSE("--policy=/etc/stopper/policy.json", "--secrets", "/run/secrets/s", "--wait", "60"), 0);
    ck_assert_str_eq(options.policy, "/etc/stopper/policy.json");
    ck_assert_str_eq(options.secrets, "/run/secrets/s");
    ck_assert_uint_eq(options.wait_s, 60);
    ck_assert_int_eq(PARSE("--policy", "policy.json"), -1);
    ck_assert_str_eq(err.text, "--policy: \"policy.json\" is no absolute path");
    ck_assert_int_eq(PARSE("--secrets", "/s"), -1);
    ck_assert_str_eq(err.text, "--secrets without --policy: nothing would use them");
    ck_assert_int_eq(PARSE("--keys", "/k"), -1);
    ck_assert_str_eq(err.text, "--keys without --policy: nothing would use them");
    ck_assert_int_eq(PARSE("--policy", "/p", "--keys", "/k"), 0);
    ck_assert_str_eq(options.keys, "/k");
    ck_assert_int_eq(PARSE("--policy", "/p", "--keys", "k"), -1);
    ck_assert_int_eq(PARSE("--wait", "61"), -1);
    ck_assert_str_eq(err.text, "--wait: \"61\" is not a number from 0 to 60");
}
END_TEST

START_TEST(an_interface_has_a_name_that_the_kernel_would_take)
{
    ck_assert_int_eq(PARSE("--egress", "abcdefghijklmno"), 0);
    ck_assert_int_eq(PARSE("--egress", "abcdefghijklmnop"), -1);
    ck_assert_int_eq(PARSE("--egress="), -1);
    ck_assert_int_eq(PARSE("--egress", "a/b"), -1);
    ck_assert_int_eq(PARSE("--egress", "a", "--agent", "a"), -1);
    ck_assert_str_eq(err.text, "--egress and --agent name the same interface");
}
END_TEST

SUITE_MAIN("init_options", nothing_given_is_one_proxy_and_interfaces_to_be_found,
           a_value_stands_behind_its_option_or_behind_an_equals_sign, the_host_is_an_address_or_nowhere,
           whatever_is_not_an_option_is_named, a_missing_or_superfluous_value_is_an_error,
           a_number_of_proxies_is_a_number_in_its_range,
           files_are_absolute_paths_and_secrets_belong_to_a_policy,
           an_interface_has_a_name_that_the_kernel_would_take)
