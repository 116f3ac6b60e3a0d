/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hostctl/forge, manifest_forge and deploy_key's titles: tokens come out of the environment and leave it; where a
 * repository lies; which keys at a forge are ours. */
#include "hostctl/forge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostctl/deploy_key.h"
#include "hostctl/manifest_forge.h"
#include "tests/unit/suite.h"

static struct err err;

static struct manifest *manifest_of(const char *yaml)
{
    struct report report;

    report_init(&report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, &report);
    ck_assert_ptr_nonnull(root);
    struct manifest *manifest = manifest_read(root, &report);
    report_print(&report, stderr);
    ck_assert_ptr_nonnull(manifest);
    node_free(root);
    report_fini(&report);
    return manifest;
}

START_TEST(tokens_leave_the_environment_when_all_are_taken)
{
    struct forge forge;

    forge_init(&forge, "up");
    setenv("TOKEN_A", "aaaaaaaaaa", 1);
    setenv("TOKEN_B", "bbbbbbbbbb", 1);
    const char *bytes = getenv("TOKEN_A");
    const struct secret *a = forge_take(&forge, "TOKEN_A", &err);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_eq(forge_take(&forge, "TOKEN_A", &err), a);
    ck_assert_str_eq(getenv("TOKEN_A"), "aaaaaaaaaa"); /* somebody else may need it, too */
    ck_assert_ptr_null(forge_token(&forge, "TOKEN_B"));
    ck_assert_ptr_nonnull(forge_take(&forge, "TOKEN_B", &err));
    forge_wipe(&forge);
    ck_assert_ptr_null(getenv("TOKEN_A"));
    ck_assert_ptr_null(getenv("TOKEN_B"));
    ck_assert_int_eq(memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0", 10), 0);
    ck_assert(str_equal(secret_expose(forge_token(&forge, "TOKEN_A")), str_of("aaaaaaaaaa")));
    ck_assert(str_equal(secret_expose(forge_take(&forge, "TOKEN_B", &err)), str_of("bbbbbbbbbb")));
    forge_fini(&forge);
}
END_TEST

START_TEST(what_is_missing_or_no_token_is_named)
{
    struct forge forge;

    forge_init(&forge, "up");
    unsetenv("SUDO_UID");
    unsetenv("TOKEN_A");
    ck_assert_ptr_null(forge_take(&forge, "TOKEN_A", &err));
    ck_assert_str_eq(err.text, "the environment variable TOKEN_A is not set");
    setenv("SUDO_UID", "1000", 1);
    ck_assert_ptr_null(forge_take(&forge, "TOKEN_A", &err));
    ck_assert_str_eq(err.text, "the environment variable TOKEN_A is not set; sudo passes it on with "
                               "--preserve-env=TOKEN_A");
    setenv("TOKEN_A", "with a\nline", 1);
    ck_assert_ptr_null(forge_take(&forge, "TOKEN_A", &err));
    ck_assert_ptr_eq(strstr(err.text, "the value of the environment variable TOKEN_A "), err.text);
    ck_assert_ptr_null(strstr(err.text, "line"));
    ck_assert_uint_eq(forge.count, 0);
    forge_fini(&forge);
}
END_TEST

START_TEST(a_manifest_is_told_all_that_is_missing_by_line)
{
    struct manifest *manifest =
        manifest_of("git-gate:\n  repos:\n    a:\n      url: ssh://git@h.example/org/a.git\n      key:\n     "
                    "   provider: gitea\n"
                    "        forge_token_env: TOKEN_A\n    b:\n      url: ssh://git@h.example/org/b.git\n"
                    "      key: {provider: gitea, forge_token_env: TOKEN_B}\n    c:\n      url: "
                    "ssh://git@h.example/org/c.git\n"
                    "      key: {provider: static, path: /k}\n");
    const char *old = getenv("PATH");
    char path[4096], out[2048] = "";
    struct report report;
    struct forge forge;

    snprintf(path, sizeof path, "%s", old);
    unsetenv("SUDO_UID");
    unsetenv("TOKEN_A");
    setenv("TOKEN_B", "bbbbbbbbbb", 1);
    forge_init(&forge, "up");
    report_init(&report, "m.yaml");
    setenv("PATH", "/nowhere", 1);
    deploy_keys_ready(manifest, &forge, &report);
    setenv("PATH", path, 1);
    FILE *to = fmemopen(out, sizeof out, "w");
    report_print(&report, to);
    fclose(to);
    ck_assert_str_eq(
        out, "m.yaml:6: git-gate.repos.a.key: the program curl is missing, which speaks to the forge: "
             "install the package curl\n"
             "m.yaml:7: git-gate.repos.a.key.forge_token_env: the environment variable TOKEN_A is not "
             "set\n");
    ck_assert_uint_eq(report.count, 2);
    report_fini(&report);
    forge_fini(&forge);
    setenv("TOKEN_A", "aaaaaaaaaa", 1);
    forge_init(&forge, "up");
    report_init(&report, "m.yaml");
    deploy_keys_ready(manifest, &forge, &report);
    ck_assert_uint_eq(report.count, 0);
    ck_assert_uint_eq(forge.count, 2);
    report_fini(&report);
    forge_fini(&forge);
    manifest_free(manifest);
}
END_TEST

START_TEST(a_repository_lies_where_its_url_says)
{
    struct manifest *manifest = manifest_of(
        "git-gate:\n  repos:\n"
        "    a: {url: 'ssh://git@H.example:2222/Org/my.app.git', key: {provider: gitea, forge_token_env: "
        "T}}\n"
        "    b: {url: 'ssh://git@[fd00::1]/o/r', key: {provider: gitea, forge_token_env: T}}\n"
        "    c: {url: 'ssh://git@h.example/o/r.git.git', key: {provider: gitea, forge_token_env: T, api_url: "
        "'http://10.1.2.3:3000/git//'}}\n");
    static const struct {
        const char *url, *owner, *repo;
    } wanted[] = {{"https://h.example", "Org", "my.app"},
                  {"https://[fd00::1]", "o", "r"},
                  {"http://10.1.2.3:3000/git", "o", "r.git"}};

    ck_assert_uint_eq(manifest->repo_count, 3);
    for (size_t i = 0; i < 3; i++) {
        struct manifest_forge forge;
        manifest_forge(&manifest->repos[i], &forge);
        ck_assert_str_eq(forge.url, wanted[i].url);
        ck_assert_str_eq(forge.owner, wanted[i].owner);
        ck_assert_str_eq(forge.repo, wanted[i].repo);
    }
    manifest_free(manifest);
}
END_TEST

#define LABEL "0123456789abcdef"

START_TEST(a_title_says_whose_key_it_is)
{
    static const char *const others[] = {
        "",
        "stopper",
        "stopper app of bottle box",
        "stopper app of bottle box (0123456789abcdee)",
        "stopper app of bottle box (0123456789abcdef) ",
        "Stopper app of bottle box (0123456789abcdef)",
        "stopper app of bottle  (0123456789abcdef)",
        "stopper app of bottle (0123456789abcdef)",
        "stopper app of bottle ../x (0123456789abcdef)",
        "stopper app of bottle Box (0123456789abcdef)",
        "stopper app of bottle abcdefghijklmnopqrstuvwxyz012345 (0123456789abcdef)",
        "app of bottle box (0123456789abcdef)",
    };
    char title[GITEA_TITLE_MAX + 1], bottle[BOTTLE_NAME_MAX + 1], name[GATE_NAME_MAX + 1];

    deploy_key_title(title, "app", "box", LABEL);
    ck_assert_str_eq(title, "stopper app of bottle box (0123456789abcdef)");
    ck_assert(deploy_key_take_title(title, LABEL, bottle));
    ck_assert_str_eq(bottle, "box");
    memset(name, 'n', sizeof name - 1);
    name[GATE_NAME_MAX] = '\0';
    deploy_key_title(title, name, "abcdefghijklmnopqrstuvwxyz01234", LABEL);
    ck_assert(deploy_key_take_title(title, LABEL, bottle));
    ck_assert_str_eq(bottle, "abcdefghijklmnopqrstuvwxyz01234");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(!deploy_key_take_title(others[i], LABEL, bottle), "%s", others[i]);
}
END_TEST

SUITE_MAIN("forge", tokens_leave_the_environment_when_all_are_taken, what_is_missing_or_no_token_is_named,
           a_manifest_is_told_all_that_is_missing_by_line, a_repository_lies_where_its_url_says,
           a_title_says_whose_key_it_is)
