/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/shim_config: every member in its range and none else; what an overlay may say; the agent's whole
 * environment. */
#include "init/shim_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

#define WHOLE                                                                                                \
    "{\"protocol\":1,\"interface\":\"agent0\",\"gateway\":\"10.7.7.1\",\"resolver\":\"10.7.7.2\",\"uid\":"   \
    "1000,"                                                                                                  \
    "\"gid\":1001,\"groups\":[5,6],\"env\":{\"A\":\"1\",\"B\":\"=\\n\"},\"cwd\":\"/"                         \
    "work\",\"terminal\":true,\"rows\":2,"                                                                   \
    "\"columns\":65535,\"die_with_parent\":true}"

#define CA "-----BEGIN CERTIFICATE-----\\nQUJD\\n-----END CERTIFICATE-----\\n"

static struct shim_config config;
static struct err err;

START_TEST(a_whole_configuration_is_taken)
{
    ck_assert_msg(shim_config_parse(str_of(WHOLE), &config, &err) == 0, "%s", err.text);
    ck_assert_str_eq(config.interface, "agent0");
    ck_assert_int_eq(config.gateway.bytes[3], 1);
    ck_assert_int_eq(config.resolver.bytes[3], 2);
    ck_assert_uint_eq(config.uid, 1000);
    ck_assert_uint_eq(config.gid, 1001);
    ck_assert_uint_eq(config.group_count, 2);
    ck_assert_uint_eq(config.groups[1], 6);
    ck_assert_str_eq(config.cwd, "/work");
    ck_assert(config.terminal && config.die_with_parent && config.rows == 2 && config.columns == 65535);
    shim_config_fini(&config);
}
END_TEST

/* Whole configurations in which one piece of text is replaced. */
static const struct change {
    const char *from, *to, *error;
} changes[] = {
    {"\"protocol\":1", "\"protocol\":true", "protocol: this shim speaks protocol 1"},
    {"\"agent0\"", "\"\"", "interface: the name of an interface is wanted"},
    {"\"agent0\"", "\"sixteen-letters-\"", "interface: the name of an interface is wanted"},
    {"\"agent0\"", "\"../lo\"", "interface: the name of an interface is wanted"},
    {"\"10.7.7.1\"", "\"10.7.7.256\"", "gateway: an IPv4 address is wanted"},
    {"\"10.7.7.2\"", "\"::1\"", "resolver: an IPv4 address is wanted"},
    {":1000", ":0", "uid: a number from 1 to 4294967294 is wanted"},
    {":1000", ":-1", "uid: a number from 1 to 4294967294 is wanted"},
    {":1000", ":4294967296", "uid: a number from 1 to 4294967294 is wanted"},
    {":1000", ":1000.0", "uid: a number from 1 to 4294967294 is wanted"},
    {"[5,6]", "[5,0]", "groups: a number from 1 to 4294967294 is wanted"},
    {"[5,6]", "5", "groups: a list of at most 32 groups is wanted"},
    {"\"A\"", "\"\"", "env: \"\" is no name of a variable"},
    {"\"A\"", "\"A=\"", "env: \"A=\" is no name of a variable"},
    {"\"1\"", "null", "env: A: a string is wanted"},
    {"\"/work\"", "\"work\"", "cwd: an absolute path is wanted"},
    {"\"terminal\":true", "\"terminal\":1", "terminal: true or false is wanted"},
    {"\"rows\":2", "\"rows\":0", "rows: a number from 1 to 65535 is wanted"},
    {"65535", "65536", "columns: a number from 1 to 65535 is wanted"},
    {"\"rows\"", "\"ca\":1,\"rows\"", "ca: one certificate in PEM is wanted"},
    {"\"rows\"", "\"ca\":\"" CA CA "\",\"rows\"", "ca: one certificate in PEM is wanted"},
    {"\"rows\"", "\"ca\":\" " CA "\",\"rows\"", "ca: one certificate in PEM is wanted"},
    {"\"rows\"", "\"ca\":\"-----BEGIN CERTIFICATE-----\",\"rows\"", "ca: one certificate in PEM is wanted"},
    {"\"rows\"", "\"ca_subject_hash\":\"0123456G\",\"rows\"",
     "ca_subject_hash: 8 hexadecimal digits are wanted"},
    {"\"rows\"", "\"mounts\":\"/a\",\"rows\"", "mounts: a list of at most 4096 absolute paths is wanted"},
    {"\"rows\"", "\"mounts\":[\"/a\",\"b\"],\"rows\"",
     "mounts: a list of at most 4096 absolute paths is wanted"},
    {"\"rows\"", "\"git\":[],\"rows\"", "git: an object of names and lists is wanted"},
    {"\"rows\"", "\"git\":{\"a/b\":[\"x\"]},\"rows\"", "git: \"a/b\" is no name of a repository"},
    {"\"rows\"", "\"git\":{\"a\":[]},\"rows\"", "git: a: a list of URLs is wanted"},
    {"\"rows\"", "\"git\":{\"a\":[\"x\",1]},\"rows\"", "git: a: a list of URLs is wanted"},
    {"\"rows\"", "\"git\":{\"a\":[\"x\\\"y\"]},\"rows\"", "git: a: a list of URLs is wanted"},
    {"\"rows\"", "\"git\":{\"a\":[\"x\\ny\"]},\"rows\"", "git: a: a list of URLs is wanted"},
    {"\"rows\"", "\"closed\":[\"127.0.0.11\",\"::1\"],\"rows\"", "closed: an IPv4 address is wanted"},
    {"\"rows\"", "\"closed\":\"127.0.0.11\",\"rows\"", "closed: a list of at most 8 addresses is wanted"},
    {"\"cwd\"", "\"CWD\"", "unknown member \"CWD\""},
    {",\"cwd\":\"/work\"", "", "member \"cwd\" is missing"},
    {"\"gid\":1001,", "", "member \"gid\" is missing"},
};

