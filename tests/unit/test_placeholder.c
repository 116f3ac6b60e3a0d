/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_placeholder: which route a variable's placeholder is of, what it looks like, and what the agent's variables become. */
#include "hostctl/placeholder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static const char seed[PLACEHOLDER_SEED] = "0123456789abcdef0123456789abcdef";

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

static const char *errors_of(const char *yaml)
{
    static char out[4096];
    struct manifest *manifest = manifest_of(yaml);
    struct report report;

    report_init(&report, "m.yaml");
    ck_assert_int_eq(manifest_check(manifest, &report), report.count > 0 ? -1 : 0);
    memset(out, 0, sizeof out);
    FILE *to = fmemopen(out, sizeof out, "w");
    report_print(&report, to);
    fclose(to);
    report_fini(&report);
    manifest_free(manifest);
    return out;
}

#define AUTH(host, more) "    - {host: \"" host "\", auth: {scheme: raw, token_ref: T" more "}}\n"
#define ROUTES           "egress:\n  routes:\n"

START_TEST(a_variable_needs_a_route_with_a_value)
{
    ck_assert_str_eq(errors_of(ROUTES AUTH("a.example", "") AUTH(
                         "*.b.example", ", in: [query:key]") "env: {A: {placeholder_for: A.example}, B: "
                                                             "{placeholder_for: x.b.example}, C: "
                                                             "{placeholder_for: \"*.b.example\"}}\n"),
                     "");
    ck_assert_str_eq(
        errors_of(
            ROUTES "    - {host: p.example, auth: passthrough}\n    - host: n.example\n" AUTH(
                "a.example", ", in: [query:key]")
                AUTH("b.example",
                     ", placeholder: its-own-one, in: [query:key]") "env:\n  P: {placeholder_for: "
                                                                    "p.example}\n  N: {placeholder_for: "
                                                                    "n.example}\n"
                                                                    "  X: {placeholder_for: x.example}\n  Y: "
                                                                    "{placeholder_for: x.a.example}\n"),
        "m.yaml:5: egress.routes[2].auth.in: has a meaning only for a placeholder: say one, or give a "
        "variable "
        "of env placeholder_for: a.example\n"
        "m.yaml:8: env.P.placeholder_for: the route for \"p.example\" (m.yaml:3) has no auth with a "
        "token_ref\n"
        "m.yaml:9: env.N.placeholder_for: the route for \"n.example\" (m.yaml:4) has no auth with a "
        "token_ref\n"
        "m.yaml:10: env.X.placeholder_for: \"x.example\" is the host of no route\n"
        "m.yaml:11: env.Y.placeholder_for: \"x.a.example\" is the host of no route\n");
}
END_TEST

START_TEST(what_is_made_is_the_bottles_and_the_hosts_own)
{
    static const char yaml[] = ROUTES AUTH("a.example", "") AUTH("*.b.example", "") AUTH("*.c.b.example", "")
        AUTH("d.example", ", placeholder: its-own-one")
            AUTH("e.example", "") "env: {A: {placeholder_for: a.example}, A2: {placeholder_for: a.example}, "
                                  "B: {placeholder_for: "
                                  "x.c.b.example}, D: {placeholder_for: d.example}}\n";
    struct manifest *manifest = manifest_of(yaml), *again = manifest_of(yaml), *other = manifest_of(yaml);

    ck_assert_int_eq(placeholder_fill(manifest, seed), 0);
    ck_assert_int_eq(placeholder_fill(again, seed), 0);
    ck_assert_int_eq(placeholder_fill(other, placeholder_no_seed), 0);
    const char *a = manifest->routes[0].auth.placeholder, *c = manifest->routes[2].auth.placeholder;
    ck_assert_int_eq(strncmp(a, "stopper-placeholder-", 20), 0);
    ck_assert_uint_eq(strlen(a), 52);
    ck_assert_str_ne(a, c);
    ck_assert_str_eq(a, again->routes[0].auth.placeholder);
    ck_assert_str_ne(a, other->routes[0].auth.placeholder);
    ck_assert_ptr_null(manifest->routes[1].auth.placeholder); /* the longer wildcard's host was meant */
    ck_assert_str_eq(manifest->routes[3].auth.placeholder, "its-own-one");
    ck_assert_ptr_null(manifest->routes[4].auth.placeholder); /* no variable asks for one */
    ck_assert(manifest->routes[0].auth.generated && !manifest->routes[3].auth.generated);
    ck_assert_ptr_eq(manifest->forms[0].held, a);
    ck_assert_ptr_eq(manifest->forms[1].held, a);
    ck_assert_ptr_eq(manifest->forms[2].held, c);
    manifest_free(manifest);
    manifest_free(again);
    manifest_free(other);
}
END_TEST

