/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/keys: private keys by repository, read without a word about what is in them. */
#include "core/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

/* Not keys of anything: only what tells that nobody has to be asked for a passphrase is looked at. */
#define BODY   "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gt"
#define LOCKED "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBxR9Xp"
#define KEY    "-----BEGIN OPENSSH PRIVATE KEY-----\n" BODY "\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"
#define IN_JSON                                                                                              \
    "-----BEGIN OPENSSH PRIVATE KEY-----\\n" BODY "\\nc2VjcmV0\\n-----END OPENSSH PRIVATE KEY-----\\n"

START_TEST(a_key_is_one_that_ssh_takes_without_asking)
{
    static const struct {
        const char *text, *problem;
    } table[] = {
        {KEY, NULL},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\r\n" BODY "\r\n-----END OPENSSH PRIVATE KEY-----\r\n\r\n",
         NULL},
        {"-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----", NULL},
        {"-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n", NULL},
        {"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n", NULL},
        {"", "is empty"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n" LOCKED "\n-----END OPENSSH PRIVATE KEY-----\n",
         "is protected by a passphrase, or no key of OpenSSH's"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n",
         "is protected by a passphrase, or no key of OpenSSH's"},
        {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n"
         "-----END RSA PRIVATE KEY-----\n",
         "is protected by a passphrase"},
        {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
         "is protected by a passphrase"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n" BODY "\n", "has no line -----END …-----"},
        {"-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n",
         "has no line -----END …-----"},
        {KEY "more\n", "has something behind its end"},
        {"ssh-ed25519 AAAA a@b",
         "does not begin as a private key does (-----BEGIN OPENSSH PRIVATE KEY-----)"},
        {"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
         "does not begin as a private key does (-----BEGIN OPENSSH PRIVATE KEY-----)"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n\x01\n", "is not a text of ASCII"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n\xc3\xa9\n", "is not a text of ASCII"},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *problem = keys_problem(str_of(table[i].text));
        ck_assert_msg((problem == NULL) == (table[i].problem == NULL), "%zu: %s", i,
                      problem != NULL ? problem : "no problem");
        if (problem != NULL)
            ck_assert_str_eq(problem, table[i].problem);
    }
    char *large = malloc(KEY_MAX);
    memset(large, 'A', KEY_MAX);
    ck_assert_str_eq(keys_problem((struct str){large, KEY_MAX}), "is longer than 8191 bytes");
    free(large);
    ck_assert_str_eq(keys_problem((struct str){KEY "\0", sizeof KEY}), "is not a text of ASCII");
}
END_TEST

START_TEST(a_set_is_read_by_name_and_written_as_ssh_wants_it)
{
    struct keys *keys, *again;
    struct err err;

    ck_assert_msg(keys_parse(str_of("{\"app\":\"" IN_JSON
                                    "\",\"b.c\":\"-----BEGIN PRIVATE KEY-----\\r\\nMC4C\\r\\n-----END "
                                    "PRIVATE KEY-----\"}"),
                             &keys, &err) == 0,
                  "%s", err.text);
    ck_assert_uint_eq(keys->count, 2);
    ck_assert(str_equal(secret_expose(keys_find(keys, "app")->text), str_of(KEY)));
    ck_assert(str_equal(secret_expose(keys_find(keys, "b.c")->text),
                        str_of("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n")));
    ck_assert_ptr_null(keys_find(keys, "ap"));
    ck_assert_ptr_null(keys_find(NULL, "app"));

    char *text = keys_text(keys);
    ck_assert_int_eq(keys_parse(str_of(text), &again, &err), 0);
    secrets_text_free(text);
    keys_free(keys);
    keys = keys_copy(again);
    keys_free(again);
    ck_assert_uint_eq(keys->count, 2);
    ck_assert(str_equal(secret_expose(keys_find(keys, "app")->text), str_of(KEY)));
    keys_free(keys);
    keys_free(NULL);
}
END_TEST

START_TEST(null_stands_for_a_key_that_was_made)
{
    struct keys *made = keys_new(1), *keys;
    json_t *asked = json_loads("{\"app\":null}", 0, NULL);
    struct err err;

    ck_assert_int_eq(keys_read(asked, made, &keys, &err), -1);
    ck_assert_str_eq(err.text, "keys: app: no key was made with this name (deploy-key)");
    ck_assert_ptr_null(keys);
    keys_add(made, "app", secret_new(str_of(KEY)));
    ck_assert_int_eq(keys_read(asked, made, &keys, &err), 0);
    ck_assert(str_equal(secret_expose(keys_find(keys, "app")->text), str_of(KEY)));
    keys_free(keys);
    keys_free(made);
    ck_assert_int_eq(keys_read(asked, NULL, &keys, &err), -1); /* as stopper-push reads them */
    json_decref(asked);
}
END_TEST

START_TEST(errors_name_the_repository_and_hold_nothing_of_its_key)
{
    static const struct {
        const char *json, *error;
    } table[] = {
        {"{\"app\":7}", "keys: app: expected a string"},
        {"{\"app\":\"" BODY "\"}",
         "keys: app: the key does not begin as a private key does (-----BEGIN OPENSSH PRIVATE KEY-----)"},
        {"{\"../x\":\"" IN_JSON "\"}", "keys: a name is not a repository's"},
        {"{\"app\":\"" IN_JSON "\",\"app\":\"" IN_JSON "\"}",
         "keys: not an object of names and keys, with each name once, or too large"},
        {"{\"app\":\"" IN_JSON, "keys: not an object of names and keys, with each name once, or too large"},
        {"[\"" IN_JSON "\"]", "keys: not an object of names and keys, with each name once, or too large"},
        {"", "keys: not an object of names and keys, with each name once, or too large"},
    };
    struct keys *keys;
    struct err err;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ck_assert_int_eq(keys_parse(str_of(table[i].json), &keys, &err), -1);
        ck_assert_str_eq(err.text, table[i].error);
        ck_assert_ptr_null(strstr(err.text, "b3Blb"));
    }
}
END_TEST

SUITE_MAIN("keys", a_key_is_one_that_ssh_takes_without_asking,
           a_set_is_read_by_name_and_written_as_ssh_wants_it, null_stands_for_a_key_that_was_made,
           errors_name_the_repository_and_hold_nothing_of_its_key)
