/* SPDX-License-Identifier: GPL-3.0-or-later */
/* key_files: keys as the real ssh-keygen writes them, and the exact errors for those that no gate can use. */
#include "hostctl/key_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/suite.h"

/* A security key's handle, of which all that could be secret is zero. */
#define TOUCHED                                                                                              \
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"                                                                  \
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAASgAAABpzay1zc2\n"                               \
    "gtZWQyNTUxOUBvcGVuc3NoLmNvbQAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"                               \
    "AAAAAAAAAARzc2g6AAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"                               \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"                                                               \
    "-----END OPENSSH PRIVATE KEY-----\n"

static char folder[] = "/tmp/test_key_files.XXXXXX";

static void set_up(void)
{
    strcpy(strrchr(folder, '.'), ".XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    unsetenv("SUDO_UID");
    setenv("HOME", folder, 1);
}

static void tear_down(void)
{
    char command[128];

    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void make(const char *command)
{
    ck_assert_msg(system(command) == 0, "%s (package openssh-client)", command);
}

static void put(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(name, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(name, mode), 0);
}

static struct manifest *manifest_of(const char *yaml)
{
    struct report report;

    report_init(&report, "m.yaml");
    struct node *root = node_parse(str_of(yaml), 1, &report);
    struct manifest *manifest = manifest_read(root, &report);
    report_print(&report, stderr);
    ck_assert_ptr_nonnull(manifest);
    node_free(root);
    report_fini(&report);
    return manifest;
}

/* What is said of a key at this path; "" when it was taken. */
static const char *error_of(const char *path)
{
    static char out[2048], yaml[512];
    struct report report;

    snprintf(yaml, sizeof yaml,
             "git-gate:\n  repos:\n    app:\n      url: ssh://git@h.example/app\n      key: {provider: "
             "static, path: "
             "'%s'}\n",
             path);
    struct manifest *manifest = manifest_of(yaml);
    report_init(&report, "m.yaml");
    struct keys *keys = key_files_read(manifest, &report);
    ck_assert((keys == NULL) == (report.count > 0));
    memset(out, 0, sizeof out);
    FILE *to = fmemopen(out, sizeof out, "w");
    report_print(&report, to);
    fclose(to);
    report_fini(&report);
    keys_free(keys);
    manifest_free(manifest);
    return out;
}

#define AT "m.yaml:5: git-gate.repos.app.key.path: "

START_TEST(keys_of_every_form_are_taken)
{
    set_up();
    make("ssh-keygen -q -t ed25519 -N '' -f ed");
    make("ssh-keygen -q -t ecdsa -N '' -f ec && ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f rsa");
    make("ssh-keygen -q -t ecdsa -m PKCS8 -N '' -f pkcs8 && ssh-keygen -q -t ecdsa -m PEM -N '' -f ec-pem");
    make("sed 's/$/\\r/' ed > crlf && chmod 400 crlf && mkdir .ssh && mv ec .ssh/");
    ck_assert_str_eq(error_of("~/ed"), "");
    ck_assert_str_eq(error_of("~/.ssh/ec"), "");
    ck_assert_str_eq(error_of("~/rsa"), "");
    ck_assert_str_eq(error_of("~/pkcs8"), "");
    ck_assert_str_eq(error_of("~/ec-pem"), "");
    ck_assert_str_eq(error_of("~/crlf"), "");
    tear_down();
}
END_TEST

START_TEST(what_no_gate_can_use_is_an_error_with_file_and_line)
{
    set_up();
    make("ssh-keygen -q -t ed25519 -N secret-word -f locked && ssh-keygen -q -t ed25519 -N '' -f wide");
    make("ssh-keygen -q -t ecdsa -m PEM -N secret-word -f locked-pem");
    make("ssh-keygen -q -t ecdsa -m PKCS8 -N secret-word -f locked-pkcs8");
    make("chmod 640 wide && chmod 600 wide.pub && mkfifo -m 600 pipe && mkdir -m 700 dir && ln -s nowhere "
         "link");
    put("touched", TOUCHED, 0600);
    put("empty", "", 0600);
    put("cut", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAA\n", 0600);
    static char large[KEY_MAX + 2];
    memset(large, 'A', KEY_MAX);
    put("large", large, 0600);
    ck_assert_str_eq(error_of("~/locked"),
                     AT "\"~/locked\" is protected by a passphrase, or no key of OpenSSH's\n");
    ck_assert_str_eq(error_of("~/locked-pem"), AT "\"~/locked-pem\" is protected by a passphrase\n");
    ck_assert_str_eq(error_of("~/locked-pkcs8"), AT "\"~/locked-pkcs8\" is protected by a passphrase\n");
    ck_assert_str_eq(error_of("~/wide"),
                     AT "\"~/wide\" may be used by others than its owner (mode 640): chmod 600\n");
    ck_assert_str_eq(error_of("~/wide.pub"),
                     AT "\"~/wide.pub\" does not begin as a private key does (-----BEGIN "
                        "OPENSSH PRIVATE KEY-----)\n");
    ck_assert_str_eq(error_of("~/none"), AT "\"~/none\" cannot be read: No such file or directory\n");
    ck_assert_str_eq(error_of("~/link"), AT "\"~/link\" cannot be read: No such file or directory\n");
    ck_assert_str_eq(error_of("~/pipe"), AT "\"~/pipe\" is no file\n");
    ck_assert_str_eq(error_of("~/dir"), AT "\"~/dir\" is no file\n");
    ck_assert_str_eq(error_of("~/touched"),
                     AT "\"~/touched\" is a security key's: somebody would have to touch it for each use\n");
    ck_assert_str_eq(error_of("~/empty"), AT "\"~/empty\" is empty\n");
    ck_assert_str_eq(error_of("~/cut"), AT "\"~/cut\" has no line -----END …-----\n");
    ck_assert_str_eq(error_of("~/large"), AT "\"~/large\" is longer than 8191 bytes\n");
    unsetenv("HOME");
    ck_assert_str_eq(error_of("~/locked"), AT "\"~/locked\" cannot be found: HOME is no absolute path\n");
    tear_down();
}
END_TEST

START_TEST(what_is_sent_has_the_keys_and_null_for_those_that_the_sidecar_makes)
{
    struct report report;

    set_up();
    make("ssh-keygen -q -t ed25519 -N '' -f ed");
    struct manifest *manifest =
        manifest_of("git-gate:\n  repos:\n    a: {url: ssh://git@h/a, key: {provider: static, path: ~/ed}}\n"
                    "    b: {url: ssh://git@h/b, key: {provider: gitea, forge_token_env: T}}\n"
                    "    c: {url: ssh://git@h/c, key: {provider: static, path: ~/ed}}\n");
    report_init(&report, "m.yaml");
    struct keys *keys = key_files_read(manifest, &report);
    ck_assert_ptr_nonnull(keys);
    ck_assert_uint_eq(keys->count, 2);
    char *text = key_files_text(manifest, keys);
    json_t *member = json_loads(text, 0, NULL);
    static char file[KEY_MAX];
    FILE *from = fopen("ed", "r");
    ck_assert_uint_gt(fread(file, 1, sizeof file - 1, from), 100);
    fclose(from);
    ck_assert_uint_eq(json_object_size(member), 3);
    ck_assert_str_eq(json_string_value(json_object_get(member, "a")), file);
    ck_assert(json_is_null(json_object_get(member, "b")));
    ck_assert_str_eq(json_string_value(json_object_get(member, "c")), file);
    json_decref(member);
    secrets_text_free(text);
    keys_free(keys);
    report_fini(&report);
    manifest_free(manifest);
    tear_down();
}
END_TEST

SUITE_MAIN("key_files", keys_of_every_form_are_taken, what_no_gate_can_use_is_an_error_with_file_and_line,
           what_is_sent_has_the_keys_and_null_for_those_that_the_sidecar_makes)
