/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl/rt_oci_image: an engine's seccomp profile without user namespaces, and whose an image's user is. */
#include "hostctl/rt_oci_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/rt_oci.h"
#include "hostctl/rt_oci_engine.h"
#include "tests/unit/suite.h"

static char from[64], to[80];
static const char *const paths[] = {"/nonexistent/seccomp.json", from, NULL};
static const struct engine engine = {.program = "engine", .profiles = paths};
static struct err err;

/* What rt_oci.c and the rest have: not needed here. */
const struct runtime runtime_podman, runtime_docker;
const struct engine engine_apple;

static void setup(void)
{
    snprintf(from, sizeof from, "/tmp/stopper-profile-%d", (int)getpid());
    snprintf(to, sizeof to, "%s.new", from);
}

static void teardown(void)
{
    unlink(from);
    unlink(to);
}

static int written(const char *profile)
{
    FILE *file = fopen(from, "w");

    ck_assert_ptr_nonnull(file);
    fputs(profile, file);
    fclose(file);
    return profile_write(&engine, to, &err);
}

/* How often a call is named by rules with this action. */
static size_t rules_with(const char *call, const char *action)
{
    json_t *profile = json_load_file(to, 0, NULL), *rule, *name;
    size_t count = 0, i, j;

    ck_assert_ptr_nonnull(profile);
    json_array_foreach(json_object_get(profile, "syscalls"), i, rule)
        if (strcmp(json_string_value(json_object_get(rule, "action")), action) == 0)
            json_array_foreach(json_object_get(rule, "names"), j, name)
                count += strcmp(json_string_value(name), call) == 0;
    json_decref(profile);
    return count;
}

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Whether an engine that says this is taken at its word. */
static bool is_id(const char *said)
{
    json_t *value = json_string(said);
    const char *id = image_id(&engine, value, "localhost/agent:1");
    bool same = id != NULL && strcmp(id, said) == 0;

    ck_assert(same || id == NULL);
    json_decref(value);
    return same;
}

START_TEST(an_image_is_called_by_what_it_holds_or_not_at_all)
{
    static const struct engine named = {.program = "named", .named = true};

    ck_assert(is_id(HEX));
    ck_assert(is_id("sha256:" HEX));
    ck_assert(!is_id("sha512:" HEX));
    ck_assert(!is_id("sha256:" HEX "0"));
    ck_assert(!is_id("localhost/agent:1"));
    ck_assert(!is_id(""));
    ck_assert_ptr_null(image_id(&engine, NULL, "localhost/agent:1"));
    ck_assert_str_eq(image_id(&named, NULL, "localhost/agent:1"), "localhost/agent:1");
}
END_TEST

START_TEST(what_reaches_user_namespaces_is_taken_out_of_every_rule)
{
    ck_assert_int_eq(
        written("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
                "{\"names\":[\"read\",\"unshare\",\"clone3\",\"mount\"],\"action\":\"SCMP_ACT_ALLOW\"},"
                "{\"names\":[\"setns\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_"
                "ADMIN\"]}},"
                "{\"names\":[\"clone\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]}"),
        1);
    static const char *const gone[] = {"unshare", "clone3", "mount", "setns"};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
        ck_assert_msg(rules_with(gone[i], "SCMP_ACT_ALLOW") == 0, "%s", gone[i]);
    ck_assert_uint_eq(rules_with("unshare", "SCMP_ACT_ERRNO"), 1);
    ck_assert_uint_eq(rules_with("read", "SCMP_ACT_ALLOW"), 1);
    ck_assert_uint_eq(rules_with("write", "SCMP_ACT_ALLOW"), 1);
    ck_assert_uint_eq(rules_with("clone", "SCMP_ACT_ALLOW"), 1); /* ours, with a mask */
}
END_TEST

START_TEST(a_profile_of_another_shape_is_an_error)
{
    static const char *const wrong[] = {
        "", "{}", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[]}",
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":{}}",
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"name\":\"clone\"}]}"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(written(wrong[i]) == -1, "%s", wrong[i]);
    unlink(from);
    ck_assert_int_eq(profile_write(&engine, to, &err), -1);
    ck_assert_msg(strstr(err.text, from) != NULL, "%s", err.text);
    static const struct engine strict = {.program = "engine"};
    ck_assert_int_eq(profile_write(&strict, to, &err), 0);
}
END_TEST

static const struct {
    const char *user;
    bool roots;
} users[] = {{"", true},      {"root", true},    {"0", true},     {"root:root", true},
             {"0:0", true},   {"000", true},     {":100", true},  {"node", false},
             {"1000", false}, {"rooted", false}, {"10:0", false}, {"01", false}};

START_TEST(roots_user_is_known_in_every_spelling)
{
    const struct image image = {.user = users[_i].user};

    ck_assert(image_is_roots(&image) == users[_i].roots);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("text");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_image_is_called_by_what_it_holds_or_not_at_all);
    tcase_add_test(tcase, what_reaches_user_namespaces_is_taken_out_of_every_rule);
    tcase_add_test(tcase, a_profile_of_another_shape_is_an_error);
    tcase_add_loop_test(tcase, roots_user_is_known_in_every_spelling, 0, sizeof users / sizeof users[0]);
    return suite_run_case("oci_image", tcase);
}
