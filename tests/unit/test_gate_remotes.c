/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_remotes: the forms of a URL, and that what a bottle is told of them has a bound. */
#include "hostctl/gate_remotes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

START_TEST(a_url_has_the_forms_that_people_write)
{
    static const struct {
        const char *url, *forms[REMOTE_FORMS + 1];
    } table[] = {
        {"ssh://git@H.example/org/app.git",
         {"ssh://git@h.example/org/app", "ssh://git@h.example:22/org/app", "git@h.example:org/app",
          "git@h.example:/org/app", "https://h.example/org/app"}},
        {"ssh://git@h.example:22/org/app/",
         {"ssh://git@h.example/org/app", "ssh://git@h.example:22/org/app", "git@h.example:org/app",
          "git@h.example:/org/app", "https://h.example/org/app"}},
        {"ssh://me@h:2222/app.git/", {"ssh://me@h:2222/app", "https://h/app"}},
        {"ssh://git@10.1.2.3/app",
         {"ssh://git@10.1.2.3/app", "ssh://git@10.1.2.3:22/app", "git@10.1.2.3:app", "git@10.1.2.3:/app",
          "https://10.1.2.3/app"}},
        {"ssh://git@[2001:DB8::1]/app",
         {"ssh://git@[2001:db8::1]/app", "ssh://git@[2001:db8::1]:22/app", "git@[2001:db8::1]:app",
          "git@[2001:db8::1]:/app", "https://[2001:db8::1]/app"}},
        {"ssh://git@h/~me/app.git",
         {"ssh://git@h/~me/app", "ssh://git@h:22/~me/app", "git@h:~me/app", "https://h/~me/app"}},
        {"ssh://git@h:1/.git", {"ssh://git@h:1/.git", "https://h/.git"}},
        {"ssh://git@h:1/app/.git", {"ssh://git@h:1/app/.git", "https://h/app/.git"}},
        {"ssh://git@h:1/app.git.git", {"ssh://git@h:1/app.git", "https://h/app.git"}},
    };
    char forms[REMOTE_FORMS][REMOTE_MAX];

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct gate_url url;
        ck_assert_ptr_null(gate_url_take(str_of(table[i].url), &url));
        size_t count = gate_remote_forms(&url, forms);
        for (size_t j = 0; j < count; j++) {
            ck_assert_msg(table[i].forms[j] != NULL, "%s: %s is one too many", table[i].url, forms[j]);
            ck_assert_str_eq(forms[j], table[i].forms[j]);
        }
        ck_assert_ptr_null(table[i].forms[count]);
    }
}
END_TEST

START_TEST(the_longest_url_is_not_cut)
{
    char text[GATE_URL_MAX + 1] = "ssh://git@h/", forms[REMOTE_FORMS][REMOTE_MAX];
    struct gate_url url;

    memset(text + 12, 'a', GATE_URL_MAX - 12);
    ck_assert_ptr_null(gate_url_take(str_of(text), &url));
    size_t count = gate_remote_forms(&url, forms);
    ck_assert_uint_eq(count, 5);
    ck_assert_uint_eq(strlen(forms[0]), GATE_URL_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *path = strchr(forms[i], 'a');
        ck_assert_uint_eq(strlen(path), GATE_URL_MAX - 12);
    }
}
END_TEST

static struct manifest *manifest_of(const char *yaml, struct report *report)
{
    report_init(report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, report);
    struct manifest *manifest = manifest_read(root, report);
    ck_assert_ptr_nonnull(manifest);
    node_free(root);
    return manifest;
}

#define KEY "key: {provider: static, path: /k}}\n"

START_TEST(a_bottle_is_told_all_of_them_by_name)
{
    struct report report;
    struct manifest *manifest = manifest_of("git-gate:\n  repos:\n    a: {url: ssh://git@h:1/a.git, " KEY
                                            "    b-2: {url: ssh://git@h:1/b/c, " KEY,
                                            &report);
    json_t *remotes = gate_remotes(manifest);
    char *text = json_dumps(remotes, JSON_COMPACT);

    ck_assert_str_eq(text, "{\"a\":[\"ssh://git@h:1/a\",\"https://h/a\"],"
                           "\"b-2\":[\"ssh://git@h:1/b/c\",\"https://h/b/c\"]}");
    ck_assert_uint_eq(gate_remotes_size(manifest), 15 + 11 + 17 + 13);
    free(text);
    json_decref(remotes);
    manifest_free(manifest);
    report_fini(&report);
    manifest = manifest_of("{}\n", &report);
    ck_assert_ptr_null(gate_remotes(manifest));
    manifest_free(manifest);
    report_fini(&report);
}
END_TEST

START_TEST(a_manifest_with_more_than_a_bottle_is_told_is_an_error)
{
    static char yaml[1 << 20], filling[900];
    struct report report;
    size_t at = (size_t)sprintf(yaml, "git-gate:\n  repos:\n");

    memset(filling, 'a', sizeof filling - 1);
    for (int i = 0; i < 117; i++) /* 115 would do */
        at += (size_t)sprintf(yaml + at, "    r%d: {url: ssh://git@h/%s%d, " KEY, i, filling, i);
    struct manifest *manifest = manifest_of(yaml, &report);
    ck_assert_int_eq(manifest_check(manifest, &report), -1);
    ck_assert_ptr_nonnull(
        strstr(report.lines[0].text, "bytes, in all forms that lead to the gate; at most 524288"));
    manifest_free(manifest);
    report_fini(&report);
    at = (size_t)sprintf(yaml, "git-gate:\n  repos:\n");
    for (int i = 0; i < 18; i++)
        at += (size_t)sprintf(yaml + at, "    r%d: {url: ssh://git@host.stopper.internal:%d/%d, " KEY, i,
                              i < 2 ? 99 : i, i);
    manifest = manifest_of(yaml, &report);
    ck_assert_int_eq(manifest_check(manifest, &report), -1);
    ck_assert_str_eq(report.lines[0].text,
                     "git-gate.repos: 17 ports of host.stopper.internal; at most 16 are allowed");
    manifest_free(manifest);
    report_fini(&report);
}
END_TEST

SUITE_MAIN("gate_remotes", a_url_has_the_forms_that_people_write, the_longest_url_is_not_cut,
           a_bottle_is_told_all_of_them_by_name, a_manifest_with_more_than_a_bottle_is_told_is_an_error)
