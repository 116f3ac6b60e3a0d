/* SPDX-License-Identifier: GPL-3.0-or-later */
/* secrets: values out of the environment and certificates out of files, and the exact errors when they cannot
 * be had. */
#include "hostctl/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/suite.h"

extern char **environ;

static char folder[] = "/tmp/test_secrets.XXXXXX", file[64];

static struct manifest *manifest_of(const char *yaml)
{
    struct report report;

    report_init(&report, file);
    struct node *root = node_parse(str_of(yaml), 1, &report);
    ck_assert_ptr_nonnull(root);
    struct manifest *manifest = manifest_read(root, &report);
    report_print(&report, stderr);
    ck_assert_ptr_nonnull(manifest);
    node_free(root);
    report_fini(&report);
    return manifest;
}

/* The errors of taking what the manifest names; *secrets and *pem are what there was. */
static const char *errors_of(const char *yaml, struct secrets **secrets, char **pem)
{
    static char out[8192];
    struct report report;

    snprintf(file, sizeof file, "%s/m.yaml", folder);
    struct manifest *manifest = manifest_of(yaml);
    report_init(&report, file);
    *secrets = secrets_take(manifest, &report);
    extra_ca_read(manifest, &report, pem);
    memset(out, 0, sizeof out);
    FILE *to = fmemopen(out, sizeof out, "w");
    report_print(&report, to);
    fclose(to);
    report_fini(&report);
    manifest_free(manifest);
    char *at = out;
    while ((at = strstr(at, folder)) != NULL) /* without the folder's name */
        memmove(at, at + strlen(folder) + 1, strlen(at + strlen(folder)));
    return out;
}

#define ROUTES(refs) "egress:\n  routes:\n" refs
#define ROUTE(host, scheme, ref)                                                                             \
    "    - host: " host "\n      auth: {scheme: " scheme ", token_ref: " ref "}\n"

START_TEST(values_come_from_the_environment_and_leave_it)
{
    struct secrets *secrets;
    char *pem;

    setenv("A_TOKEN", "value-of-a", 1);
    setenv("OTHER", "value-of-other", 1);
    const char *inherited = getenv("A_TOKEN");
    ck_assert_str_eq(
        errors_of(ROUTES(ROUTE("a.example", "raw", "A_TOKEN") ROUTE("b.example", "basic", "A_TOKEN")),
                  &secrets, &pem),
        "");
    ck_assert_uint_eq(secrets->count, 1);
    ck_assert(str_equal(secret_expose(secrets_find(secrets, "A_TOKEN")->value), str_of("value-of-a")));
    ck_assert_ptr_null(getenv("A_TOKEN"));
    ck_assert_str_eq(inherited, "");
    ck_assert_str_eq(getenv("OTHER"), "value-of-other");
    char *text = secrets_apply_text("{\"protocol\":1}", secrets, NULL);
    ck_assert_str_eq(text, "{\"policy\":{\"protocol\":1},\"secrets\":{\"A_TOKEN\":\"value-of-a\"}}");
    secrets_text_free(text);
    secrets_free(secrets);
    ck_assert_str_eq(errors_of("env: {A: b}\n", &secrets, &pem), "");
    text = secrets_apply_text("{}", secrets, "{\"a\":null}");
    ck_assert_str_eq(text, "{\"policy\":{},\"secrets\":{},\"keys\":{\"a\":null}}");
    secrets_text_free(text);
    secrets_free(secrets);
}
END_TEST

/* The sidecar has to know what the agent may read. */
START_TEST(values_for_the_agent_are_taken_beside_those_of_routes)
{
    struct secrets *secrets;
    char *pem;

    unsetenv("SUDO_UID");
    setenv("A_TOKEN", "value-of-a", 1);
    setenv("PHRASE", "value-of-phrase", 1);
    ck_assert_str_eq(
        errors_of(
            "env: {P: {from_env: PHRASE}, Q: {from_env: A_TOKEN}, R: {placeholder_for: a.example}}\n" ROUTES(
                ROUTE("a.example", "raw", "A_TOKEN")),
            &secrets, &pem),
        "");
    ck_assert_uint_eq(secrets->count, 2);
    ck_assert(str_equal(secret_expose(secrets_find(secrets, "PHRASE")->value), str_of("value-of-phrase")));
    ck_assert(getenv("PHRASE") == NULL && getenv("A_TOKEN") == NULL);
    secrets_free(secrets);
    setenv("SHORT", "seven77", 1);
    ck_assert_str_eq(
        errors_of("env:\n  P: {from_env: PHRASE}\n  Q: {from_env: SHORT}\n", &secrets, &pem),
        "m.yaml:2: env.P.from_env: the environment variable PHRASE is not set\n"
        "m.yaml:3: env.Q.from_env: the value of the environment variable SHORT is shorter than 8 "
        "bytes\n");
    ck_assert_ptr_null(secrets);
    setenv("STOPPER_CANARY", "of-the-hosts-own", 1);
    ck_assert_str_eq(errors_of("env: {P: {from_env: STOPPER_CANARY}}\n", &secrets, &pem),
                     "m.yaml:1: env.P.from_env: the name STOPPER_CANARY is Stopper's own\n");
}
END_TEST