START_TEST(the_agent_gets_placeholders_and_its_own_secrets)
{
    struct manifest *manifest = manifest_of(ROUTES AUTH(
        "a.example",
        ", placeholder: its-own-one") "env: {L: text, A: {placeholder_for: a.example}, S: {from_env: X}}\n");
    struct secrets *secrets = NULL;
    struct err err;

    ck_assert_int_eq(
        secrets_parse(str_of("{\"X\":\"the-value-of-x\",\"T\":\"the-value-of-t\"}"), &secrets, &err), 0);
    ck_assert_int_eq(placeholder_fill(manifest, seed), 0);
    ck_assert_int_eq(placeholder_env(manifest, secrets, &err), 0);
    ck_assert_uint_eq(manifest->env_count, 3);
    ck_assert_str_eq(manifest->env[0], "L=text");
    ck_assert_str_eq(manifest->env[1], "A=its-own-one");
    ck_assert_str_eq(manifest->env[2], "S=the-value-of-x");
    ck_assert_ptr_null(manifest->env[3]);
    secrets_free(secrets);
    manifest_free(manifest);
}
END_TEST

START_TEST(the_canary_is_the_bottles_own_and_goes_over_nothing)
{
    static const char *const texts[] = {
        "env: {A: b}\n", "env: {INTERNAL_API_TOKEN: mine}\n",
        "env: {INTERNAL_API_TOKEN: {from_env: X}, BACKUP_API_TOKEN: b}\n",
        "env: {INTERNAL_API_TOKEN: a, BACKUP_API_TOKEN: b, ARCHIVE_API_TOKEN: c}\n"};
    static const char *const names[] = {
        "INTERNAL_API_TOKEN=", "BACKUP_API_TOKEN=", "ARCHIVE_API_TOKEN=", NULL};
    char seen[2][64] = {"", ""};
    struct err err;

    for (size_t i = 0; i < 8; i++) {
        const char *name = names[i / 2];
        struct manifest *manifest = manifest_of(texts[i / 2]);
        struct secrets *secrets = calloc(1, sizeof *secrets + 2 * sizeof secrets->entries[0]);
        ck_assert_ptr_nonnull(secrets);
        strcpy(secrets->entries[0].name, "X");
        secrets->entries[0].value = secret_new(str_of("the-value-of-x"));
        secrets->count = 1;
        ck_assert_int_eq(placeholder_env(manifest, secrets, &err), 0);
        size_t before = manifest->env_count;
        ck_assert_int_eq(placeholder_canary(manifest, i % 2 ? seed : placeholder_no_seed, secrets, &err), 0);
        ck_assert_uint_eq(manifest->env_count, before + (name != NULL));
        ck_assert_uint_eq(secrets->count, 1u + (name != NULL));
        if (name != NULL) {
            struct str value = secret_expose(secrets_find(secrets, PLACEHOLDER_CANARY)->value);
            ck_assert_int_eq(strncmp(manifest->env[before], name, strlen(name)), 0);
            ck_assert(str_equal(value, str_of(manifest->env[before] + strlen(name))) && value.len == 44);
            ck_assert(secret_problem(value) == NULL && manifest->env[before + 1] == NULL);
            memcpy(seen[i % 2], value.ptr, value.len);
        }
        secrets_free(secrets);
        manifest_free(manifest);
    }
    ck_assert_str_ne(seen[0], seen[1]);
}
END_TEST

START_TEST(each_bottle_has_a_seed_of_its_own)
{
    char a[PLACEHOLDER_SEED], b[PLACEHOLDER_SEED];
    struct err err;

    ck_assert_int_eq(placeholder_seed(a, &err), 0);
    ck_assert_int_eq(placeholder_seed(b, &err), 0);
    ck_assert_uint_eq(strlen(a), 32);
    ck_assert_str_ne(a, b);
}
END_TEST

SUITE_MAIN("placeholder", a_variable_needs_a_route_with_a_value,
           what_is_made_is_the_bottles_and_the_hosts_own, the_agent_gets_placeholders_and_its_own_secrets,
           the_canary_is_the_bottles_own_and_goes_over_nothing, each_bottle_has_a_seed_of_its_own)