START_TEST(a_wrong_member_is_named)
{
    const struct change *change = &changes[_i];
    char text[1024], wanted[256];
    const char *at = strstr(WHOLE, change->from);

    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - WHOLE), WHOLE, change->to, at + strlen(change->from));
    snprintf(wanted, sizeof wanted, "configuration: %s", change->error);
    ck_assert_int_eq(shim_config_parse(str_of(text), &config, &err), -1);
    ck_assert_str_eq(err.text, wanted);
}
END_TEST

START_TEST(an_authority_is_one_certificate)
{
    static const char text[] = "{\"ca\":\"" CA "\",\"ca_subject_hash\":\"01234567\",";
    char whole[2048];

    snprintf(whole, sizeof whole, "%s%s", text, &WHOLE[1]);
    ck_assert_msg(shim_config_parse(str_of(whole), &config, &err) == 0, "%s", err.text);
    ck_assert_str_eq(config.ca, "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n");
    ck_assert_str_eq(config.ca_subject_hash, "01234567");
    shim_config_fini(&config);
    ck_assert_int_eq(shim_config_parse(str_of(WHOLE), &config, &err), 0);
    ck_assert_ptr_null(config.ca);
    shim_config_fini(&config);
}
END_TEST

START_TEST(mounts_are_absolute_paths_and_what_is_closed_are_addresses)
{
    char whole[2048];

    snprintf(whole, sizeof whole, "{\"mounts\":[\"/work\",\"/a/b\"],\"closed\":[\"127.0.0.11\"],%s",
             &WHOLE[1]);
    ck_assert_msg(shim_config_parse(str_of(whole), &config, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(config.mount_count, 2);
    ck_assert_str_eq(config.mounts[1], "/a/b");
    ck_assert(config.closed_count == 1 && config.closed[0].bytes[3] == 11);
    shim_config_fini(&config);
    ck_assert_int_eq(shim_config_parse(str_of(WHOLE), &config, &err), 0);
    ck_assert_uint_eq(config.mount_count, 0);
    ck_assert_uint_eq(config.closed_count, 0);
    shim_config_fini(&config);
}
END_TEST

#define SEALED                                                                                               \
    "{\"protocol\":1,\"sealed\":true,\"interface\":\"eth0\",\"gateway\":\"10.7.7.1\",\"resolver\":\"10.7.7." \
    "1\","                                                                                                   \
    "\"env\":{},\"cwd\":\"/\""

/* The container's user is its engine's matter: a configuration that names one is not for a sealed container.
 */
START_TEST(a_sealed_configuration_has_no_user_and_no_terminal)
{
    static const char *const more[] = {
        "\"uid\":1000",  "\"gid\":1000",  "\"groups\":[5]",          "\"terminal\":true",
        "\"mounts\":[]", "\"closed\":[]", "\"die_with_parent\":true"};
    char text[512];

    ck_assert_msg(shim_config_parse(str_of(SEALED ",\"user_namespaces\":true}"), &config, &err) == 0, "%s",
                  err.text);
    ck_assert(config.sealed && config.user_namespaces && config.uid == 0);
    shim_config_fini(&config);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        snprintf(text, sizeof text, SEALED ",%s}", more[i]);
        ck_assert_int_eq(shim_config_parse(str_of(text), &config, &err), -1);
        ck_assert_msg(strncmp(err.text, "configuration: unknown member", 29) == 0, "%s", err.text);
    }
    ck_assert_int_eq(shim_config_parse(str_of("{\"protocol\":1,\"sealed\":true}"), &config, &err), -1);
    ck_assert_str_eq(err.text, "configuration: member \"interface\" is missing");
}
END_TEST

START_TEST(a_cut_configuration_is_refused)
{
    for (size_t len = 0; len < strlen(WHOLE); len++) {
        ck_assert_int_eq(shim_config_parse((struct str){.ptr = WHOLE, .len = len}, &config, &err), -1);
    }
}
END_TEST

START_TEST(an_overlay_adds_and_replaces)
{
    ck_assert_int_eq(shim_config_parse(str_of(WHOLE), &config, &err), 0);
    ck_assert_msg(shim_config_overlay(str_of("{\"cwd\":\"/\",\"env\":{\"B\":\"2\",\"C\":\"3\"},\"rows\":9}"),
                                      &config, &err) == 0,
                  "%s", err.text);
    ck_assert_str_eq(config.cwd, "/");
    ck_assert_uint_eq(config.rows, 9);
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "A")), "1");
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "B")), "2");
    ck_assert_str_eq(json_string_value(json_object_get(config.env, "C")), "3");
    shim_config_fini(&config);
}
END_TEST

