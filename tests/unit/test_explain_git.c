/* SPDX-License-Identifier: GPL-3.0-or-later */
/* explain_git: which repository a URL leads to, and what its rules say of a ref. */
#include "hostctl/explain_git.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

#define KEY   "key: {provider: static, path: /k}"
#define KNOWN "host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdLr1BQmsCjW6KvYfamPY1BMxJQK36FicPT1bINaKPI"

static struct manifest *manifest_of(const char *yaml)
{
    struct report report;

    report_init(&report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, &report);
    struct manifest *manifest = manifest_read(root, &report);
    ck_assert_ptr_nonnull(manifest);
    node_free(root);
    report_fini(&report);
    return manifest;
}

static struct manifest *manifest(void)
{
    return manifest_of(
        "git-gate:\n  repos:\n    app: {url: ssh://git@h.example/org/app.git, " KEY ", push: {allow: ["
        "refs/heads/agent/*, refs/tags/*], deny: [refs/heads/agent/main, 'refs/tags/v[0-9]*']}}\n"
        "    app-two: {url: ssh://git@h.example/org/app2, " KEY ", " KNOWN "}\n");
}

#define NONE "no repository of git-gate.repos has this URL"
#define BEGINS                                                                                               \
    "git leads this URL to the gate, since a repository's begins it, and the gate has no repository there"

START_TEST(a_url_leads_to_the_repository_with_the_longest_beginning)
{
    static const struct {
        const char *url, *name, *why; /* name NULL: none */
    } table[] = {
        {"git@h.example:org/app.git", "app", NULL},
        {"ssh://git@h.example:22/org/app/", "app", NULL},
        {"https://h.example/org/app", "app", NULL},
        {"https://h.example/org/app2.git/", "app-two", NULL},
        {"https://h.example/org/app3", "app", BEGINS},
        {"git@h.example:org/app2/x", "app-two", BEGINS},
        {"https://h.example/org/ap", NULL,
         NONE ": git speaks HTTP, and routes decide; pushes are refused there"},
        {"ssh://other@h.example/org/app", NULL, NONE},
        {"https://H.example/org/app", NULL,
         NONE ": git speaks HTTP, and routes decide; pushes are refused there"},
    };
    struct manifest *all = manifest();
    struct err err;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        json_t *said = explain_git(all, "fetch", table[i].url, NULL, &err);
        const char *name = json_string_value(json_object_get(json_object_get(said, "repository"), "name"));
        const char *why = json_string_value(json_object_get(said, "why"));
        ck_assert_str_eq(name != NULL ? name : "", table[i].name != NULL ? table[i].name : "");
        ck_assert_str_eq(why != NULL ? why : "", table[i].why != NULL ? table[i].why : "");
        ck_assert_str_eq(json_string_value(json_object_get(said, "verdict")),
                         table[i].why == NULL ? "allow" : "block");
        ck_assert(json_is_null(json_object_get(said, "rules")));
        json_decref(said);
    }
    manifest_free(all);
}
END_TEST

START_TEST(a_ref_is_judged_by_the_rules_of_its_repository)
{
    static const struct {
        const char *url, *ref, *why;
    } table[] = {
        {"git@h.example:org/app", "refs/heads/agent/a", NULL},
        {"git@h.example:org/app", "refs/heads/agent/a/b", NULL},
        {"git@h.example:org/app", "refs/heads/agent", "push.allow does not have it"},
        {"git@h.example:org/app", "refs/heads/agent/main", "push.deny has refs/heads/agent/main"},
        {"git@h.example:org/app", "refs/tags/v1", "push.deny has refs/tags/v[0-9]*"},
        {"git@h.example:org/app", "refs/tags/x1", NULL},
        {"git@h.example:org/app", NULL, NULL},
        {"git@h.example:org/app2", "refs/heads/main", NULL},
    };
    struct manifest *all = manifest();
    struct err err;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        json_t *said = explain_git(all, "push", table[i].url, table[i].ref, &err);
        const char *why = json_string_value(json_object_get(said, "why"));
        ck_assert_str_eq(why != NULL ? why : "", table[i].why != NULL ? table[i].why : "");
        json_decref(said);
    }
    manifest_free(all);
}
END_TEST

START_TEST(what_the_rules_are_is_said)
{
    struct manifest *all = manifest();
    struct err err;
    json_t *said = explain_git(all, "push", "git@h.example:org/app2.git", NULL, &err);
    char *text = json_dumps(said, JSON_COMPACT);

    ck_assert_str_eq(
        text,
        "{\"verdict\":\"allow\",\"word\":\"push\",\"ref\":null,\"why\":null,\"repository\":{\"name\":\"app-"
        "two\","
        "\"file\":\"m.yaml\",\"line\":4,\"url\":\"ssh://git@h.example/org/app2\",\"host_key\":\"pinned\"},"
        "\"rules\":{\"allow\":[],\"deny\":[],\"force\":true,\"delete\":true,\"protect_paths\":[],\"max_pack_"
        "mb\":2048,"
        "\"on_finding\":\"block\"},"
        "\"unjudged\":\"what is pushed: the gate looks through it; and what the upstream says\"}");
    free(text);
    json_decref(said);
    manifest_free(all);
}
END_TEST

START_TEST(what_is_no_url_and_no_ref_is_said)
{
    static const struct {
        const char *word, *url, *ref, *error;
    } table[] = {
        {"fetch", "app", NULL, "\"app\" is no URL of git's"},
        {"fetch", "git@h:a b", NULL, "\"git@h:a b\" is no URL of git's"},
        {"push", "git@h:a", "main", "\"main\" is no ref's full name: refs/heads/NAME"},
        {"fetch", "git@h:a", "refs/heads/main", "\"refs/heads/main\": a fetch names no ref here"},
    };
    struct manifest *all = manifest();
    struct err err;

    ck_assert(explain_git_is("fetch") && explain_git_is("push") && !explain_git_is("GET") &&
              !explain_git_is("FETCH"));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ck_assert_ptr_null(explain_git(all, table[i].word, table[i].url, table[i].ref, &err));
        ck_assert_str_eq(err.text, table[i].error);
    }
    manifest_free(all);
}
END_TEST

SUITE_MAIN("explain_git", a_url_leads_to_the_repository_with_the_longest_beginning,
           a_ref_is_judged_by_the_rules_of_its_repository, what_the_rules_are_is_said,
           what_is_no_url_and_no_ref_is_said)
