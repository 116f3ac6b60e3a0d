/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/mounted: files in, a current policy out, or words about the file and nothing else. */
#include "init/mounted.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

#define POLICY                                                                                               \
    "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"a.example\","          \
    "\"auth\":{\"scheme\":\"Bearer\",\"secret\":\"A_TOKEN\"}}]}"
#define SECRETS "{\"A_TOKEN\":\"value-of-a\"}"

static char folder[] = "/tmp/stopper-mounted-XXXXXX";
static char policy[64], secrets[64], keys[64]; /* keys: none but where a test has some */
static struct net net;
static struct policy_store store;
static struct err err;

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static void set_up(void)
{
    ck_assert_msg(geteuid() == 0, "the suite has to be run as root");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(policy, sizeof policy, "%s/policy", folder);
    snprintf(secrets, sizeof secrets, "%s/secrets", folder);
    put(policy, POLICY, 0644);
    put(secrets, SECRETS, 0400);
    keys[0] = '\0';
    net = (struct net){.agent_address = {4, {10, 7, 7, 1}}};
    policy_store_init(&store, &net, 1);
}

static void tear_down(void)
{
    policy_store_commit(&store); /* of nothing: closes what is current */
    unlink(policy);
    unlink(secrets);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* It fails with "PATH: words", and nothing is in force. */
static void refused(const char *path, const char *words)
{
    char expected[600];
    snprintf(expected, sizeof expected, "%s%s%s", path, path[0] != '\0' ? ": " : "", words);
    ck_assert_int_eq(mounted_load(&store, policy, secrets, keys, &err), -1);
    ck_assert_str_eq(err.text, expected);
    ck_assert_uint_eq(store.current.generation, 0);
    ck_assert_uint_eq(store.next.generation, 0);
    ck_assert_ptr_null(strstr(err.text, "value-of-a"));
}

START_TEST(both_files_are_in_force_as_the_first_generation)
{
    set_up();
    ck_assert_msg(mounted_load(&store, policy, secrets, keys, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(store.current.generation, 1);
    ck_assert_uint_eq(store.next.generation, 0);
    ck_assert_uint_eq(store.current.secrets->count, 1);
    ck_assert_str_eq(store.current.secrets->entries[0].name, "A_TOKEN");
    tear_down();
}
END_TEST

START_TEST(a_policy_needs_its_secrets_and_none_when_it_names_none)
{
    set_up();
    ck_assert_int_eq(mounted_load(&store, policy, "", "", &err), -1);
    ck_assert_str_eq(err.text, "policy: routes[0]: auth: the secret A_TOKEN is missing");
    put(policy, "{\"protocol\":1,\"routes\":[]}", 0444);
    ck_assert_int_eq(mounted_load(&store, policy, "", "", &err), 0);
    ck_assert_ptr_null(store.current.secrets);
    tear_down();
}
END_TEST

START_TEST(secrets_that_others_could_read_or_change_are_refused)
{
    static const mode_t open_modes[] = {0644, 0640, 0604, 0620, 0601, 0610};
    char words[200];
    set_up();
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        ck_assert_int_eq(chmod(secrets, open_modes[i]), 0);
        snprintf(words, sizeof words,
                 "has to be root's and closed to everybody else (mode 0400 or 0600): it is of user 0 with "
                 "mode %04o",
                 (unsigned)open_modes[i]);
        refused(secrets, words);
    }
    ck_assert_int_eq(chmod(secrets, 0600), 0);
    ck_assert_int_eq(chown(secrets, 61001, 0), 0);
    refused(secrets, "has to be root's and closed to everybody else (mode 0400 or 0600): it is of user 61001 "
                     "with mode 0600");
    ck_assert_int_eq(chown(secrets, 0, 61001), 0);
    ck_assert_int_eq(mounted_load(&store, policy, secrets, keys, &err), 0);
    tear_down();
}
END_TEST

START_TEST(words_about_a_broken_file_hold_nothing_of_it)
{
    set_up();
    put(secrets, "{\"A_TOKEN\":\"value-of-a}", 0400);
    refused(secrets, "is not JSON: line 1, column 23");
    put(secrets, "{\"A_TOKEN\":\"value-of-a\",\"A_TOKEN\":\"value-of-a\"}", 0400);
    refused(secrets, "is not JSON: line 1, column 33");
    put(secrets, "{\"A_TOKEN\":\"value of a\"}", 0400);
    refused("", "secrets: A_TOKEN: the value holds a space");
    put(secrets, SECRETS, 0400);
    put(policy, "", 0644);
    refused(policy, "is not JSON: line 1, column 0");
    put(policy, "{\"protocol\":1,\"routes\":[],\"generation\":9}", 0644);
    refused("", "policy: unknown member \"generation\"");
    tear_down();
}
END_TEST

#define GATED                                                                                                \
    "{\"protocol\":1,\"routes\":[],\"gate\":{\"repos\":[{\"name\":\"app\",\"url\":\"ssh://git@h.example/"    \
    "a\","                                                                                                   \
    "\"host_key\":\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi\"}]}}"
#define KEYS                                                                                                 \
    "{\"app\":\"-----BEGIN PRIVATE "                                                                         \
    "KEY-----\\nMC4CAQAwBQYDK2VwBCIEIDWAH1Qcut/1aIK9OCYu9D+h0rVnEp8MGud4a+Etv9fT\\n-----END PRIVATE "        \
    "KEY-----\\n\"}"

START_TEST(a_policy_needs_the_keys_of_its_repositories)
{
    set_up();
    store.keeps = true;
    put(policy, GATED, 0644);
    refused("", "keys: the key of the repository app is missing");
    snprintf(keys, sizeof keys, "%s/keys", folder);
    put(keys, KEYS, 0644);
    refused(keys, "has to be root's and closed to everybody else (mode 0400 or 0600): it is of user 0 with "
                  "mode 0644");
    put(keys, "{\"app\":\"value-of-a\"}", 0600);
    refused("", "keys: app: the key does not begin as a private key does (-----BEGIN OPENSSH PRIVATE "
                "KEY-----)");
    put(keys, "{\"app\":null}", 0600);
    refused("", "keys: app: no key was made with this name (deploy-key)");
    put(keys, KEYS, 0600);
    ck_assert_msg(mounted_load(&store, policy, secrets, keys, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(store.current.keys->count, 1);
    ck_assert_str_eq(store.current.keys->list[0].name, "app");
    unlink(keys);
    tear_down();
}
END_TEST

START_TEST(what_is_no_file_is_not_waited_for)
{
    set_up();
    unlink(policy);
    refused(policy, "cannot be opened: No such file or directory");
    ck_assert_int_eq(mkfifo(policy, 0600), 0);
    refused(policy, "is not a file");
    unlink(policy);
    ck_assert_int_eq(symlink(secrets, policy), 0); /* links are followed: what is behind decides */
    refused("", "policy: unknown member \"A_TOKEN\"");
    tear_down();
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused)
{
    set_up();
    ck_assert_int_eq(truncate(secrets, SECRETS_MAX_JSON + 1), 0);
    refused(secrets, "is larger than 1048576 bytes");
    tear_down();
}
END_TEST

SUITE_MAIN("mounted", both_files_are_in_force_as_the_first_generation,
           a_policy_needs_its_secrets_and_none_when_it_names_none,
           secrets_that_others_could_read_or_change_are_refused, words_about_a_broken_file_hold_nothing_of_it,
           a_policy_needs_the_keys_of_its_repositories, what_is_no_file_is_not_waited_for,
           a_file_that_is_too_large_is_refused)