static const char *const no_overlay[] = {"{\"uid\":1}",
                                         "{\"gid\":1}",
                                         "{\"groups\":[1]}",
                                         "{\"gateway\":\"10.0.0.1\"}",
                                         "{\"sealed\":true}",
                                         "{\"user_namespaces\":true}",
                                         "{\"x\":1}",
                                         "{\"protocol\":1}",
                                         "[]",
                                         ""};

START_TEST(an_overlay_changes_nothing_of_the_wall)
{
    ck_assert_int_eq(shim_config_parse(str_of(WHOLE), &config, &err), 0);
    ck_assert_int_eq(shim_config_overlay(str_of(no_overlay[_i]), &config, &err), -1);
    ck_assert_uint_eq(config.uid, 1000);
    shim_config_fini(&config);
}
END_TEST

START_TEST(the_environment_is_what_the_configuration_says)
{
    char **environment;

    ck_assert_int_eq(shim_config_parse(str_of(WHOLE), &config, &err), 0);
    environment = shim_config_environment(&config);
    ck_assert_ptr_nonnull(environment);
    ck_assert_str_eq(environment[0], "A=1");
    ck_assert_str_eq(environment[1], "B==\n");
    ck_assert_str_eq(environment[2], "TERM=xterm-256color");
    ck_assert_ptr_null(environment[3]);
    for (char **variable = environment; *variable; variable++)
        free(*variable);
    free(environment);
    shim_config_fini(&config);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("text");

    tcase_add_test(tcase, a_whole_configuration_is_taken);
    tcase_add_loop_test(tcase, a_wrong_member_is_named, 0, sizeof changes / sizeof *changes);
    tcase_add_test(tcase, an_authority_is_one_certificate);
    tcase_add_test(tcase, mounts_are_absolute_paths_and_what_is_closed_are_addresses);
    tcase_add_test(tcase, a_sealed_configuration_has_no_user_and_no_terminal);
    tcase_add_test(tcase, a_cut_configuration_is_refused);
    tcase_add_test(tcase, an_overlay_adds_and_replaces);
    tcase_add_loop_test(tcase, an_overlay_changes_nothing_of_the_wall, 0,
                        sizeof no_overlay / sizeof *no_overlay);
    tcase_add_test(tcase, the_environment_is_what_the_configuration_says);
    return suite_run_case("shim_config", tcase);
}
