/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whom the shim becomes when an image names its user, from the image's own files. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "init/shim_user.h"
#include "tests/unit/image.h"
#include "tests/unit/suite.h"

static const char passwd[] = "root:x:0:0::/root:/bin/sh\n"
                             "toor:x:0:5::/root:/bin/sh\n"
                             "broken line\n"
                             "user:x:1234:1235::/home/user:/bin/sh\n"
                             "77:x:4000:4001::/home/number:/bin/sh\n"
                             "homeless:x:1300:0::relative:/bin/sh\n"
                             "user:x:9999:9999::/home/second:/bin/sh\n";
static const char group[] = "root:x:0:user\nstaff:x:50:other,user\nusers:x:100:users\nvideo:x:44:user\n";

static char *made;
static struct err err;

/* What becomes of {"user": USER, "env": ENV}: the new object, or NULL with err. */
static json_t *resolved(const char *user, const char *env)
{
    char text[512];
    struct str json;

    snprintf(text, sizeof text, "{\"user\":%s,\"env\":%s}", user, env);
    json = str_of(text);
    if (shim_user_resolve(&json, &made, &err) != 0)
        return NULL;
    ck_assert_ptr_eq(json.ptr, made);
    json_t *all = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(all);
    ck_assert_ptr_null(json_object_get(all, "user"));
    free(made);
    return all;
}

/* The same as "UID GID [GROUPS] HOME". */
static void becomes(const char *user, const char *wanted)
{
    char word[64], text[256];
    json_t *all, *groups;
    size_t len;

    snprintf(word, sizeof word, "\"%s\"", user);
    all = resolved(word, "{}");
    ck_assert_msg(all, "%s: %s", user, err.text);
    groups = json_object_get(all, "groups");
    ck_assert(json_is_array(groups));
    len = (size_t)snprintf(text, sizeof text, "%lld %lld [",
                           (long long)json_integer_value(json_object_get(all, "uid")),
                           (long long)json_integer_value(json_object_get(all, "gid")));
    for (size_t i = 0; i < json_array_size(groups); i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld", i > 0 ? " " : "",
                                (long long)json_integer_value(json_array_get(groups, i)));
    snprintf(text + len, sizeof text - len, "] %s",
             json_string_value(json_object_get(json_object_get(all, "env"), "HOME")));
    ck_assert_msg(strcmp(text, wanted) == 0, "%s becomes %s", user, text);
    json_decref(all);
}

static void files(void)
{
    image();
    put("/etc/passwd", passwd);
    put("/etc/group", group);
}

START_TEST(a_name_is_looked_up_with_its_groups_and_never_roots)
{
    files();
    becomes("user", "1234 1235 [50 44] /home/user"); /* the first of two, without group 0 */
    becomes("user:staff", "1234 50 [] /home/user");  /* who names a group has that one alone */
    becomes("user:4712", "1234 4712 [] /home/user");
    becomes("homeless", "1300 1300 [] /"); /* a group 0 becomes the user's number */
    becomes("user:0", "1234 1234 [] /home/user");
}
END_TEST

START_TEST(a_number_is_itself_whether_it_is_known_or_not)
{
    files();
    becomes("1234", "1234 1235 [50 44] /home/user");
    becomes("4711", "4711 4711 [] /");
    becomes("4711:4712", "4711 4712 [] /");
    becomes("77", "77 77 [] /"); /* never the user of that name */
    becomes("4294967294", "4294967294 4294967294 [] /");
}
END_TEST

START_TEST(without_the_files_only_numbers_are_known)
{
    image();
    becomes("4711:4712", "4711 4712 [] /");
    ck_assert_ptr_null(resolved("\"user\"", "{}"));
    ck_assert_str_eq(err.text, "configuration: user: the image has no user \"user\" in /etc/passwd");
    ck_assert_ptr_null(resolved("\"4711:staff\"", "{}"));
    ck_assert_str_eq(err.text, "configuration: user: the image has no group \"staff\" in /etc/group");
}
END_TEST

static const struct refusal {
    const char *user, *words;
} refusals[] = {
    {"\"root\"", "\"root\" is root"},
    {"\"toor\"", "\"toor\" is root"},
    {"\"0\"", "\"0\" is root"},
    {"\"00\"", "\"00\" is root"},
    {"\"0:1000\"", "\"0\" is root"},
    {"\"\"", "\"\" names no user"},
    {"\":staff\"", "\":staff\" names no user"},
    {"\"absent\"", "the image has no user \"absent\" in /etc/passwd"},
    {"\"broken line\"", "the image has no user \"broken line\" in /etc/passwd"},
    {"\"-1\"", "the image has no user \"-1\" in /etc/passwd"},
    {"\"4294967295\"", "the image has no user \"4294967295\" in /etc/passwd"}, /* setresuid(2): "as it is" */
    {"\"4294967296\"", "the image has no user \"4294967296\" in /etc/passwd"},
    {"\"99999999999\"", "the image has no user \"99999999999\" in /etc/passwd"},
    {"\"user:absent\"", "the image has no group \"absent\" in /etc/group"},
    {"1000", "a name or number is wanted"},
};

START_TEST(what_is_root_or_nobody_is_refused_with_the_reason)
{
    char wanted[256];

    files();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        made = NULL;
        ck_assert_ptr_null(resolved(refusals[i].user, "{}"));
        snprintf(wanted, sizeof wanted, "configuration: user: %s", refusals[i].words);
        ck_assert_str_eq(err.text, wanted);
        ck_assert_ptr_null(made);
    }
}
END_TEST

START_TEST(a_home_that_is_named_stays)
{
    json_t *all;

    files();
    all = resolved("\"user\"", "{\"HOME\":\"/mine\"}");
    ck_assert_ptr_nonnull(all);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(all, "env"), "HOME")), "/mine");
    json_decref(all);
}
END_TEST

START_TEST(a_text_without_a_user_stays_as_it_is)
{
    static const char *const texts[] = {"{\"uid\":1000}", "{}", "[]", "no JSON"};

    image();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct str json = str_of(texts[i]);
        ck_assert_int_eq(shim_user_resolve(&json, &made, &err), 0); /* it is judged later */
        ck_assert_ptr_null(made);
        ck_assert_ptr_eq(json.ptr, texts[i]);
    }
}
END_TEST

SUITE_MAIN("shim_user", a_name_is_looked_up_with_its_groups_and_never_roots,
           a_number_is_itself_whether_it_is_known_or_not, without_the_files_only_numbers_are_known,
           what_is_root_or_nobody_is_refused_with_the_reason, a_home_that_is_named_stays,
           a_text_without_a_user_stays_as_it_is)