START_TEST(every_value_that_cannot_be_had_is_an_error_with_its_line)
{
    struct secrets *secrets;
    char *pem;

    unsetenv("SUDO_UID");
    setenv("B_TOKEN", "two\nlines", 1);
    setenv("C_TOKEN", "", 1);
    setenv("D_TOKEN", "user:passwrd", 1);
    setenv("E_TOKEN", "short", 1);
    ck_assert_str_eq(
        errors_of(ROUTES(ROUTE("a.example", "raw", "NOT_SET") ROUTE("b.example", "raw", "B_TOKEN")
                             ROUTE("c.example", "raw", "C_TOKEN") ROUTE("d.example", "basic", "D_TOKEN")
                                 ROUTE("e.example", "Bearer", "E_TOKEN")),
                  &secrets, &pem),
        "m.yaml:4: egress.routes[0].auth.token_ref: the environment variable NOT_SET is not set\n"
        "m.yaml:6: egress.routes[1].auth.token_ref: the value of the environment variable B_TOKEN holds a "
        "line break\n"
        "m.yaml:8: egress.routes[2].auth.token_ref: the value of the environment variable C_TOKEN is empty\n"
        "m.yaml:10: egress.routes[3].auth.token_ref: the password in the value of the environment variable "
        "D_TOKEN is "
        "shorter than 8 bytes\n"
        "m.yaml:12: egress.routes[4].auth.token_ref: the value of the environment variable E_TOKEN is "
        "shorter than 8 "
        "bytes\n");
    ck_assert_ptr_null(secrets);
    ck_assert_ptr_null(getenv("B_TOKEN"));
    setenv("SUDO_UID", "1000", 1);
    ck_assert_str_eq(errors_of(ROUTES(ROUTE("a.example", "raw", "NOT_SET")), &secrets, &pem),
                     "m.yaml:4: egress.routes[0].auth.token_ref: the environment variable NOT_SET is not "
                     "set; sudo passes it on with "
                     "--preserve-env=NOT_SET\n");
}
END_TEST

static void write_file(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *to = fopen(path, "w");
    ck_assert_ptr_nonnull(to);
    fputs(text, to);
    fclose(to);
}

#define BLOCK "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

START_TEST(certificates_come_from_files)
{
    struct secrets *secrets;
    char *pem, yaml[256], path[128];

    write_file("a.pem", "words\n" BLOCK "more words\n" BLOCK);
    write_file("b.pem", BLOCK);
    snprintf(yaml, sizeof yaml, "egress: {extra_ca: [a.pem, %s/b.pem]}", folder);
    ck_assert_str_eq(errors_of(yaml, &secrets, &pem), "");
    ck_assert_str_eq(pem, BLOCK BLOCK BLOCK);
    free(pem);
    secrets_free(secrets);
    write_file("key.pem", BLOCK "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
    write_file("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    write_file("odd.pem", "-----BEGIN CERTIFICATE-----\n\x01\n-----END CERTIFICATE-----\n");
    write_file("none.pem", "nothing\n");
    ck_assert_str_eq(
        errors_of("egress:\n  extra_ca:\n    - key.pem\n    - cut.pem\n    - odd.pem\n    - none.pem\n    - "
                  "missing.pem\n    - .\n",
                  &secrets, &pem),
        "m.yaml:3: egress.extra_ca[0]: \"key.pem\" holds something else than certificates\n"
        "m.yaml:4: egress.extra_ca[1]: \"cut.pem\" holds a certificate that is cut short or no PEM\n"
        "m.yaml:5: egress.extra_ca[2]: \"odd.pem\" holds a certificate that is cut short or no PEM\n"
        "m.yaml:6: egress.extra_ca[3]: \"none.pem\" holds no certificate in PEM form\n"
        "m.yaml:7: egress.extra_ca[4]: \"missing.pem\" cannot be read: No such file or directory\n"
        "m.yaml:8: egress.extra_ca[5]: \".\" is no file\n");
    ck_assert_ptr_null(pem);
    secrets_free(secrets);
    for (size_t i = 0; i < 6; i++) {
        static const char *const names[] = {"a.pem", "b.pem", "key.pem", "cut.pem", "odd.pem", "none.pem"};
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
}
END_TEST

int main(void)
{
    static const TTest *tests[4];

    tests[0] = values_come_from_the_environment_and_leave_it;
    tests[1] = every_value_that_cannot_be_had_is_an_error_with_its_line;
    tests[2] = certificates_come_from_files;
    tests[3] = values_for_the_agent_are_taken_beside_those_of_routes;
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = suite_run("secrets", tests, 4);
    rmdir(folder);
    return status;
}
